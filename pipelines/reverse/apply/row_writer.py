"""Writes the rows of some items: children that are gone first, then parents before children, then what goes whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from psycopg import Connection, RawCursor
from psycopg.rows import TupleRow
from psycopg.sql import Composed

from pipelines.mapping.catalog import TableRef
from pipelines.mapping.inverse import Owned, TableRows
from pipelines.reverse.apply.write_sql import Deletion, Shape, deletions, insert, replace, update
from pipelines.reverse.apply.written_tables import WrittenTables

Texts = tuple[str | None, ...]


@dataclass(frozen=True)
class ItemRows:
    """What is to be written for one item: its rows, the root's first; or, where it `is_gone`, the root without one."""

    rows: tuple[TableRows, ...]
    is_gone: bool


@dataclass
class _Some:
    """All that is given of one shape. `is_root`: nothing of its owners but the row itself."""

    shape: Shape
    is_root: bool
    rows: list[Texts] = field(default_factory=list)
    owners: list[Texts] = field(default_factory=list)


@dataclass
class RowWriter:
    """`known`: of all tables that may be written."""

    known: WrittenTables
    _deletions: dict[object, list[Deletion]] = field(default_factory=dict)
    _statements: dict[object, str] = field(default_factory=dict)
    _shapes: dict[object, Shape] = field(default_factory=dict)

    def write(self, connection: Connection[TupleRow], items: Iterable[ItemRows], in_places: bool = True) -> None:
        """In the caller's transaction. `in_places`: rows are updated where they are; else they are taken away and
        put back, all of a table together, where no foreign key would take others with them. Raises psycopg.Error."""
        live: dict[object, _Some] = {}
        gone: dict[object, _Some] = {}
        for item in items:
            for place, rows in enumerate(item.rows):
                self._add(gone if item.is_gone else live, rows, is_root=place == 0)
        upward = sorted(live.values(), key=self._rank)
        given = _given_keys(upward)
        with RawCursor(connection) as cursor:
            for some in reversed(upward):
                if not some.is_root:
                    self._delete(cursor, some, given)
            for some in upward:
                self._upsert(cursor, some, in_places)
            for some in sorted(gone.values(), key=self._rank, reverse=True):
                self._delete(cursor, some, given)

    def tables(self, items: Iterable[ItemRows]) -> frozenset[TableRef]:
        """That are written, what goes along with a row included."""
        return frozenset(ref for item in items for rows in item.rows for ref in _refs(rows.table.ref, rows.owned))

    def _rank(self, some: _Some) -> int:
        return self.known.rank.get(some.shape.ref, 0)

    def _add(self, found: dict[object, _Some], rows: TableRows, is_root: bool) -> None:
        names = tuple(name for name, _ in rows.owner)
        ref = rows.table.ref
        alike = (ref.schema_name, ref.table, rows.columns, names, id(rows.where), id(rows.owned), rows.keep, is_root)
        if alike not in found:
            found[alike] = _Some(self._shape(alike, rows, names, is_root), is_root)
        some = found[alike]
        some.rows += rows.rows
        some.owners.append(tuple(value for _, value in rows.owner))

    def _shape(self, alike: object, rows: TableRows, owner: tuple[str, ...], is_root: bool) -> Shape:
        """Kept, and with it the objects by whose identity it is found."""
        if alike not in self._shapes:
            named = owner if is_root else rows.columns
            key = rows.table.primary_key or named
            self._shapes[alike] = Shape(
                rows.table, rows.columns, owner, key, rows.where, rows.owned, rows.keep, self.known.columns
            )
        return self._shapes[alike]

    def _upsert(self, cursor: RawCursor[TupleRow], some: _Some, in_places: bool) -> None:
        if not some.rows:
            return
        document = _json(some.rows)
        in_places = in_places or some.shape.ref in self.known.cascaded
        changing = self._statement("update" if in_places else "replace", some.shape)
        if changing:
            cursor.execute(changing, (document,))
        cursor.execute(self._statement("insert", some.shape), (document,))

    def _statement(self, what: str, shape: Shape) -> str:
        """Empty where there is nothing to do."""
        name = (what, id(shape))
        if name not in self._statements:
            made: Composed | None = _MADE[what](shape)
            self._statements[name] = "" if made is None else made.as_string(None)
        return self._statements[name]

    def _delete(self, cursor: RawCursor[TupleRow], some: _Some, given: Mapping[TableRef, _Keys]) -> None:
        owners = _json(some.owners)
        for deletion in deletions(some.shape, {ref: keys.columns for ref, keys in given.items()}):
            keys = [given[ref].document for ref in deletion.given]
            cursor.execute(deletion.statement.as_string(None), (owners, *keys))


_MADE = {"update": update, "insert": insert, "replace": replace}


@dataclass(frozen=True)
class _Keys:
    """Of the rows that are given of one table."""

    columns: tuple[str, ...]
    document: str


def _given_keys(given: Sequence[_Some]) -> dict[TableRef, _Keys]:
    texts: dict[TableRef, list[Texts]] = {}
    columns: dict[TableRef, tuple[str, ...]] = {}
    for some in given:
        shape = some.shape
        places = [shape.columns.index(name) for name in shape.key]
        columns[shape.ref] = shape.key
        texts.setdefault(shape.ref, []).extend(tuple(row[place] for place in places) for row in some.rows)
    return {ref: _Keys(columns[ref], _json(rows)) for ref, rows in texts.items()}


def _json(rows: Sequence[Texts]) -> str:
    return orjson.dumps([{f"c{n}": text for n, text in enumerate(row)} for row in rows]).decode()


def _refs(ref: TableRef, owned: Iterable[Owned]) -> Iterator[TableRef]:
    yield ref
    for one in owned:
        yield from _refs(one.table.ref, one.owned)
