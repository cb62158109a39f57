"""Statements that differ in values alone, added up as they come: what is kept grows with the shapes, not with a log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.assess.observed import Observed
from pipelines.assess.statements.fingerprint import fingerprint
from pipelines.assess.statements.parse import Outcome, Prepared, parse, prepared_name

POSITIONS = 5


@dataclass
class Tally:
    """`sql`: of the first that came. `milliseconds` and `rows` are None unless some told them."""

    sql: str
    statements: int = 0
    calls: int = 0
    milliseconds: float | None = None
    rows: int | None = None
    positions: list[str] = field(default_factory=list)

    def add(self, one: Observed | Tally) -> None:
        self.statements += one.statements if isinstance(one, Tally) else 1
        self.calls += one.calls
        if one.milliseconds is not None:
            self.milliseconds = (self.milliseconds or 0.0) + one.milliseconds
        if one.rows is not None:
            self.rows = (self.rows or 0) + one.rows
        positions = one.positions if isinstance(one, Tally) else [one.position]
        self.positions += positions[: POSITIONS - len(self.positions)]


def tallied(statements: Iterable[Observed]) -> dict[str, Tally]:
    """Per fingerprint, in the order in which they came."""
    found: dict[str, Tally] = {}
    for one in statements:
        found.setdefault(fingerprint(one.sql), Tally(one.sql)).add(one)
    return found


def outcomes(tallies: dict[str, Tally]) -> list[tuple[str, Tally, Outcome]]:
    """Each parsed. EXECUTE is what its PREPARE prepared, wherever that stands."""
    prepared = {name: one.sql for one in tallies.values() if (name := prepared_name(one.sql)) is not None}
    return [(key, tally, _resolved(parse(tally.sql), prepared)) for key, tally in tallies.items()]


def _resolved(outcome: Outcome, prepared: dict[str, str]) -> Outcome:
    if isinstance(outcome, Prepared) and outcome.name in prepared:
        return parse(prepared[outcome.name])
    return outcome
