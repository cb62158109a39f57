"""Writes and reads of items on the wire: in the lease only, each written once whatever becomes of its answer.

A write is conditional on the version that it replaces, so that it takes effect once however often it is sent. Sent
again after a lost answer it is refused either because it was carried out or because somebody else was quicker: the
marks of what is there tell which (`history`).
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import CrossoverError, TargetError, UsageError
from pipelines.items.canonical import quote
from pipelines.items.record import VERSION_ATTRIBUTE
from pipelines.masters.history import was_written
from pipelines.masters.refusals import UnknownWriteError
from pipelines.masters.turn import MasterMovedError, Turn
from pipelines.target.conditional_write import GET, PUT, REFUSED, lookup
from pipelines.target.failures import THROTTLED, no_answer, refusal
from pipelines.target.wire import Answer, Refusal, Wire

TRANSACTION = "TransactWriteItems"
MOST_BYTES = 1_000_000  # of a request: what is larger takes longer than the lease allows
_LOOKS, _LOOK_SECONDS = 10, 0.2
_NOT_CARRIED_OUT = THROTTLED | {"TransactionConflictException"}
_CANCELED = "TransactionCanceledException"
_REASONS = re.compile(r"\[([A-Za-z, ]*)\]")
_PASSING_REASONS = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})


@dataclass(frozen=True)
class Put:
    """`key`, `stored`: canonical JSON, `stored` with Crossover's own attributes. `was`: the version that it replaces,
    None for a key where nothing is. `mark`: the newest of its `_w`."""

    table: str
    partition_key: str
    key: str
    stored: str
    was: int | None
    version: int
    mark: str

    def request(self) -> str:
        """PutItem's members, or those of a transaction's Put, without the braces."""
        if self.was is None:
            condition = f'"attribute_not_exists(#k)","ExpressionAttributeNames":{{"#k":{quote(self.partition_key)}}}'
        else:
            condition = (
                f'"#v = :v","ExpressionAttributeNames":{{"#v":"{VERSION_ATTRIBUTE}"}},'
                f'"ExpressionAttributeValues":{{":v":{{"N":"{self.was}"}}}}'
            )
        return f'"TableName":{quote(self.table)},"Item":{self.stored},"ConditionExpression":{condition}'


class Sender:
    """For one write of the application."""

    def __init__(self, wire: Callable[[], Wire], turn: Turn) -> None:
        self._wire = wire
        self._turn = turn
        self._heard = False

    def read(self, table: str, key: str) -> Mapping[str, Any] | None:
        """What is at the key, strongly consistent; None where nothing is. Raises TargetError; what `Turn.hold` does."""
        while True:
            answer = self._call(GET, lookup(table, key))
            if not isinstance(answer, Refusal):
                found: Mapping[str, Any] | None = answer.document.get("Item")
                return found
            self._pause_or_raise(answer, GET, table)

    def put(self, put: Put) -> bool:
        """False where something else is there by now. Raises UnknownWriteError, TargetError; what `Turn.hold` does."""
        body = f'{{{put.request()},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}}'.encode()

        def refused(answer: Refusal) -> bool:
            return answer.code == REFUSED

        return self._sent(PUT, body, (put,), refused)

    def transact(self, puts: Sequence[Put]) -> bool:
        """All of them, or none. Raises as `put` does."""
        token = secrets.token_urlsafe(24)
        entries = ",".join(f'{{"Put":{{{put.request()}}}}}' for put in puts)
        body = f'{{"ClientRequestToken":"{token}","TransactItems":[{entries}]}}'.encode()

        def refused(answer: Refusal) -> bool:
            return answer.code == _CANCELED and "ConditionalCheckFailed" in _reasons(answer)

        return self._sent(TRANSACTION, body, puts, refused)

    def _sent(self, action: str, body: bytes, puts: Sequence[Put], refused: Callable[[Refusal], bool]) -> bool:
        if len(body) > MOST_BYTES:
            raise UsageError(f"{self._turn.what}: {len(body)} bytes in one request; {MOST_BYTES} at most")
        unsure = False
        while True:
            try:
                answer = self._call(action, body)
                if not isinstance(answer, Refusal):
                    return self._written(puts)
                if refused(answer):
                    if unsure and self._was_written(puts[0], answer.item):
                        return self._written(puts)
                    return False
                unsure = unsure or (answer.passing and answer.code not in _NOT_CARRIED_OUT)
                self._pause_or_raise(answer, action, puts[0].table)
            except UnknownWriteError:
                raise
            except MasterMovedError:
                if unsure and self._has_arrived(puts[0]):
                    return self._written(puts)
                raise
            except CrossoverError as error:
                if not unsure:
                    raise
                if self._was_written(puts[0], None, error):
                    return self._written(puts)
                raise UnknownWriteError(f"{self._turn.what}: nobody knows whether it was written: {error}") from error

    def _call(self, action: str, body: bytes) -> Answer | Refusal:
        """Once; again only where it was refused for this machine's clock."""
        wire = self._wire()
        exchange = wire.borrow()
        while True:
            wire.prepare(exchange, action, body)
            try:
                self._turn.hold()  # last of all: to prepare it can take long, where credentials are renewed
            except CrossoverError:
                exchange.close()
                raise
            answer = wire.conclude(exchange, action, exchange.perform())
            if answer is not None:
                return answer

    def _written(self, puts: Sequence[Put]) -> bool:
        self._turn.written += len(puts)
        return True

    def _was_written(self, put: Put, found: Mapping[str, Any] | None, why: CrossoverError | None = None) -> bool:
        """Of a write that was sent before, whose answer was lost. `why`: it cannot be sent again, so it may still be
        under way."""
        told = was_written(put.mark, put.version, found or self._look(put))
        if told is None:
            raise UnknownWriteError(
                f"{self._turn.what}: its answer was lost, and nothing tells whether it was written; read the item"
            ) from why
        return told

    def _has_arrived(self, put: Put) -> bool:
        """Of a write whose answer was lost, now that RDS is the master: it has what had arrived in DynamoDB before, and
        will never have what arrives later (rule 15). Raises UnknownWriteError."""
        found = self._look(put)
        if found is None and put.was is None and self._heard:
            return False
        return self._was_written(put, found)

    def _look(self, put: Put) -> Mapping[str, Any] | None:
        """Whoever's turn it is; None, too, where there is no answer, which `_heard` tells."""
        self._heard = False
        for _ in range(_LOOKS):
            answer = self._wire().call(GET, lookup(put.table, put.key))
            if not isinstance(answer, Refusal):
                self._heard = True
                found: Mapping[str, Any] | None = answer.document.get("Item")
                return found
            if not answer.passing:
                break
            self._turn.waiting.sleep(_LOOK_SECONDS)
        return None

    def _pause_or_raise(self, answer: Refusal, action: str, table: str) -> None:
        reasons = _reasons(answer) if answer.code == _CANCELED else set()
        is_passing = answer.passing or (bool(reasons) and reasons <= _PASSING_REASONS)
        if self._turn.is_over or not is_passing:
            raise self._error(answer, action, table)
        self._turn.pause()

    def _error(self, answer: Refusal, action: str, table: str) -> TargetError:
        if answer.unheard is not None:
            return no_answer(answer.unheard, action, self._wire().endpoint)
        code = ", ".join(sorted(_reasons(answer))) or answer.code if answer.code == _CANCELED else answer.code
        return refusal(code, action, table, self._wire().endpoint)


def _reasons(answer: Refusal) -> set[str]:
    """Of a canceled transaction: its message lists them in the order of its writes."""
    found = _REASONS.search(answer.message)
    return {reason for reason in (found[1].split(", ") if found else ()) if reason != "None"}
