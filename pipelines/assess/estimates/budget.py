"""A budget of time, shared among things to do; what one leaves is the others'."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.session_limits import milliseconds, session_limits

LEAST_SECONDS = 0.2
"""What one statement may take even where its share is used up: most tables are read in less."""


@dataclass
class Budget:
    """`seconds` in all, from now on. `clock`: seconds from any beginning."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def left(self) -> float:
        return max(self.seconds - (self.clock() - self._began), 0.0)

    def share(self, of: int) -> Budget:
        """One of so many equal shares of what is left."""
        return Budget(self.left / max(of, 1), self.clock)


def limit_statements(connection: Connection[TupleRow], *budgets: Budget) -> None:
    """From now on a statement of this transaction takes no longer than each of `budgets` has left, or than
    CROSSOVER_STATEMENT_TIMEOUT allows."""
    seconds = max(min(budget.left for budget in budgets), LEAST_SECONDS)
    own = session_limits().statement_seconds
    if own:
        seconds = min(seconds, own)
    statement = sql.SQL("SET LOCAL statement_timeout TO {}").format(sql.Literal(milliseconds(seconds)))
    connection.execute(statement)


def is_timeout(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.errors.QueryCanceled)
