"""The live writer: nothing is put where something newer is, and most of it in batches (rule 7).

Where the endpoint has PartiQL, items are INSERTed 25 a request, each with its own success or `DuplicateItem`; only
those whose key exists are put one by one, by condition. Elsewhere all are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.target import insert
from pipelines.target.budget import Budget
from pipelines.target.charge import FREE, Charge, total
from pipelines.target.conditional_write import GET, PUT, Answered, Sent, Write, looked_up, understood
from pipelines.target.courier import Courier
from pipelines.target.failures import THROTTLED
from pipelines.target.retry import RetryPolicy
from pipelines.target.spread import side_by_side
from pipelines.target.statements import Statements, statements_of
from pipelines.target.wire import Answer, Refusal, Wire

IN_FLIGHT = 32
_THROTTLED = frozenset({"ProvisionedThroughputExceeded", "RequestLimitExceeded", "ThrottlingError"})
_LATER = _THROTTLED | {"InternalServerError", "TransactionConflict"}
"""What BatchExecuteStatement says of one statement that may succeed later."""


@dataclass(frozen=True)
class _Put:
    write: Write
    failures: int = 0

    action = PUT

    @property
    def table(self) -> str:
        return self.write.table

    @property
    def charge(self) -> Charge:
        return self.write.charge

    def body(self) -> bytes:
        return self.write.body()


@dataclass(frozen=True)
class _LookUp:
    """What is at the key of a put that was refused without a word about it."""

    write: Write
    failures: int = 0

    action = GET
    charge = FREE

    @property
    def table(self) -> str:
        return self.write.table

    def body(self) -> bytes:
        return self.write.lookup()


@dataclass(frozen=True)
class _Insert:
    """`texts`: the writes as statements."""

    writes: tuple[Write, ...]
    texts: tuple[str, ...]
    failures: int = 0

    action = insert.ACTION

    @property
    def table(self) -> str:
        return self.writes[0].table

    @property
    def charge(self) -> Charge:
        return total([write.charge for write in self.writes])

    def body(self) -> bytes:
        return insert.body(self.texts)


_Job = _Put | _LookUp | _Insert


class LiveWriter:
    """Writes through `wire`, from one thread. `seed` fixes the jitter."""

    def __init__(
        self,
        wire: Wire,
        policy: RetryPolicy | None = None,
        in_flight: int = IN_FLIGHT,
        seed: int | None = None,
        statements: Statements | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`statements`: whether the endpoint has PartiQL; unless given, what this process has found out."""
        self._wire = wire
        self._policy = policy or RetryPolicy()
        self._in_flight = in_flight
        self._seed = seed
        self._statements = statements or statements_of(wire.endpoint)
        self._budget = budget

    def send(self, writes: Iterable[Write]) -> Iterator[Answered]:
        """`send_lines` of one."""
        return self.send_lines([(1, writes)])

    def send_lines(self, lines: Sequence[tuple[int, Iterable[Write]]]) -> Iterator[Answered]:
        """Lines of one table each, with the number of their writes. What became of each write, in the order in which it
        is known. Keys are distinct. What got no answer is sent again: the same item at the same version changes
        nothing, and is met again with equal content.

        Raises TargetError where going on is useless: no table, no permission, no answer from anybody.
        """
        jobs = side_by_side([(count, self._jobs(writes)) for count, writes in lines], _items)
        with Courier[_Job](self._wire, self._policy, self._in_flight, self._seed, self._budget) as courier:
            for job, answer in courier.answers(jobs):
                if isinstance(job, _Insert):
                    yield from self._inserted(courier, job, answer)
                else:
                    yield from self._put(courier, job, answer)

    def _jobs(self, writes: Iterable[Write]) -> Iterator[_Job]:
        held: list[tuple[Write, str]] = []
        size = units = 0
        for write in writes:
            text = insert.insert(write.table, write.stored()) if self._statements.may_work else None
            if text is None:
                yield _Put(write)
                continue
            size += len(text)
            is_full = len(held) == insert.MAX_STATEMENTS or size > insert.MAX_BYTES
            if self._budget is not None:
                units += write.charge.total
                is_full |= units > self._budget.request_units(write.table)
            if held and is_full:
                yield _batch(held)
                held, size, units = [], len(text), write.charge.total
            held.append((write, text))
        if held:
            yield _batch(held)

    def _inserted(self, courier: Courier[_Job], job: _Insert, answer: Answer | Refusal) -> Iterator[Answered]:
        if isinstance(answer, Refusal):
            self._not_inserted(courier, job, answer)
            return
        responses = answer.document.get("Responses", [])
        if len(responses) != len(job.writes):
            self._statements.lack()
            self._one_by_one(courier, job)
            return
        self._statements.work()
        courier.succeeded()
        codes = [_code(response) for response in responses]
        yield from (Answered(write, Sent.WRITTEN) for write, code in zip(job.writes, codes, strict=True) if not code)
        self._left(courier, job, codes)

    def _left(self, courier: Courier[_Job], job: _Insert, codes: list[str]) -> None:
        """What exists, and what a statement will not do, is put; what was throttled is inserted again."""
        again: list[tuple[Write, str]] = []
        for write, text, code in zip(job.writes, job.texts, codes, strict=True):
            if code in _LATER:
                again.append((write, text))
            elif code:
                courier.at_once(_Put(write))
        if not _THROTTLED.isdisjoint(codes):
            courier.slow_down(job)
        if again:
            failures = job.failures + 1 if len(again) == len(job.writes) else 1
            self._again(courier, _batch(again, failures))

    def _not_inserted(self, courier: Courier[_Job], job: _Insert, refused: Refusal) -> None:
        self._statements.refused(refused)
        if refused.passing and self._statements.may_work:
            self._again(courier, _Insert(job.writes, job.texts, job.failures + 1))
        else:
            self._one_by_one(courier, job)

    def _again(self, courier: Courier[_Job], job: _Insert) -> None:
        if not courier.later(job):
            self._one_by_one(courier, job)

    def _one_by_one(self, courier: Courier[_Job], job: _Insert) -> None:
        for write in job.writes:
            courier.at_once(_Put(write))

    def _put(self, courier: Courier[_Job], job: _Put | _LookUp, answer: Answer | Refusal) -> Iterator[Answered]:
        understand = understood if isinstance(job, _Put) else looked_up
        answered = understand(job.write, answer, self._wire.endpoint)
        if answered.is_untold:
            courier.at_once(_LookUp(job.write))
            return
        if answered.sent is not Sent.UNKNOWN or isinstance(answer, Answer):
            courier.succeeded()
            yield answered
            return
        if courier.later(_Put(job.write, job.failures + 1)):
            return
        courier.require_hope(job, answer)
        sent = Sent.NOT_SENT if answer.code in THROTTLED else Sent.UNKNOWN
        yield Answered(job.write, sent, code=answer.code)


def _items(job: _Job) -> int:
    return len(job.writes) if isinstance(job, _Insert) else 1


def _batch(held: list[tuple[Write, str]], failures: int = 0) -> _Insert:
    writes, texts = zip(*held, strict=True)
    return _Insert(writes, texts, failures)


def _code(response: dict[str, Any]) -> str:
    """Of its error; empty where there is none."""
    return str(response["Error"].get("Code", "unknown")) if "Error" in response else ""
