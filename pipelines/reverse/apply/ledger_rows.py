"""The ledger's side of applying: item rows locked, their versions, and what the transaction itself has captured.

A log row or a mark is the transaction's own where its xmin is the transaction or one of its subtransactions (a
trigger of the application can have begun some): of all that is visible, only these are in progress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.item_row import log_rows, statement
from pipelines.source.ledger.marks import OpenMark
from pipelines.source.ledger.names import LOG, MARK
from pipelines.source.ledger.version import read_versions

_AFTER = "pg_catalog.mod(r.xmin::pg_catalog.text::int8 - now.id + now.epochs, 4294967296)"  # transactions later
_OWN = sql.SQL(
    f"CASE WHEN {_AFTER} < 2147483648"
    f" THEN pg_catalog.pg_xact_status((now.id + {_AFTER})::pg_catalog.text::pg_catalog.xid8) = 'in progress'"
    " ELSE false END"
)
_TAKE = sql.SQL(
    "DELETE FROM {} AS r USING (SELECT id, (id / 4294967296 + 1) * 4294967296 AS epochs"
    " FROM (SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text::int8 AS id) AS current) AS now"
    " WHERE r.migration = %s AND r.item_type = ANY (%s::text[]) AND {} RETURNING {}"
)


@dataclass(frozen=True)
class OwnTouches:
    """What capture has written of this transaction. `items`: (item type, source key)."""

    items: frozenset[tuple[str, str]]
    marks: tuple[OpenMark, ...]


def lock_versions(
    connection: Connection[TupleRow], migration: str, item_type: str, seen: Mapping[str, int], first_version: int
) -> dict[str, int]:
    """The versions of these items, whose rows are locked, in the order in which compaction takes them, until the
    transaction's end. `seen`: by source key, before. Log rows that wait are folded."""
    wanted = sorted(seen)
    keys = _array(wanted)
    connection.execute(
        statement(
            "INSERT INTO crossover.item (migration, item_type, source_key)"
            ' SELECT %s, %s, k.source_key FROM {wanted} ORDER BY k.source_key COLLATE "C" ON CONFLICT DO NOTHING'
        ),
        (migration, item_type, keys),
    )
    found = connection.execute(
        statement("SELECT i.source_key, i.base FROM {wanted} {locked_item}"), (keys, migration, item_type)
    ).fetchall()
    bases: dict[str, int] = dict(found)
    if any(first_version + base != seen[source_key] for source_key, base in bases.items()):
        for source_key, count in _fold(connection, migration, item_type, wanted).items():
            bases[source_key] += count
    return {source_key: first_version + base for source_key, base in bases.items()}


def _fold(connection: Connection[TupleRow], migration: str, item_type: str, source_keys: list[str]) -> dict[str, int]:
    """Those that another session holds are left; `settle` finds them in the way."""
    gone = connection.execute(
        sql.SQL("DELETE FROM {} WHERE ctid = ANY (ARRAY({} FOR UPDATE OF l SKIP LOCKED)) RETURNING source_key").format(
            LOG, log_rows("l.ctid", migration, item_type, source_keys)
        )
    ).fetchall()
    counts: dict[str, int] = {}
    for (source_key,) in gone:
        counts[source_key] = counts.get(source_key, 0) + 1
    if counts:
        connection.execute(
            statement(
                "UPDATE crossover.item i SET base = i.base + k.rows, {undelivered} FROM (SELECT k.rows, i.place"
                " FROM unnest(%s::text[], %s::int8[]) AS k (source_key, rows) {item}) AS k WHERE i.ctid = k.place"
            ),
            (list(counts), list(counts.values()), migration, item_type),
        )
    return counts


def take_own(connection: Connection[TupleRow], migration: str, item_types: Sequence[str]) -> OwnTouches:
    """Deletes them: nothing of this transaction is left for a relay to deliver. Of these item types alone: what the
    others have to be told is theirs."""
    parameters = (migration, list(item_types))
    logged = connection.execute(_TAKE.format(LOG, _OWN, sql.SQL("r.item_type, r.source_key")), parameters).fetchall()
    marked = connection.execute(
        _TAKE.format(MARK, _OWN, sql.SQL("r.item_type, r.path, r.old_link, r.new_link")), parameters
    ).fetchall()
    return OwnTouches(
        frozenset((item_type, source_key) for item_type, source_key in logged),
        tuple(
            OpenMark(item_type, path, None if old is None else tuple(old), None if new is None else tuple(new))
            for item_type, path, old, new in marked
        ),
    )


def settle(
    connection: Connection[TupleRow],
    migration: str,
    item_type: str,
    versions: Mapping[str, int],
    first_version: int,
) -> bool:
    """These items have these versions, and are delivered. False where they have not: somebody has touched one of them
    meanwhile, and the transaction is to be rolled back."""
    source_keys = list(versions)
    connection.execute(
        statement(
            "UPDATE crossover.item i SET base = k.version - %s, delivered = k.version, since = NULL, due = NULL,"
            " attempts = 0, last_error = NULL, set_apart = false, lease_holder = NULL, lease_until = NULL"
            " FROM (SELECT k.version, i.place FROM unnest(%s::text[], %s::int8[]) AS k (source_key, version) {item})"
            " AS k WHERE i.ctid = k.place"
        ),
        (first_version, _array(source_keys), list(versions.values()), migration, item_type),
    )
    return read_versions(connection, migration, item_type, source_keys) == dict(versions)


def _array(texts: Sequence[str]) -> str:
    """An array's literal, in a third of the time that psycopg takes for it."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join([f'"{text}"' for text in quoted]) + "}"
