"""What becomes of source rows, counted from the source alone: joins of key columns, no item is made.

The records stage holds these counts against the snapshot's own and against what it wrote. All counts of all item
types are one query, so that Spark plans and schedules once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

from pyspark.sql import DataFrame, functions

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.mapping.bulk_embeds import enclosing_keys, matched_rows, ranked
from pipelines.mapping.bulk_frame import Frame, FreshNames, SourceTables, all_rows, passes, read_frame
from pipelines.mapping.catalog import Table
from pipelines.mapping.plan import EmbedPlan, ItemPlan, RowPlan


class _Counted(StrEnum):
    FILTERED = "filtered"  # fail the row's own `where`
    PASSING = "passing"
    MATCHED = "matched"  # pass, and some enclosing row names them
    EMBEDDED = "embedded"  # matched, and within the limit


@dataclass(frozen=True)
class _Count:
    """One row, one column: how many. `path` is empty for an item's root."""

    item: str
    path: str
    counted: _Counted
    number: DataFrame


@dataclass(frozen=True)
class EmbedUse:
    """Child rows of one embed, by what becomes of them: together they must be the table's rows."""

    path: str  # `lines.product`
    table: Table
    embedded: int
    filtered: int
    beyond_limit: int
    orphans: int


@dataclass(frozen=True)
class ItemUse:
    """`filtered`: root rows that do not pass `where`. `embeds`: outer ones before their inner ones."""

    filtered: int
    embeds: tuple[EmbedUse, ...]


def count_use(items: Sequence[ItemPlan], tables: SourceTables) -> dict[str, ItemUse]:
    """By the item type's name."""
    counts = [count for item in items for count in _item_counts(item, tables)]
    numbers = _collected(counts)
    return {item.name: _item_use(item, numbers) for item in items}


_Numbers = dict[tuple[str, str, _Counted], int]


def _collected(counts: Sequence[_Count]) -> _Numbers:
    if not counts:
        return {}
    labelled = [F.select(count.number, F.lit(n).alias("place"), "n") for n, count in enumerate(counts)]
    rows = reduce(DataFrame.union, labelled).collect()
    return {(counts[place].item, counts[place].path, counts[place].counted): number for place, number in rows}


def _item_use(item: ItemPlan, numbers: _Numbers) -> ItemUse:
    embeds = tuple(_embed_use(item.name, path, row, numbers) for path, row in _embeds(item.root, ""))
    return ItemUse(numbers.get((item.name, "", _Counted.FILTERED), 0), embeds)


def _embeds(row: RowPlan, prefix: str) -> Iterator[tuple[str, RowPlan]]:
    for embed in row.embeds:
        yield prefix + embed.name, embed.row
        yield from _embeds(embed.row, f"{prefix}{embed.name}.")


def _embed_use(item: str, path: str, row: RowPlan, numbers: _Numbers) -> EmbedUse:
    embedded = numbers[item, path, _Counted.EMBEDDED]
    matched = numbers.get((item, path, _Counted.MATCHED), embedded)
    return EmbedUse(
        path=path,
        table=row.table,
        embedded=embedded,
        filtered=numbers.get((item, path, _Counted.FILTERED), 0),
        beyond_limit=matched - embedded,
        orphans=numbers[item, path, _Counted.PASSING] - matched,
    )


def _item_counts(item: ItemPlan, tables: SourceTables) -> Iterator[_Count]:
    names = FreshNames()
    yield from _filtered(item.name, "", item.root, tables, names)
    if item.root.embeds:
        yield from _embed_counts(item.name, "", read_frame(item.root, tables, names), tables, names)


def _filtered(item: str, path: str, row: RowPlan, tables: SourceTables, names: FreshNames) -> Iterator[_Count]:
    if row.where is not None:
        frame = all_rows(row, tables, names)
        failing = frame.rows.where(~functions.coalesce(passes(frame), functions.lit(False)))
        yield _Count(item, path, _Counted.FILTERED, _number(failing))


def _embed_counts(
    item: str, prefix: str, enclosing: Frame, tables: SourceTables, names: FreshNames
) -> Iterator[_Count]:
    for embed in enclosing.row.embeds:
        path = prefix + embed.name
        yield from _filtered(item, path, embed.row, tables, names)
        passing = read_frame(embed.row, tables, names)
        yield _Count(item, path, _Counted.PASSING, _number(passing.rows))
        children = matched_rows(embed, passing, enclosing, names)
        wanted = _wanted(embed, enclosing, children.keys)
        keys = list(children.keys)
        if embed.limit is None:
            used = children.frame.rows.join(wanted, keys, "left_semi")
        else:
            yield _Count(item, path, _Counted.MATCHED, _number(children.frame.rows.join(wanted, keys, "left_semi")))
            used = ranked(children, names.next()).join(wanted, keys, "left_semi")
        yield _Count(item, path, _Counted.EMBEDDED, _number(used))
        yield from _embed_counts(item, f"{path}.", passing.with_rows(used), tables, names)


def _wanted(embed: EmbedPlan, enclosing: Frame, keys: tuple[str, ...]) -> DataFrame:
    columns = enclosing_keys(embed, enclosing, embed.row)
    return F.select(enclosing.rows, *(column.alias(key) for column, key in zip(columns, keys, strict=True)))


def _number(rows: DataFrame) -> DataFrame:
    return rows.selectExpr("count(1) AS n")
