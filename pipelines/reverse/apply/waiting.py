"""DynamoDB keys whose item could not be applied yet (`crossover.reverse`): read afresh and tried again, ever less
often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.reverse.apply.image import Applied, Outcome
from pipelines.source.ledger.mark_delivered import MOST_TRIES
from pipelines.source.ledger.names import REVERSE
from pipelines.source.ledger.schema import REVERSE_KEY

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 300

_SAME = sql.SQL(
    "r.migration = %s AND r.table_name = k.table_name"
    " AND pg_catalog.hashtextextended(r.key, 0) = pg_catalog.hashtextextended(k.key, 0)"
    " AND pg_catalog.hashtextextended(r.key, 1) = pg_catalog.hashtextextended(k.key, 1) AND r.key = k.key"
)
_FORGET = sql.SQL("DELETE FROM {} AS r USING unnest(%s::text[], %s::text[]) AS k (table_name, key) WHERE {}").format(
    REVERSE, _SAME
)
_PAUSE = sql.SQL(
    "pg_catalog.clock_timestamp() + (0.75 + pg_catalog.random() / 2) * interval '1 second' * least({}, {} * 2.0 ^ {})"
)
_NOTE = sql.SQL(
    "INSERT INTO {reverse} AS r (migration, table_name, key, due, attempts, last_error, set_apart)"
    " SELECT %s, k.table_name, k.key, {first}, 1, k.problem, k.final"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::bool[]) AS k (table_name, key, problem, final)"
    " ON CONFLICT ({key}) DO UPDATE SET attempts = r.attempts + 1, last_error = EXCLUDED.last_error, due = {later},"
    " set_apart = EXCLUDED.set_apart OR r.attempts + 1 >= {most}"
).format(
    reverse=REVERSE,
    key=REVERSE_KEY,
    first=_PAUSE.format(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, sql.SQL("0")),
    later=_PAUSE.format(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, sql.SQL("least(r.attempts, 20)")),
    most=sql.Literal(MOST_TRIES),
)


@dataclass(frozen=True)
class Waiting:
    """`key`: canonical."""

    table: str
    key: str
    attempts: int
    problem: str | None
    set_apart: bool


@dataclass(frozen=True)
class WaitingCounts:
    """`set_apart` are among the `waiting`. `oldest_seconds`: how long the first of them has been waiting."""

    waiting: int
    set_apart: int
    oldest_seconds: float | None


def due_waiting(connection: Connection[TupleRow], migration: str, most: int) -> list[Waiting]:
    """Those whose next try is due, the longest due first."""
    found = connection.execute(
        sql.SQL(
            "SELECT table_name, key, attempts, last_error, set_apart FROM {} WHERE migration = %s"
            " AND due <= pg_catalog.clock_timestamp() ORDER BY due LIMIT %s"
        ).format(REVERSE),
        (migration, most),
    )
    return [Waiting(*row) for row in found]


def count_waiting(connection: Connection[TupleRow], migration: str) -> WaitingCounts:
    found = connection.execute(
        sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE set_apart),"
            " extract(epoch FROM pg_catalog.clock_timestamp() - min(since))::float8 FROM {} WHERE migration = %s"
        ).format(REVERSE),
        (migration,),
    ).fetchone()
    return WaitingCounts(*(found or (0, 0, None)))


def waiting_seconds(connection: Connection[TupleRow], migration: str, table: str, key: str) -> float | None:
    """How long this key has been waiting; None where it is not."""
    found = connection.execute(
        sql.SQL(
            "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - r.since)::float8"
            " FROM unnest(%s::text[], %s::text[]) AS k (table_name, key), {} AS r WHERE {}"
        ).format(REVERSE, _SAME),
        ([table], [key], migration),
    ).fetchone()
    return None if found is None else float(found[0])


def forget_waiting(connection: Connection[TupleRow], migration: str, table: str, key: str) -> None:
    """Of a key where nothing is to be applied any more."""
    connection.execute(_FORGET, ([table], [key], migration))


def _anything_waits(connection: Connection[TupleRow], migration: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE migration = %s)").format(REVERSE)
    found = connection.execute(query, (migration,)).fetchone()
    return found is not None and bool(found[0])


def note_outcomes(connection: Connection[TupleRow], migration: str, outcomes: Sequence[Applied]) -> None:
    """What waits is noted, with a try more; what is applied, older or ignored is not waiting any more. Of several
    images of one key the last that is not older counts."""
    last: dict[tuple[str, str], Applied] = {}
    for one in outcomes:
        place = one.image.table, one.image.key
        if place not in last or one.outcome is not Outcome.OLDER:
            last[place] = one
    done = [place for place, one in last.items() if one.outcome is not Outcome.WAITS]
    if done and _anything_waits(connection, migration):
        tables, keys = zip(*done, strict=True)
        connection.execute(_FORGET, (list(tables), list(keys), migration))
    waits = [(place, last[place]) for place in sorted(last) if last[place].outcome is Outcome.WAITS]
    if waits:
        connection.execute(
            _NOTE,
            (
                migration,
                [table for (table, _), _ in waits],
                [key for (_, key), _ in waits],
                [one.problem for _, one in waits],
                [one.final for _, one in waits],
            ),
        )
