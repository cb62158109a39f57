"""The inverse of one item type's mapping: an item back into rows of the tables that it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipelines.mapping.catalog import Table
from pipelines.mapping.inverse.copies import copies_in, read_only_tables
from pipelines.mapping.inverse.embed_rows import EmbedRows, embed_reader, owned_rows
from pipelines.mapping.inverse.fixed import fixed_columns
from pipelines.mapping.inverse.obstacles import embed_obstacles, root_obstacles, unclear_obstacle
from pipelines.mapping.inverse.ownership import Ownership, Spot, ownership, writers
from pipelines.mapping.inverse.places import key_places, places_of
from pipelines.mapping.inverse.row_read import RowReader
from pipelines.mapping.inverse.same_value import in_source_key
from pipelines.mapping.inverse.table_rows import NotInvertible, Owned, TableRows
from pipelines.mapping.online import source_key_text
from pipelines.mapping.plan import AttributeNames, ItemPlan, MigrationPlan, RowPlan


@dataclass(frozen=True)
class ItemInverse:
    """One item type's. Pure; made once, for many items.

    `problems`: why rows cannot be made, a full line each; with one, `rows` is not to be called. `copies`: attributes
    that show rows which this item type does not write: what they hold is not applied. `tables`: that it writes, the
    root first. `read_only`: tables that its copies show and that no item type of the mapping writes.
    """

    item: ItemPlan
    problems: tuple[str, ...]
    copies: frozenset[AttributeNames]
    tables: tuple[Table, ...]
    read_only: tuple[Table, ...]
    _key: RowReader = field(repr=False)
    _root: RowReader = field(repr=False)
    _embeds: tuple[EmbedRows, ...] = field(repr=False)
    _owned: tuple[Owned, ...] = field(repr=False)

    def source_key(self, item: str, owner: str | None) -> str:
        """Of a canonical item, or of a tombstone's key alone. `owner`: its `_s`, where it has one. Canonical JSON as in
        a record, `{"order_id":"6"}`. Raises NotInvertible."""
        if owner is not None:
            return source_key_text(self._told(owner, "_s").items())
        by_key = set(self._key.columns) - self._key.coarse >= set(self.item.source_key)
        reader = self._key if by_key else self._root
        self._check_whole(reader)
        return source_key_text(self._source_key(reader.read(json.loads(item), {})))

    def rows(self, item: str, owner: str | None = None) -> tuple[TableRows, ...]:
        """Of a canonical item without Crossover's own attributes; `owner`: its `_s`, where it has one.

        In the order in which rows are to be written: the root, then each row's owned embeds, a parent before its
        children; one TableRows for every enclosing row and embed, those without rows included. Raises NotInvertible.
        """
        attributes = json.loads(item)
        if owner is None:
            self._check_whole(self._root)
        values = self._root.read(attributes, {} if owner is None else self._told(owner, "_s"))
        root = self._of_root(self._source_key(values), (tuple(values[column] for column in self._root.columns),))
        return (root, *(rows for embed in self._embeds for rows in embed.rows(attributes, values, "")))

    def gone(self, source_key: str) -> tuple[TableRows, ...]:
        """The root without its row: that row goes, and before it what is `owned`. Raises NotInvertible."""
        return (self._of_root(tuple(self._told(source_key, "source key").items()), ()),)

    def _of_root(self, key: tuple[tuple[str, str], ...], rows: tuple[tuple[str | None, ...], ...]) -> TableRows:
        root = self.item.root
        return TableRows(root.table, self._root.columns, key, root.where, rows, self._owned, self._root.keep)

    def _check_whole(self, reader: RowReader) -> None:
        for column in self.item.source_key:
            if column in reader.coarse:
                raise NotInvertible("_s", f"is not there, and the item tells column {column} of it only in part")

    def _source_key(self, values: dict[str, str | None]) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for column in self.item.source_key:
            text = values.get(column)
            if text is None:
                raise NotInvertible("_s", f"column {column} of the source key is not told")
            pairs.append((column, in_source_key(self.item.root.type_of(column), text)))
        return tuple(pairs)

    def _told(self, source_key: str, where: str) -> dict[str, str]:
        """A source key's columns, in key order."""
        try:
            told = json.loads(source_key)
        except ValueError:
            told = None
        columns = self.item.source_key
        if (
            not isinstance(told, dict)
            or set(told) != set(columns)
            or not all(isinstance(t, str) for t in told.values())
        ):
            raise NotInvertible(where, f"is no source key with {', '.join(columns)}")
        return {column: told[column] for column in columns}


