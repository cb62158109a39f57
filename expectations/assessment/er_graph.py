"""Which tables and foreign keys the picture of the database shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expectations.assessment.table_names import asked_tables, shown_name
from pipelines.assess.evidence import Evidence, ForeignKey, TableEvidence
from pipelines.assess.patterns import Patterns
from pipelines.mapping.catalog import TableRef

MOST = 40
"""Tables in a picture that somebody could read."""


@dataclass(frozen=True)
class Shown:
    """`alone`: tables that no foreign key connects to another of those shown; `said`: which tables were taken, where
    not all were, else ""."""

    tables: tuple[TableRef, ...]
    keys: tuple[ForeignKey, ...]
    alone: tuple[TableRef, ...]
    said: str


def chosen(evidence: Evidence, patterns: Patterns) -> Shown:
    refs = {table.ref for table in evidence.tables}
    keys = [key for key in evidence.foreign_keys if key.table in refs and key.parent in refs]
    tables, said = _limited(evidence, patterns, _connected(evidence.tables, keys))
    within = {table.ref for table in tables}
    keys = [key for key in keys if key.table in within and key.parent in within]
    drawn = [table.ref for table in _connected(tables, keys)]
    alone = [table.ref for table in (tables if said else evidence.tables) if table.ref not in drawn]
    return Shown(tuple(drawn), tuple(keys), tuple(alone), said)


def _connected(tables: Sequence[TableEvidence], keys: Sequence[ForeignKey]) -> list[TableEvidence]:
    ends = {end for key in keys for end in (key.table, key.parent)}
    return [table for table in tables if table.ref in ends]


def _limited(
    evidence: Evidence, patterns: Patterns, connected: list[TableEvidence]
) -> tuple[Sequence[TableEvidence], str]:
    if len(connected) <= MOST:
        return connected, ""
    asked = asked_tables(patterns)
    used = [table for table in connected if shown_name(table.ref, evidence) in asked]
    if 0 < len(used) <= MOST:
        return used, f"{len(used):,} of {len(evidence.tables):,} tables: those that statements read or write"
    candidates = used or connected
    largest = sorted(candidates, key=lambda table: (-table.bytes, str(table.ref)))[:MOST]
    what = "the largest of those that statements read or write" if used else "the largest"
    return largest, f"{len(largest):,} of {len(evidence.tables):,} tables: {what}"
