"""Which store is the master of each group of item types (docs/protocol.md, rule 15).

A group without a row has never been switched: RDS is its master. Whoever changes a row names what it must be by then;
the row's lock lets one change after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.errors import StageError
from pipelines.source.ledger.names import MASTER


class Phase(StrEnum):
    RDS_FIRST = "rds_first"
    DYNAMODB_FIRST = "dynamodb_first"
    DYNAMODB_ONLY = "dynamodb_only"

    @property
    def is_dynamodb(self) -> bool:
        """Whether DynamoDB is the master."""
        return self is not Phase.RDS_FIRST


@dataclass(frozen=True)
class Master:
    """`fenced`: neither store takes the group's writes: a switch is under way. `changed_at`: when it became so, by the
    database's clock; None where it has no row."""

    group: str
    item_types: tuple[str, ...]
    phase: Phase = Phase.RDS_FIRST
    fenced: bool = False
    changed_at: datetime | None = None


def way_to_rds(phase: Phase, item_type: str) -> str:
    """The commands that make RDS its master again, one phase at a time."""
    way = (Phase.DYNAMODB_FIRST, Phase.RDS_FIRST) if phase is Phase.DYNAMODB_ONLY else (Phase.RDS_FIRST,)
    return ", then ".join(f"`crossover writes … {item_type} {step}`" for step in way)


def read_masters(connection: Connection[TupleRow], migration: str) -> tuple[Master, ...]:
    """Of the groups that have a row; none where an earlier Crossover made the ledger, which knew no other master."""
    there = connection.execute(
        "SELECT pg_catalog.to_regclass(%s) IS NOT NULL", (MASTER.as_string(connection),)
    ).fetchone()
    if there is None or not there[0]:
        return ()
    found = connection.execute(
        sql.SQL(
            "SELECT group_name, item_types, phase, fenced, changed_at FROM {} WHERE migration = %s ORDER BY group_name"
        ).format(MASTER),
        (migration,),
    )
    return tuple(Master(name, tuple(types), Phase(phase), fenced, at) for name, types, phase, fenced, at in found)


def mastered_by_dynamodb(masters: tuple[Master, ...]) -> frozenset[str]:
    """The item types whose master DynamoDB is."""
    return frozenset(one for master in masters if master.phase.is_dynamodb for one in master.item_types)


def is_mastered_by_dynamodb(connection: Connection[TupleRow], migration: str, item_type: str) -> bool:
    return item_type in mastered_by_dynamodb(read_masters(connection, migration))


def require_rds_first(connection: Connection[TupleRow], migration: str, what: str) -> None:
    """Raises StageError where DynamoDB is the master of a group, or a switch is under way. `what`: would be done."""
    for master in read_masters(connection, migration):
        if master.phase.is_dynamodb:
            raise StageError(
                f"{migration}: DynamoDB is the master of {master.group}, {what}; "
                f"first run {way_to_rds(master.phase, master.item_types[0])}"
            )
        if master.fenced:
            raise StageError(
                f"{migration}: a switch of {master.group} is under way, {what}; "
                f"let it come to its end, or run `crossover writes … {master.item_types[0]} --abort` first"
            )


def fence(connection: Connection[TupleRow], migration: str, master: Master) -> Master | None:
    """The group is fenced, in the phase of `master`; since when stands where it was fenced before. None where it is in
    another phase by now."""
    found = connection.execute(
        sql.SQL(
            "INSERT INTO {} AS m (migration, group_name, item_types, phase, fenced) VALUES (%s, %s, %s, %s, true)"
            " ON CONFLICT (migration, group_name) DO UPDATE SET fenced = true, item_types = EXCLUDED.item_types,"
            " changed_at = CASE WHEN m.fenced THEN m.changed_at ELSE EXCLUDED.changed_at END"
            " WHERE m.phase = EXCLUDED.phase RETURNING changed_at"
        ).format(MASTER),
        (migration, master.group, list(master.item_types), master.phase.value),
    ).fetchone()
    return None if found is None else Master(master.group, master.item_types, master.phase, True, found[0])


def set_master(connection: Connection[TupleRow], migration: str, was: Master, now: Master) -> bool:
    """False where the group is not as `was` says, and nothing is changed. A fence that stays keeps its time."""
    changed = connection.execute(
        sql.SQL(
            "UPDATE {} SET phase = %s, fenced = %s,"
            " changed_at = CASE WHEN fenced AND %s THEN changed_at ELSE pg_catalog.clock_timestamp() END"
            " WHERE migration = %s AND group_name = %s AND phase = %s AND fenced = %s"
        ).format(MASTER),
        (now.phase.value, now.fenced, now.fenced, migration, was.group, was.phase.value, was.fenced),
    )
    return changed.rowcount == 1
