"""DynamoDB keys whose item could not be applied yet (`crossover.reverse`): read afresh and tried again, ever less
often.

A key waits once for each row that it was, or is, the key of: what is told of one says nothing of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.reverse.apply.image import Applied, Image, Outcome
from pipelines.source.ledger.mark_delivered import MOST_TRIES
from pipelines.source.ledger.names import REVERSE, REVERSE_RELAY
from pipelines.source.ledger.schema import REVERSE_KEY

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 300

_SAME = sql.SQL(
    "r.migration = %s AND r.table_name = k.table_name"
    " AND pg_catalog.hashtextextended(r.key, 0) = pg_catalog.hashtextextended(k.key, 0)"
    " AND pg_catalog.hashtextextended(r.key, 1) = pg_catalog.hashtextextended(k.key, 1) AND r.key = k.key"
)
_PLACES = sql.SQL("unnest(%s::text[], %s::text[], %s::text[]) AS k (table_name, key, owner)")
_FORGET = sql.SQL("DELETE FROM {} AS r USING {} WHERE {} AND r.owner IN (k.owner, '')").format(REVERSE, _PLACES, _SAME)
_PAUSE = sql.SQL(
    "pg_catalog.clock_timestamp() + (0.75 + pg_catalog.random() / 2) * interval '1 second' * least({}, {} * 2.0 ^ {})"
)
_NOTE = sql.SQL(
    "INSERT INTO {reverse} AS r (migration, table_name, key, owner, removed, due, attempts, last_error, set_apart)"
    " SELECT %s, k.table_name, k.key, k.owner, k.removed, {first}, 1, k.problem, k.final"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::int8[], %s::text[], %s::bool[])"
    " AS k (table_name, key, owner, removed, problem, final)"
    " ON CONFLICT ({key}) DO UPDATE SET attempts = r.attempts + 1, last_error = EXCLUDED.last_error, due = {later},"
    " removed = EXCLUDED.removed, set_apart = EXCLUDED.set_apart OR r.attempts + 1 >= {most}"
).format(
    reverse=REVERSE,
    key=REVERSE_KEY,
    first=_PAUSE.format(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, sql.SQL("0")),
    later=_PAUSE.format(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, sql.SQL("least(r.attempts, 20)")),
    most=sql.Literal(MOST_TRIES),
)


@dataclass(frozen=True)
class Waiting:
    """`key`: canonical. `owner`: as `owner_of` has it. `removed`: the version of the tombstone that waits, None of an
    item."""

    table: str
    key: str
    owner: str
    removed: int | None
    attempts: int
    problem: str | None
    set_apart: bool


_COLUMNS = sql.SQL("SELECT table_name, key, owner, removed, attempts, last_error, set_apart FROM {}").format(REVERSE)


def due_waiting(connection: Connection[TupleRow], migration: str, most: int) -> list[Waiting]:
    """Those whose next try is due, the longest due first."""
    found = connection.execute(
        _COLUMNS + sql.SQL(" WHERE migration = %s AND due <= pg_catalog.clock_timestamp() ORDER BY due LIMIT %s"),
        (migration, most),
    )
    return [Waiting(*row) for row in found]


def all_waiting(connection: Connection[TupleRow], migration: str) -> list[Waiting]:
    """Due or not, the longest waiting first."""
    found = connection.execute(_COLUMNS + sql.SQL(" WHERE migration = %s ORDER BY since"), (migration,))
    return [Waiting(*row) for row in found]


def owner_of(owner: str | None) -> str:
    """Whose key it is, as it is noted: '' where the item does not say. PostgreSQL's text holds no U+0000, and no source
    key has one."""
    return (owner or "").replace("\0", "")


def read_since(connection: Connection[TupleRow], migration: str, image: Image) -> float:
    """How many seconds of what was written after the image's key began to wait for its row have been read: up to the
    time of which a reverse relay has told everything. 0 where it does not wait, or nobody has told yet, or streams
    cannot."""
    found = connection.execute(
        sql.SQL(
            "SELECT extract(epoch FROM w.caught_up_at - r.since)::float8"
            " FROM {}, {} AS r, {} AS w WHERE {} AND r.owner = k.owner"
            " AND w.migration = r.migration AND w.resync IS NULL"
        ).format(_PLACES, REVERSE, REVERSE_RELAY, _SAME),
        ([image.table], [image.key], [owner_of(image.owner)], migration),
    ).fetchone()
    return 0.0 if found is None or found[0] is None else max(0.0, float(found[0]))


def forget_waiting(connection: Connection[TupleRow], migration: str, one: Waiting) -> None:
    """Where nothing is to be applied any more."""
    connection.execute(_FORGET, ([one.table], [one.key], [one.owner], migration))


def _anything_waits(connection: Connection[TupleRow], migration: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE migration = %s)").format(REVERSE)
    found = connection.execute(query, (migration,)).fetchone()
    return found is not None and bool(found[0])


def note_outcomes(connection: Connection[TupleRow], migration: str, outcomes: Sequence[Applied]) -> None:
    """What waits is noted, with a try more; what is applied, older or ignored is not waiting any more, nor is what did
    not say whose the key was. Of several images of one row at one key the last that is not older counts."""
    last: dict[tuple[str, str, str], Applied] = {}
    for one in outcomes:
        place = one.image.table, one.image.key, owner_of(one.image.owner)
        if place not in last or one.outcome is not Outcome.OLDER:
            last[place] = one
    done = [place for place, one in last.items() if one.outcome is not Outcome.WAITS]
    if done and _anything_waits(connection, migration):
        tables, keys, owners = zip(*done, strict=True)
        connection.execute(_FORGET, (list(tables), list(keys), list(owners), migration))
    waits = [(place, last[place]) for place in sorted(last) if last[place].outcome is Outcome.WAITS]
    if waits:
        connection.execute(
            _NOTE,
            (
                migration,
                [table for (table, _, _), _ in waits],
                [key for (_, key, _), _ in waits],
                [owner for (_, _, owner), _ in waits],
                [one.image.version if one.image.item is None else None for _, one in waits],
                [one.problem for _, one in waits],
                [one.final for _, one in waits],
            ),
        )
