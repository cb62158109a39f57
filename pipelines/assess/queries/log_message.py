"""What a message of PostgreSQL's log says of a statement (PostgreSQL, 19.8.3: log_statement, log_duration)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DURATION = re.compile(r"duration: (?P<ms>\d+(?:\.\d+)?) ms(?:  (?P<rest>.*))?\Z", re.DOTALL)
_STATEMENT = re.compile(r"(?:statement|execute (?:fetch from )?[^:]*): (?P<sql>.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Message:
    """`sql` without `milliseconds`: it has begun; the other way round: the session's last one has taken so long."""

    sql: str | None
    milliseconds: float | None


def read_message(text: str) -> Message | None:
    """None for all that tells of no execution: parse and bind are its preparation."""
    duration = _DURATION.match(text)
    rest = text if duration is None else (duration["rest"] or "")
    statement = _STATEMENT.match(rest)
    if duration is None:
        return Message(statement["sql"], None) if statement is not None else None
    spent = float(duration["ms"])
    if statement is not None:
        return Message(statement["sql"], spent)
    return Message(None, spent) if not rest else None
