"""How far each shard is applied (`crossover.stream`). What is written goes into the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.reverse.shards import Position, Shard
from pipelines.source.ledger.names import STREAM


@dataclass(frozen=True)
class Move:
    """A shard is applied up to a record, or as before where `sequence` is None. `ended`: it has no more of them."""

    shard: str
    sequence: str | None
    created_at: datetime | None
    ended: bool = False


def positions(connection: Connection[TupleRow], migration: str, arn: str) -> list[Position]:
    found = connection.execute(
        sql.SQL(
            "SELECT shard, parent, sequence, done FROM {} WHERE migration = %s AND stream_arn = %s ORDER BY shard"
        ).format(STREAM),
        (migration, arn),
    )
    return [Position(*row) for row in found]


def other_streams(connection: Connection[TupleRow], migration: str, table: str, arn: str) -> list[str]:
    """ARNs of streams of the table that were read before."""
    found = connection.execute(
        sql.SQL(
            "SELECT DISTINCT stream_arn FROM {} WHERE migration = %s AND table_name = %s AND stream_arn <> %s"
        ).format(STREAM),
        (migration, table, arn),
    )
    return [str(row[0]) for row in found]


def add_shards(connection: Connection[TupleRow], migration: str, table: str, arn: str, shards: Sequence[Shard]) -> None:
    connection.cursor().executemany(
        sql.SQL(
            "INSERT INTO {} (migration, stream_arn, shard, table_name, parent) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING"
        ).format(STREAM),
        [(migration, arn, one.id, table, one.parent) for one in shards],
    )


def advance(connection: Connection[TupleRow], migration: str, arn: str, moves: Sequence[Move]) -> None:
    """Several of one shard: in order, the last counts."""
    last: dict[str, Move] = {}
    for one in moves:
        before = last.get(one.shard)
        if one.sequence is None and before is not None:
            one = Move(one.shard, before.sequence, before.created_at, one.ended)
        last[one.shard] = one
    connection.execute(
        sql.SQL(
            "UPDATE {} AS s SET sequence = coalesce(m.sequence, s.sequence),"
            " created_at = coalesce(m.created_at, s.created_at), done = s.done OR m.ended"
            " FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::bool[])"
            " AS m (shard, sequence, created_at, ended)"
            " WHERE s.migration = %s AND s.stream_arn = %s AND s.shard = m.shard"
        ).format(STREAM),
        (
            list(last),
            [one.sequence for one in last.values()],
            [one.created_at for one in last.values()],
            [one.ended for one in last.values()],
            migration,
            arn,
        ),
    )


def begin_again(connection: Connection[TupleRow], migration: str, arn: str, shard: str) -> None:
    """At the oldest record that the shard still has."""
    connection.execute(
        sql.SQL(
            "UPDATE {} SET sequence = NULL, created_at = NULL WHERE migration = %s AND stream_arn = %s AND shard = %s"
        ).format(STREAM),
        (migration, arn, shard),
    )


def forget_shards(connection: Connection[TupleRow], migration: str, arn: str, shards: Sequence[str]) -> None:
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE migration = %s AND stream_arn = %s AND shard = ANY(%s)").format(STREAM),
        (migration, arn, list(shards)),
    )


def forget_stream(connection: Connection[TupleRow], migration: str, arn: str) -> None:
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE migration = %s AND stream_arn = %s").format(STREAM), (migration, arn)
    )


def forget_streams(connection: Connection[TupleRow], migration: str, tables: Iterable[str]) -> None:
    """Of these DynamoDB tables: none of their items has DynamoDB as its master any more. What is written there from now
    on is not to be applied, and nobody has missed it when DynamoDB becomes the master again."""
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE migration = %s AND table_name = ANY(%s)").format(STREAM),
        (migration, list(tables)),
    )
