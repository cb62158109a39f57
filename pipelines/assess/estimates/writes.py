"""Write units of one call: the item of the written row, and every item that holds it. Pure.

An item is written whole: DynamoDB counts the whole item, however little of it changes. Each index counts as if what it
holds had changed; an index key that changes counts twice there, which is not foreseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.assess.estimates.children import inner_group, outer_group
from pipelines.assess.estimates.measured import Measured, TypeMeasured
from pipelines.assess.patterns import Pattern, PatternClass, Write, WriteKind
from pipelines.assess.schema import Schema
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.plan import EmbedPlan, RowPlan


@dataclass(frozen=True)
class Holding:
    """Items of one type that hold a row: its own (`path` empty), or by the embeds of `path`, outer ones first.
    `items`: that one row is in, on average; `most`, at the most; None where it is not known."""

    type: TypeMeasured
    path: tuple[str, ...]
    row: RowPlan
    goes_down: bool  # a map in rows that refer to it: a new row is in none
    items: float | None
    most: float | None

    @property
    def about(self) -> str:
        return ".".join((self.type.plan.name, *self.path))


def holdings(measured: Measured) -> Iterator[Holding]:
    """Of every row of every item type."""
    for one in measured.types.values():
        yield Holding(one, (), one.plan.root, False, 1.0, 1.0)
        yield from _below(measured, one, one.plan.root, Holding(one, (), one.plan.root, False, 1.0, 1.0))


def write_units_of(pattern: Pattern, held: Sequence[Holding], schema: Schema) -> dict[str, float]:
    """Of one call, by item type. `held`: `holdings`."""
    found: dict[str, float] = {}
    for write in pattern.writes:
        ref, rows = schema.named(write.table).ref, _rows(pattern, write, schema)
        for holding in held:
            if _touches(write, ref, holding):
                items = 1.0 if holding.items is None else holding.items
                name = holding.type.plan.name
                found[name] = found.get(name, 0.0) + rows * items * holding.type.sizes.write_units
    return found


def _touches(write: Write, ref: TableRef, holding: Holding) -> bool:
    """What a write sets must be something that the items show."""
    if holding.row.table.ref != ref or write.kind is WriteKind.TRUNCATE:
        return False
    if write.kind is WriteKind.INSERT and holding.goes_down:
        return False
    if write.kind is WriteKind.UPDATE and write.columns:
        return not set(write.columns).isdisjoint(holding.row.columns)
    return True


def _rows(pattern: Pattern, write: Write, schema: Schema) -> float:
    """That one call writes: as counted, else by how they are found."""
    counted = pattern.load.rows_per_call
    if counted is not None and len(pattern.writes) == 1:
        return counted
    if write.finds is None or write.located is PatternClass.POINT_READ or not write.finds.keys:
        return 1.0
    return schema.named(write.finds.table).rows_for(write.finds.keys) or 1.0


def _below(measured: Measured, type: TypeMeasured, outer: RowPlan, above: Holding) -> Iterator[Holding]:
    for embed in outer.embeds:
        here = _one_further(measured, type, outer, embed, above)
        yield here
        yield from _below(measured, type, embed.row, here)


def _one_further(measured: Measured, type: TypeMeasured, outer: RowPlan, embed: EmbedPlan, above: Holding) -> Holding:
    """Each embedded row is in as many enclosing rows as share its values."""
    inner = measured.groups.get(inner_group(embed))
    enclosing = measured.groups.get(outer_group(outer, embed))
    items: float | None = None
    most: float | None = None
    if enclosing is not None and inner is not None and inner.rows and inner.groups:
        # values of the smaller side are taken to be among those of the other; rows that match nothing count, too
        meeting = min(enclosing.groups, inner.groups) / inner.groups
        within = 1.0 if embed.limit is None else min(embed.limit / max(inner.mean, 1.0), 1.0)
        passing = min(type.rows / enclosing.rows, 1.0) if outer is type.plan.root and enclosing.rows else 1.0
        items = enclosing.mean * meeting * inner.with_value / inner.rows * within * passing
        most = enclosing.most
    limit = float(type.rows)
    return Holding(
        type,
        (*above.path, embed.name),
        embed.row,
        above.goes_down or (_is_key(embed) and (enclosing is None or enclosing.most > 1)),
        None if items is None or above.items is None else min(items * above.items, limit),
        None if most is None or above.most is None else min(most * above.most, limit),
    )


def _is_key(embed: EmbedPlan) -> bool:
    return {own for own, _ in embed.on} >= set(embed.row.table.primary_key) != set()
