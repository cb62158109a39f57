"""A purpose's GRANTs, from the compiled mapping and what the source's catalogue says of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from pipelines.mapping.catalog import Table, TableRef
from pipelines.mapping.inverse import inverse_of
from pipelines.mapping.plan import MigrationPlan
from pipelines.permissions.ledger import LEDGER_RIGHTS
from pipelines.permissions.purpose import Purpose
from pipelines.source.access import DatabaseAccess
from pipelines.source.ledger.names import SCHEMA as LEDGER
from pipelines.source.parts import reads_by_ctid
from pipelines.source.privileges import (
    SCHEMA,
    SELECT,
    TABLE,
    USAGE,
    bypass_policies,
    grant,
    select_of,
)

_BY_CTID = "of this size it is read by ctid, for which PostgreSQL asks for SELECT on all of the table"
_LOCKED = (
    "all of the table: it is locked before the snapshot exists (LOCK TABLE … IN ACCESS SHARE MODE), for which "
    "PostgreSQL does not take rights to columns"
)
_READ_BACK = "what is written is read again as an item; of this table a part of it is a copy"
_WRITES = sql.SQL("SELECT, INSERT, UPDATE, DELETE")
_OWNED = "ALTER TABLE … ENABLE ALWAYS TRIGGER is for who owns the table, or has the rights of who does"
_GUARDED = "guards are triggers, and sequences are set: both are for who owns the tables, or has the rights of who does"
_LEDGER_OWNED = "who owns schema crossover"
_NO_LEDGER = "capture is not installed: once it is, print this again, for the GRANTs on schema crossover"
_AGAIN = "after `crossover capture … upgrade` print this again: the ledger may have got tables"


@dataclass(frozen=True)
class Statement:
    """`sql` without a semicolon; empty where there is only something to be said."""

    sql: str
    why: str = ""


@dataclass(frozen=True)
class Source:
    """`captured`: the tables that triggers are to be on, with their partitions and heirs."""

    plan: MigrationPlan
    server_version: int
    access: DatabaseAccess
    captured: tuple[TableRef, ...]


def grants(purpose: Purpose, source: Source, role: str) -> list[Statement]:
    """In the order in which they are to be run. None where the purpose has nothing to do with the database."""
    made = _MAKERS.get(purpose)
    return [] if made is None else list(made(purpose, source, role))


def _reader(purpose: Purpose, source: Source, role: str) -> Iterator[Statement]:
    yield from _connect(source, role)
    yield from _schemas(source, role)
    for table, columns in source.plan.columns_by_table().items():
        large = source.access.tables[table.ref].large
        if reads_by_ctid(table, source.server_version, large=large):
            yield _select(table, role, _BY_CTID)
        else:
            yield Statement(grant(select_of(columns), TABLE, _name(table.ref), role))
    yield from _policies(source, role)
    yield from _ledger(purpose, source, role)


def _locker(purpose: Purpose, source: Source, role: str) -> Iterator[Statement]:
    yield from _connect(source, role)
    yield from _schemas(source, role)
    yield from (_select(table, role, _LOCKED) for table in source.plan.columns_by_table())
    yield from _policies(source, role)
    yield from _ledger(purpose, source, role)


def _reverse(purpose: Purpose, source: Source, role: str) -> Iterator[Statement]:
    """Writes the tables that items own; all others it reads, to compare a row's item with what it is to be."""
    yield from _connect(source, role)
    yield from _schemas(source, role)
    plan = source.plan
    written = {table.ref for item in plan.items for table in inverse_of(item, plan).tables}
    for table in plan.columns_by_table():
        if table.ref in written:
            yield Statement(grant(_WRITES, TABLE, _name(table.ref), role))
        else:
            yield _select(table, role, _READ_BACK)
    yield from _policies(source, role)
    yield from _ledger(purpose, source, role)


