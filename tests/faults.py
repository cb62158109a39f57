"""What a DynamoDB endpoint can do to a request that writes, and plans that say when it does."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum, auto
from typing import Any


class Fault(Enum):
    THROTTLED = auto()
    SOME_UNPROCESSED = auto()
    ALL_UNPROCESSED = auto()
    SOME_STATEMENTS = auto()  # some of a batch's statements fail, each with a code of its own
    ALL_STATEMENTS = auto()
    UNSURE_STATEMENTS = auto()  # the server has acted, each statement is said to have failed
    ERROR_500 = auto()
    ERROR_500_AFTER = auto()  # the server has acted all the same
    ERROR_503_WITHOUT_JSON = auto()
    RESET_BEFORE = auto()  # the server never sees the request
    RESET_AFTER = auto()  # the server has acted, the answer is lost
    SLOW = auto()  # the server has acted, the answer comes after `slow_seconds`
    TRUNCATED = auto()  # the server has acted, half of the answer comes
    DAMAGED = auto()  # the server has acted, the answer does not fit its checksum
    LATE = auto()  # the connection is reset, and after `slow_seconds` the server acts
    DOUBLED = auto()  # the server acts, and after `slow_seconds` once more


_UNPROCESSED = frozenset({Fault.SOME_UNPROCESSED, Fault.ALL_UNPROCESSED})
_STATEMENTS = frozenset({Fault.SOME_STATEMENTS, Fault.ALL_STATEMENTS, Fault.UNSURE_STATEMENTS})

# the faults of statements are for endpoints that have PartiQL: a batch that fails one by one is a sign of it
PUT_FAULTS = tuple(fault for fault in Fault if fault not in _UNPROCESSED | _STATEMENTS)
BATCH_FAULTS = tuple(fault for fault in Fault if fault not in _STATEMENTS)
STATEMENT_FAULTS = tuple(fault for fault in Fault if fault not in _UNPROCESSED)

STATEMENT_CODES = (
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    "RequestLimitExceeded",
    "InternalServerError",
    "TransactionConflict",
)
"""What BatchExecuteStatement says of one statement that may succeed later; the names are not the exceptions'.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
"""

Plan = Callable[[int, dict[str, Any]], Fault | str | None]
"""What happens to the n-th request (from 0) that has this body: a fault, a refusal with a code, or nothing."""


def faults_of(body: dict[str, Any]) -> tuple[Fault, ...]:
    """All that can happen to a request, by the action that its body is of."""
    if "RequestItems" in body:
        return BATCH_FAULTS
    return STATEMENT_FAULTS if "Statements" in body else PUT_FAULTS


def seeded(seed: int | str, share: float, faults: tuple[Fault, ...] = tuple(Fault)) -> Plan:
    """A share of the requests meets one of the faults that can happen to it, the same for the same seed and number."""

    def plan(number: int, body: dict[str, Any]) -> Fault | None:
        dice = random.Random(f"{seed}:{number}")
        fitting = [fault for fault in faults_of(body) if fault in faults]
        return dice.choice(fitting) if fitting and dice.random() < share else None

    return plan
