"""Rows of the item table, found by its index, and the keys that they keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow

_SAME_ITEM = sql.SQL(
    "i.migration = %s AND i.item_type = %s"
    " AND pg_catalog.hashtextextended(i.source_key, 0) = pg_catalog.hashtextextended(k.source_key, 0)"
    " AND pg_catalog.hashtextextended(i.source_key, 1) = pg_catalog.hashtextextended(k.source_key, 1)"
    " AND i.source_key = k.source_key"
)
_WANTED = sql.SQL("unnest(%s::text[]) AS k (source_key)")
_SAME_LOG = sql.SQL(
    "pg_catalog.hashtextextended(l.source_key, 0) = pg_catalog.hashtextextended(k.source_key, 0)"
    " AND l.source_key = k.source_key"
)


def statement(text: LiteralString) -> sql.Composed:
    """`{wanted}`: the wanted keys `k`; its parameter is a list of source keys. `{same}` joins item `i` with `k`; its
    parameters are migration and item type. `{same_log}` joins log rows `l` with `k`."""
    return sql.SQL(text).format(wanted=_WANTED, same=_SAME_ITEM, same_log=_SAME_LOG)


@dataclass(frozen=True, order=True)
class LeftKey:
    """A DynamoDB key (canonical) that a row has left, and the row's version at which it did."""

    key: str
    left: int

    def document(self) -> dict[str, Any]:
        return {"key": self.key, "left": self.left}


def left_keys_of(documents: Iterable[dict[str, Any]]) -> tuple[LeftKey, ...]:
    return tuple(LeftKey(one["key"], one["left"]) for one in documents)


def as_json(keys: Iterable[LeftKey]) -> str:
    return json.dumps([one.document() for one in sorted(keys)], ensure_ascii=False)


def merged(known: Iterable[LeftKey], new: Iterable[LeftKey]) -> tuple[LeftKey, ...]:
    """One entry for a key, the latest."""
    latest = {one.key: one for one in sorted([*known, *new])}
    return tuple(latest.values())


def keys_kept(
    connection: Connection[TupleRow], migration: str, item_type: str, source_keys: Sequence[str]
) -> dict[str, tuple[LeftKey, ...]]:
    """Of those that have an item row."""
    found = connection.execute(
        statement("SELECT i.source_key, i.keys FROM crossover.item i JOIN {wanted} ON {same}"),
        (list(source_keys), migration, item_type),
    )
    return {source_key: left_keys_of(keys) for source_key, keys in found}


def olds_in_log(
    connection: Connection[TupleRow], migration: str, item_type: str, source_keys: Sequence[str]
) -> list[tuple[str, str]]:
    """(source key, `old` as JSON text) of the log rows that say which key was left."""
    found = connection.execute(
        statement(
            "SELECT l.source_key, l.old::text FROM {wanted} JOIN crossover.log l ON {same_log}"
            " WHERE l.migration = %s AND l.item_type = %s AND l.old IS NOT NULL"
        ),
        (list(source_keys), migration, item_type),
    )
    return [(source_key, old) for source_key, old in found]