def inverse_of(item: ItemPlan, plan: MigrationPlan) -> ItemInverse:
    """`plan`: the mapping that `item` is of; which embeds an item type owns depends on all of them."""
    return _Inverter(item, plan, ownership(plan, _hindered)).inverse()


def inverses_of(plan: MigrationPlan) -> tuple[ItemInverse, ...]:
    """Of every item type, in the mapping's order."""
    found = ownership(plan, _hindered)
    return tuple(_Inverter(item, plan, found).inverse() for item in plan.items)


@dataclass(frozen=True)
class _Inverter:
    item: ItemPlan
    plan: MigrationPlan
    found: Ownership

    def inverse(self) -> ItemInverse:
        item = self.item
        root = RowReader.of(
            item.root.table,
            places_of(item.root, item.key, {index.attribute for index in item.index_keys}),
            item.source_key,
            fixed_columns(item.root.where),
        )
        key = RowReader.of(item.root.table, key_places(item.key), (), {})
        embeds = self._embeds((), item.root)
        tables = (item.root.table, *(table for embed in embeds for table in _tables(embed)))
        return ItemInverse(
            item,
            tuple(self._problems(root, embeds)),
            copies_in(item, self.found),
            tuple({table.ref: table for table in tables}.values()),
            read_only_tables(item, self.plan, self.found),
            key,
            root,
            embeds,
            owned_rows(embeds),
        )

    def _embeds(self, path: AttributeNames, row: RowPlan) -> tuple[EmbedRows, ...]:
        owned = [e for e in row.embeds if self.found.owns(self.item.name, (*path, e.name))]
        return tuple(EmbedRows.of(e, self._embeds((*path, e.name), e.row)) for e in owned)

    def _problems(self, root: RowReader, embeds: tuple[EmbedRows, ...]) -> Iterator[str]:
        yield from root_obstacles(self.item, root, writers(self.plan)[self.item.root.table.ref])
        yield from self._key_problems()
        yield from self._embed_problems((), self.item.root, root, embeds)

    def _key_problems(self) -> Iterator[str]:
        for part in self.item.key:
            for path, column in part.value.columns:
                if path and not self.found.owns_all(self.item.name, path):
                    yield (
                        f"item {self.item.name}: key {part.name} shows {'.'.join((*path, column))}, which this item "
                        "type does not write; make the key of columns of its own"
                    )

    def _embed_problems(
        self, path: AttributeNames, row: RowPlan, outer: RowReader, embeds: tuple[EmbedRows, ...]
    ) -> Iterator[str]:
        by_name = {rows.embed.name: rows for rows in embeds}
        for embed in row.embeds:
            here = (*path, embed.name)
            sibling = self.found.unclear.get((self.item.name, here))
            label = f"item {self.item.name}, embed {'.'.join(here)}"
            if sibling is not None:
                yield unclear_obstacle(label, embed, sibling)
            if embed.name in by_name:
                rows = by_name[embed.name]
                yield from embed_obstacles(label, embed, rows.reader, outer.columns)
                yield from self._embed_problems(here, embed.row, rows.reader, rows.embeds)


def _hindered(spot: Spot) -> int:
    embed = spot.embed
    return sum(1 for _ in embed_obstacles("", embed, embed_reader(embed), {outer for _, outer in embed.on}))


def _tables(rows: EmbedRows) -> Iterator[Table]:
    yield rows.embed.row.table
    for inner in rows.embeds:
        yield from _tables(inner)
