"""How long a session of ours may wait for a lock, and how long one statement may run."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pipelines.errors import UsageError
from pipelines.settings import optional

LOCK_TIMEOUT = "CROSSOVER_LOCK_TIMEOUT"
STATEMENT_TIMEOUT = "CROSSOVER_STATEMENT_TIMEOUT"

DEFAULT_LOCK_SECONDS = 10.0
MINIMUM_SECONDS = Decimal("0.001")  # PostgreSQL counts milliseconds, and takes 0 for no limit
MAXIMUM_SECONDS = 2_147_483  # in 32 bits


@dataclass(frozen=True)
class SessionLimits:
    """In seconds, 0 for no limit. Without `statement_seconds` the role's or database's own statement_timeout stands:
    who set it there meant it."""

    lock_seconds: float
    statement_seconds: float | None

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Names and values for PostgreSQL, in milliseconds."""
        limits = (("lock_timeout", self.lock_seconds), ("statement_timeout", self.statement_seconds))
        return tuple((name, str(milliseconds(seconds))) for name, seconds in limits if seconds is not None)


def session_limits(environment: Mapping[str, str] = os.environ) -> SessionLimits:
    """From CROSSOVER_LOCK_TIMEOUT and CROSSOVER_STATEMENT_TIMEOUT. Raises UsageError, naming the variable."""
    lock = _seconds(LOCK_TIMEOUT, environment)
    return SessionLimits(
        lock_seconds=DEFAULT_LOCK_SECONDS if lock is None else lock,
        statement_seconds=_seconds(STATEMENT_TIMEOUT, environment),
    )


def milliseconds(seconds: float) -> int:
    """Rounded up: PostgreSQL takes no fractions."""
    return math.ceil(seconds * 1000)


def _seconds(name: str, environment: Mapping[str, str]) -> float | None:
    text = optional(name, environment)
    if text is None:
        return None
    try:
        seconds = Decimal(text)  # as a float, what is very small would be 0
    except InvalidOperation:
        seconds = Decimal("NaN")
    if not seconds.is_finite() or (seconds and not MINIMUM_SECONDS <= seconds <= MAXIMUM_SECONDS):
        raise UsageError(
            f"{name}={text}: give a number of seconds, from {MINIMUM_SECONDS} to {MAXIMUM_SECONDS}; 0 for no limit"
        )
    return float(seconds)
