"""What was seen of the database: its tables, their growth, and what its statements are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from expectations.assessment.shown_patterns import weight_of
from expectations.assessment.table_names import Role, shown_name
from expectations.assessment.words import COLOURS, ROWS_FROM
from pipelines.assess.evidence import Evidence, Growth, TableEvidence
from pipelines.assess.patterns import PatternClass, Patterns
from pipelines.assess.summary import CLASS_NAMES, rows_of
from pipelines.mapping.catalog import TableRef

OPEN = 25
"""Tables that are shown at once, the largest; the others are folded away."""

BAR = 1_000
"""Units of the load's bar."""


@dataclass(frozen=True)
class ShownTable:
    """`load`: the share of the load of patterns that this table's items would answer or that write it, 0 to 1."""

    name: str
    evidence: TableEvidence
    rows_note: str
    columns: int
    role: str
    load: float

    @property
    def growth(self) -> Growth | None:
        return self.evidence.growth


@dataclass(frozen=True)
class ShownClass:
    """A class with its statements, and its part of the load's bar, in units of BAR."""

    name: str
    colour: str
    statements: int
    load: float
    x: float
    width: float


@dataclass(frozen=True)
class Totals:
    """`rows` is None where that of one table is not known. Growth is of the tables that an earlier run saw, too; None
    where there was none."""

    tables: int
    rows: int | None
    bytes: int
    index_bytes: int
    calls: int
    calls_per_second: float | None
    grown_rows: int | None
    grown_bytes: int | None
    grown_days: float | None


def totals(evidence: Evidence, patterns: Patterns) -> Totals:
    grown = [table.growth for table in evidence.tables if table.growth is not None]
    rows = [one.rows for one in grown if one.rows is not None]
    calls = sum(one.load.calls for one in patterns.patterns)
    window = patterns.window_seconds
    return Totals(
        tables=len(evidence.tables),
        rows=rows_of(evidence.tables),
        bytes=sum(table.bytes for table in evidence.tables),
        index_bytes=sum(table.index_bytes for table in evidence.tables),
        calls=calls,
        calls_per_second=calls / window if window else None,
        grown_rows=sum(rows) if rows else None,
        grown_bytes=sum(one.bytes for one in grown) if grown else None,
        grown_days=max(one.days for one in grown) if grown else None,
    )


def shown_tables(evidence: Evidence, patterns: Patterns, roles: Mapping[TableRef, Role]) -> tuple[ShownTable, ...]:
    """By bytes, the largest first. `roles`: by the mapping that is shown first; none where there is none."""
    load: dict[str, float] = {}
    for pattern in patterns.patterns:
        for name in {pattern.table, *(write.table for write in pattern.writes)} - {None}:
            load[str(name)] = load.get(str(name), 0.0) + weight_of(pattern)
    shown = [
        ShownTable(
            name=(name := shown_name(found.ref, evidence)),
            evidence=found,
            rows_note=ROWS_FROM[found.rows_from],
            columns=len(table.columns),
            role=str(roles.get(found.ref, Role.LEFT_OUT)) if roles else "",
            load=load.get(name, 0.0),
        )
        for table, found in zip(evidence.catalog.tables, evidence.tables, strict=True)
    ]
    return tuple(sorted(shown, key=lambda one: (-one.evidence.bytes, one.name)))


def shown_classes(patterns: Patterns) -> tuple[ShownClass, ...]:
    """Those that a statement has."""
    found: list[ShownClass] = []
    x = 0.0
    for pattern_class, statements in sorted(patterns.classes.items(), key=lambda one: _ORDER[one[0]]):
        if not statements:
            continue
        load = sum(weight_of(one) for one in patterns.patterns if one.pattern is pattern_class)
        width = round(load * BAR, 2)
        found.append(ShownClass(CLASS_NAMES[pattern_class], COLOURS[pattern_class], statements, load, x, width))
        x += width
    return tuple(found)


_ORDER = {one: number for number, one in enumerate(PatternClass)}
