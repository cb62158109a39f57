"""Items by source key, straight from the source: one round trip per table, one snapshot, one assembler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import AS_BYTES, SourceType
from pipelines.mapping.assemble import (
    EmbeddedRows,
    MatchKey,
    Node,
    embedded_rows,
    enclosing_columns,
    match_key,
    own_columns,
)
from pipelines.mapping.online import ItemAssembler, source_key_of, source_key_text
from pipelines.mapping.outcome import SAME_SOURCE_KEY, OnlineItem, Rejected
from pipelines.mapping.plan import EmbedPlan, ItemPlan, RowPlan
from pipelines.mapping.row_version import row_version
from pipelines.mapping.source_row import SourceRow
from pipelines.mapping.where_sql import to_sql
from pipelines.source.lookup import where_values
from pipelines.source.select import physical_names, select_list
from pipelines.source.server_error import describe

_ALIAS = "source_row"


@dataclass(frozen=True)
class _Lookup:
    """Which rows of one RowPlan are wanted: those with one of `keys` in `columns`."""

    row: RowPlan
    columns: tuple[tuple[str, SourceType], ...]
    keys: tuple[tuple[str, ...], ...]


def read_items(
    connection: Connection[TupleRow], item: ItemPlan, source_keys: Sequence[Mapping[str, str]]
) -> list[OnlineItem]:
    """What each source key's row becomes, in the order asked for; a key without a row is Absent.

    `source_keys`: primary key column → template text, as in a record's `source_key`. The connection is one of
    `pipelines.source.connect`, inside a REPEATABLE READ transaction that the caller begins and ends: all tables are
    read in its one snapshot. Sends one query per table of the item, however many keys there are.

    Raises SourceError.
    """
    keys = [_in_key_order(item, source_key) for source_key in source_keys]
    roots = _read_roots(connection, item, keys)
    embeds = _read_embeds(connection, item.root, [rows[0] for rows in roots.values()])
    assembler = ItemAssembler(item)
    wanted = [source_key_text(zip(item.source_key, key, strict=True)) for key in keys]
    return [_online_item(item, assembler, text, roots.get(text, []), embeds) for text in wanted]


def _online_item(
    item: ItemPlan, assembler: ItemAssembler, source_key: str, roots: list[SourceRow], embeds: dict[str, EmbeddedRows]
) -> OnlineItem:
    if len(roots) > 1:  # a view's rows, or those of tables that inherit from the root
        twice = Rejected(item.table, None, RejectReason.DUPLICATE_KEY, None, None, SAME_SOURCE_KEY)
        return OnlineItem(source_key, twice, row_version(item, None))
    row = roots[0] if roots else None
    outcome = assembler.assemble(None if row is None else Node(row, embeds))
    return OnlineItem(source_key, outcome, row_version(item, row))


def _in_key_order(item: ItemPlan, source_key: Mapping[str, str]) -> tuple[str, ...]:
    if set(source_key) != set(item.source_key):
        raise SourceError(f"{item.root.table.ref}: a source key has the columns {', '.join(item.source_key)}")
    return tuple(source_key[column] for column in item.source_key)


def _read_roots(
    connection: Connection[TupleRow], item: ItemPlan, keys: Sequence[tuple[str, ...]]
) -> dict[str, list[SourceRow]]:
    columns = tuple((name, item.root.type_of(name)) for name in item.source_key)
    lookup = _Lookup(item.root, columns, tuple(dict.fromkeys(keys)))
    roots: dict[str, list[SourceRow]] = {}
    for row in _select(connection, lookup):
        text = source_key_of(item, row)
        if text is not None:
            roots.setdefault(text, []).append(row)
    return roots


def _read_embeds(
    connection: Connection[TupleRow], enclosing: RowPlan, rows: Sequence[SourceRow]
) -> dict[str, EmbeddedRows]:
    return {embed.name: _read_embed(connection, embed, enclosing, rows) for embed in enclosing.embeds}


def _read_embed(
    connection: Connection[TupleRow], embed: EmbedPlan, enclosing: RowPlan, rows: Sequence[SourceRow]
) -> EmbeddedRows:
    outer = enclosing_columns(embed, enclosing)
    found = _select(connection, _Lookup(embed.row, own_columns(embed), _distinct_keys(rows, outer)))
    by_match = embedded_rows(embed, found)
    kept = [row for matched in by_match.values() for row in matched]
    return EmbeddedRows(outer, by_match, _read_embeds(connection, embed.row, kept))


def _distinct_keys(rows: Iterable[SourceRow], columns: tuple[tuple[str, SourceType], ...]) -> tuple[MatchKey, ...]:
    keys = (match_key(row, columns) for row in rows)
    return tuple(dict.fromkeys(key for key in keys if key is not None))


def _select(connection: Connection[TupleRow], lookup: _Lookup) -> list[SourceRow]:
    if not lookup.keys:
        return []
    table = lookup.row.table
    names = physical_names(table, lookup.row.columns)
    failed = None
    try:
        found = connection.execute(_query(lookup)).fetchall()
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    if failed is not None:
        raise SourceError(f"{table.ref} could not be read: {failed}")
    as_bytes = {column.name for column in table.columns if not column.type.utf8}
    rows = [dict(zip(names, values, strict=True)) for values in found]
    return [
        SourceRow({name: _decoded(value) if name in as_bytes else value for name, value in row.items()}) for row in rows
    ]


def _decoded(text: bytes | None) -> str | None:
    """A text of a database that checks none."""
    return None if text is None else text.decode(errors=AS_BYTES)


def _query(lookup: _Lookup) -> sql.Composed:
    """Carries its values in itself: a query with parameters would take a `%` in a column's name for one."""
    table = lookup.row.table
    condition = where_values(_ALIAS, lookup.columns, lookup.keys)
    if lookup.row.where is not None:
        condition = sql.SQL("{} AND ({})").format(condition, to_sql(lookup.row.where, _ALIAS))
    return sql.SQL("SELECT {} FROM {} AS {} WHERE {}").format(
        select_list(table, lookup.row.columns),
        sql.Identifier(table.ref.schema_name, table.ref.table),
        sql.Identifier(_ALIAS),
        condition,
    )
