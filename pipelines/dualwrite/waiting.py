"""What one commit waits for: an answer to the first write of each of its items, or the end of its patience."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from enum import StrEnum

Key = tuple[str, str]
"""Item type and source key."""


class Reason(StrEnum):
    """Why something was left to the relay."""

    DEADLINE = "deadline"
    BUSY = "busy"  # a relay, or another process, was delivering the item
    NO_ANSWER = "no_answer"  # from DynamoDB, or none that can be understood
    IMPOSSIBLE = "impossible"  # DynamoDB takes no such item
    FAILED = "failed"  # the ledger or DynamoDB cannot be used; the log says why
    CLOSED_WAY = "closed_way"  # it failed a moment ago, so it was not tried
    TOO_MANY = "too_many"  # items in one transaction
    NOT_FOLLOWING = "not_following"  # the session's setting was taken back
    ENDED = "ended"  # the writer has been closed


class Waiting:
    """Of one commit; answered by several threads. `future` is done exactly once, always with None."""

    def __init__(self, keys: Iterable[Key], until: float, reason: Reason | None = None) -> None:
        """`until`: of a monotonic clock; later answers come too late. `reason`: why some items are not even among
        `keys`."""
        self.future: Future[None] = Future()
        self.until = until
        self._lock = threading.Lock()
        self._open = set(keys)
        self._why = dict.fromkeys(self._open, Reason.DEADLINE)
        self._reason = reason
        if not self._open:
            self.future.set_result(None)

    @property
    def is_over(self) -> bool:
        return self.future.done()

    @property
    def reason(self) -> Reason | None:
        """The first why something was left to the relay."""
        return self._reason

    def held_up(self, key: Key, reason: Reason) -> None:
        """What is to be said should its time run out."""
        with self._lock:
            self._why[key] = reason

    def answered(self, key: Key, left: Reason | None = None) -> None:
        """`left`: it was not delivered, and why."""
        with self._lock:
            if key not in self._open:
                return
            self._open.remove(key)
            self._reason = self._reason or left
            if not self._open:
                self.future.set_result(None)

    def give_up(self) -> None:
        """What has not been answered by now is left to the relay."""
        with self._lock:
            if self._open:
                self._reason = self._reason or next(self._why[key] for key in self._open)
                self._open.clear()
                self.future.set_result(None)
