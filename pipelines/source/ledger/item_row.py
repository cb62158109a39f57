"""Rows of the item table, found by its index, and the keys that they keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.names import LOG

_SAME_ITEM = sql.SQL(
    "i.migration = %s AND i.item_type = %s"
    " AND pg_catalog.hashtextextended(i.source_key, 0) = pg_catalog.hashtextextended(k.source_key, 0)"
    " AND pg_catalog.hashtextextended(i.source_key, 1) = pg_catalog.hashtextextended(k.source_key, 1)"
    " AND i.source_key = k.source_key"
)
_ITEM = sql.SQL("CROSS JOIN LATERAL (SELECT i.*, i.ctid AS place FROM crossover.item i WHERE {} LIMIT 1{}) AS i")
_WANTED = sql.SQL("unnest(%s::text[]) AS k (source_key)")
_UNMASTERED = sql.SQL(
    "NOT EXISTS (SELECT FROM crossover.master m"
    " WHERE m.migration = %s AND %s = ANY (m.item_types) AND m.phase <> 'rds_first')"
)
_UNDELIVERED = sql.SQL("since = coalesce(i.since, pg_catalog.clock_timestamp()), due = pg_catalog.clock_timestamp()")


def statement(text: LiteralString) -> sql.Composed:
    """With some of these in it:

    `{wanted}`       the wanted keys `k`; its parameter is a list of source keys
    `{same}`         the condition that item `i` is that of `k`; its parameters are migration and item type
    `{item}`         joins with the item `i` of `k`, `place` its ctid, where there is one; the same parameters
    `{locked_item}`  and locks it, in the order of the keys that are given
    `{unmastered}`   that the item type's master is not DynamoDB; its parameters are migration and item type
    `{undelivered}`  what is set of an item whose version is raised

    One key after the other by the index (LATERAL … LIMIT): PostgreSQL would read the whole table for some hundred keys
    as long as it believes it to be small, which it does until somebody has analysed it.
    """
    return sql.SQL(text).format(
        wanted=_WANTED,
        same=_SAME_ITEM,
        item=_ITEM.format(_SAME_ITEM, sql.SQL("")),
        locked_item=_ITEM.format(_SAME_ITEM, sql.SQL(" FOR UPDATE OF i")),
        unmastered=_UNMASTERED,
        undelivered=_UNDELIVERED,
    )


def log_rows(select: LiteralString, migration: str, item_type: str, source_keys: Sequence[str]) -> sql.Composed:
    """A query for the log rows `l` of these keys. The keys are constants: PostgreSQL then hashes them and reads the
    log once, whatever it believes of the log's size, which changes faster than its statistics."""
    return sql.SQL(
        "SELECT {} FROM {} l WHERE l.migration = {} AND l.item_type = {} AND l.source_key = ANY ({}::pg_catalog.text[])"
    ).format(sql.SQL(select), LOG, sql.Literal(migration), sql.Literal(item_type), sql.Literal(list(source_keys)))


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
        statement("SELECT i.source_key, i.keys FROM {wanted} {item}"),
        (list(source_keys), migration, item_type),
    )
    return {source_key: left_keys_of(keys) for source_key, keys in found}


def olds_in_log(
    connection: Connection[TupleRow], migration: str, item_type: str, source_keys: Sequence[str]
) -> list[tuple[str, str]]:
    """(source key, `old` as JSON text) of the log rows that say which key was left."""
    found = connection.execute(
        log_rows("l.source_key, l.old::text", migration, item_type, source_keys) + sql.SQL(" AND l.old IS NOT NULL")
    )
    return [(source_key, old) for source_key, old in found]
