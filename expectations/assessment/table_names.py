"""Tables by the names that patterns and warnings call them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import Pattern, Patterns
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.model import Body, Embed, Mapping


class Role(StrEnum):
    """What a mapping makes of a table's rows."""

    ITEMS = "items of its own"
    EMBEDDED = "within other items"
    LEFT_OUT = "left out"


def shown_name(ref: TableRef, evidence: Evidence) -> str:
    """Without the schema, where that is the first of those that were assessed."""
    return ref.table if ref.schema_name == evidence.schemas[0] else str(ref)


def roles(mapping: Mapping | None) -> dict[TableRef, Role]:
    """Of those that the mapping reads."""
    found: dict[TableRef, Role] = {}
    for item in mapping.items.values() if mapping is not None else ():
        assert mapping is not None
        for embed in _embeds(item):
            found.setdefault(embed.from_.ref(mapping.source.schema_), Role.EMBEDDED)
        found[item.from_.ref(mapping.source.schema_)] = Role.ITEMS
    return found


def asked_tables(patterns: Patterns) -> set[str]:
    """Those that some statement reads or writes."""
    return {name for pattern in patterns.patterns for name in _asked(pattern)}


def _asked(pattern: Pattern) -> Iterator[str]:
    if pattern.table is not None:
        yield pattern.table
    for embed in pattern.embeds:
        yield from embed.path
    for write in pattern.writes:
        yield write.table


def _embeds(body: Body) -> Iterator[Embed]:
    for embed in body.embed.values():
        yield embed
        yield from _embeds(embed)
