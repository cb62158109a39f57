"""Many requests under way at once from one thread, over connections that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import pycurl

from pipelines.target.exchange import CurlError, Exchange
from pipelines.target.wire import Answer, Refusal, Wire

T = TypeVar("T")


@dataclass(frozen=True)
class _Flight(Generic[T]):
    exchange: Exchange
    token: T
    action: str
    body: bytes


class Flights(Generic[T]):
    """Of one thread; a context manager, which drops what is still under way at its end."""

    def __init__(self, wire: Wire, seats: int) -> None:
        self._wire = wire
        self._seats = seats
        self._flying: dict[pycurl.Curl, _Flight[T]] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, seats)

    def __enter__(self) -> Flights[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()
        self._multi.close()

    def drop(self) -> None:
        """What is under way: it may have been done, or may still be."""
        for handle in self._flying:
            self._multi.remove_handle(handle)
            handle.close()
        self._flying.clear()

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def has_seat(self) -> bool:
        return len(self._flying) < self._seats

    def send(self, action: str, body: bytes, token: T) -> None:
        """`token` comes back with the answer. Raises TargetError as Wire.call."""
        self._take_off(_Flight(self._wire.borrow(), token, action, body))

    def landed(self, seconds: float) -> list[tuple[T, Answer | Refusal]]:
        """What has been answered, or never will be; waits for the first at most so long. Raises TargetError as
        Wire.call."""
        self._multi.perform()
        answers = self._answers()
        if not answers:
            self._multi.select(seconds)
            self._multi.perform()
            answers = self._answers()
        return answers

    def _take_off(self, flight: _Flight[T]) -> None:
        self._wire.prepare(flight.exchange, flight.action, flight.body)
        self._flying[flight.exchange.handle] = flight
        self._multi.add_handle(flight.exchange.handle)

    def _answers(self) -> list[tuple[T, Answer | Refusal]]:
        found: list[tuple[T, Answer | Refusal]] = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            ended: list[tuple[pycurl.Curl, CurlError | None]] = [(handle, None) for handle in good]
            ended += [(handle, CurlError(code, message)) for handle, code, message in bad]
            for handle, error in ended:
                found += self._land(handle, error)
        return found

    def _land(self, handle: pycurl.Curl, error: CurlError | None) -> list[tuple[T, Answer | Refusal]]:
        """Nothing where it had to take off once more."""
        flight = self._flying.pop(handle)
        self._multi.remove_handle(handle)
        answer = self._wire.conclude(flight.exchange, flight.action, error)
        if answer is None:
            self._take_off(flight)
            return []
        return [(flight.token, answer)]