def _backfill(purpose: Purpose, source: Source, role: str) -> Iterator[Statement]:
    """Reads no row of the source: what it writes is in the records."""
    yield from _connect(source, role)
    yield from _ledger(purpose, source, role)


def _installer(_: Purpose, source: Source, role: str) -> Iterator[Statement]:
    yield from _connect(source, role)
    create = grant(sql.SQL("CREATE"), sql.SQL("DATABASE"), sql.Identifier(source.access.database), role)
    yield Statement(create, "for schema crossover")
    owners = dict.fromkeys(source.access.tables[ref].owner for ref in source.captured)
    reasons = dict.fromkeys(owners, _OWNED)
    if source.access.ledger_owner is not None:
        reasons.setdefault(source.access.ledger_owner, _LEDGER_OWNED)
    for owner, why in reasons.items():
        if owner != role:
            yield Statement(_membership(owner, role), why)


def _writes(_: Purpose, source: Source, role: str) -> Iterator[Statement]:
    """It makes and drops guards, sets sequences, and drains in both directions."""
    yield from _connect(source, role)
    owners = dict.fromkeys((source.access.tables[ref].owner for ref in source.captured), _GUARDED)
    if source.access.ledger_owner is None:
        yield Statement("", _NO_LEDGER)
    else:
        owners.setdefault(source.access.ledger_owner, _LEDGER_OWNED)
    for owner, why in owners.items():
        if owner != role:
            yield Statement(_membership(owner, role), why)
    yield from _policies(source, role)


def _application(_: Purpose, source: Source, role: str) -> Iterator[Statement]:  # noqa: ARG001 - as the others
    yield Statement(
        "",
        "nothing beside its own rights to its tables: triggers write the ledger with the rights of who installed them. "
        "A dual write has a connection of its own to the ledger, with a role for `relay`",
    )


def _connect(source: Source, role: str) -> Iterator[Statement]:
    database = sql.Identifier(source.access.database)
    yield Statement(grant(sql.SQL("CONNECT"), sql.SQL("DATABASE"), database, role))


def _schemas(source: Source, role: str) -> Iterator[Statement]:
    names = dict.fromkeys(table.ref.schema_name for table in source.plan.columns_by_table())
    return (_usage(name, role) for name in names)


def _policies(source: Source, role: str) -> Iterator[Statement]:
    tables = [str(ref) for ref, access in source.access.tables.items() if access.policy]
    if tables:
        why = f"row-level security would hide rows of {', '.join(tables)}; for a superuser (on RDS, rds_superuser)"
        yield Statement(bypass_policies(role), why)


def _ledger(purpose: Purpose, source: Source, role: str) -> Iterator[Statement]:
    if source.access.ledger_owner is None:
        yield Statement("", _NO_LEDGER)
        return
    yield Statement(_usage(LEDGER, role).sql, _AGAIN)
    for right in LEDGER_RIGHTS[purpose]:
        yield Statement(grant(sql.SQL(right.privileges), TABLE, right.table, role), right.why)


def _select(table: Table, role: str, why: str) -> Statement:
    return Statement(grant(SELECT, TABLE, _name(table.ref), role), why)


def _usage(schema: str, role: str) -> Statement:
    return Statement(grant(USAGE, SCHEMA, sql.Identifier(schema), role))


def _membership(owner: str, role: str) -> str:
    return sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(role)).as_string(None)


def _name(ref: TableRef) -> sql.Identifier:
    return sql.Identifier(ref.schema_name, ref.table)


_Maker = Callable[[Purpose, Source, str], Iterable[Statement]]
_MAKERS: Mapping[Purpose, _Maker] = {
    Purpose.READER: _reader,
    Purpose.VERIFIER: _locker,
    Purpose.INSTALLER: _installer,
    Purpose.RELAY: _locker,
    Purpose.REVERSE: _reverse,
    Purpose.WRITES: _writes,
    Purpose.BACKFILL: _backfill,
    Purpose.APPLICATION: _application,
}
