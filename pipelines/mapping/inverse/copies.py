"""What an item shows of rows that it does not write."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.mapping.catalog import Table
from pipelines.mapping.inverse.ownership import Ownership, writers
from pipelines.mapping.plan import (
    AttributeNames,
    ColumnValue,
    EmbedPlan,
    ItemPlan,
    MigrationPlan,
    RowPlan,
    TemplateValue,
    Value,
    walk,
)


def copies_in(item: ItemPlan, found: Ownership) -> frozenset[AttributeNames]:
    """Embeds that are not owned, and attributes that are made of their columns."""
    return frozenset(_copies(item.name, (), item.root, found))


def _copies(item: str, path: AttributeNames, row: RowPlan, found: Ownership) -> Iterator[AttributeNames]:
    for attribute in row.attributes:
        if _shows_others(item, path, attribute.value, found):
            yield (*path, attribute.name)
    for embed in row.embeds:
        here = (*path, embed.name)
        if found.owns(item, here):
            if embed.value is not None and _shows_others(item, here, embed.value, found):
                yield here
            yield from _copies(item, here, embed.row, found)
        elif not embed.hidden:
            yield here


def _shows_others(item: str, path: AttributeNames, value: Value, found: Ownership) -> bool:
    if not isinstance(value, ColumnValue | TemplateValue):
        return False
    return any(through and not found.owns_all(item, through, path) for through, _ in value.columns)


def read_only_tables(item: ItemPlan, plan: MigrationPlan, found: Ownership) -> tuple[Table, ...]:
    """That the item shows, and no item type writes."""
    written = {*writers(plan), *(spot.table for spot in found.owned.values())}
    shown = (row.table for embed in _not_owned(item.name, (), item.root, found) for row in walk(embed.row))
    return tuple({table.ref: table for table in shown if table.ref not in written}.values())


def _not_owned(item: str, path: AttributeNames, row: RowPlan, found: Ownership) -> Iterator[EmbedPlan]:
    for embed in row.embeds:
        here = (*path, embed.name)
        if found.owns(item, here):
            yield from _not_owned(item, here, embed.row, found)
        else:
            yield embed
