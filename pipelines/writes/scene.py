"""What a switch knows and holds: the mapping's groups, the source's tables, the mirror, and a session that has no
other of its kind beside it in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import SourceError, StageError, UsageError
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.groups import Group, groups_of, named_group
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.control import Control, ledger_exists, read_control
from pipelines.source.ledger.guards import Guards, guards_of
from pipelines.source.ledger.masters import Master, read_masters, set_master
from pipelines.source.ledger.names import COMMAND_LOCK
from pipelines.source.ledger.relations import SourceRelation, read_relations
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.server_error import described
from pipelines.target.control_table import ControlTable
from pipelines.writes.mirror import Mirror


@dataclass(frozen=True)
class Schema:
    """The mapping as the source's tables make it."""

    plan: MigrationPlan
    groups: tuple[Group, ...]
    relations: Mapping[TableRef, SourceRelation]
    control: Control | None

    def guards(self, group: Group) -> Guards:
        return guards_of(self.plan.name, group, self.relations)


@dataclass(frozen=True)
class Scene:
    """Of one group. `connection`: in autocommit mode, with the command lock. `say`, `after`: as `switch` takes them."""

    migration: Migration
    url: str
    connection: Connection[TupleRow]
    schema: Schema
    group: Group
    mirror: Mirror
    say: Callable[[str], None]
    after: Callable[[str], None]

    @property
    def name(self) -> str:
        return self.schema.plan.name

    @property
    def guards(self) -> Guards:
        return self.schema.guards(self.group)

    def master(self) -> Master:
        """As the ledger has it now."""
        return master_of(read_masters(self.connection, self.name), self.group)

    def set_master(self, was: Master, now: Master) -> None:
        """Raises StageError where somebody else has changed it."""
        if not set_master(self.connection, self.name, was, now):
            raise overtaken(self.group)

    def seconds_since(self, moment: datetime) -> float:
        """By the database's clock."""
        found = self.connection.execute(
            "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - %s)::float8", (moment,)
        ).fetchone()
        assert found is not None  # a SELECT without FROM has one row
        return float(found[0])


def overtaken(group: Group) -> StageError:
    return StageError(f"group {group.name}: somebody else has changed its master meanwhile; look, then run it again")


def master_of(masters: Sequence[Master], group: Group) -> Master:
    found = next((one for one in masters if one.group == group.name), None)
    return found or Master(group.name, group.item_types)


def read_schema(migration: Migration, connection: Connection[TupleRow]) -> Schema:
    """Raises SourceError, MappingError, psycopg.Error."""
    catalog = read_catalog(connection, tables_used(migration.mapping))
    plan = compile_mapping(migration.mapping, catalog)
    relations = read_relations(connection, (table.ref for table in catalog.tables))
    return Schema(plan, groups_of(plan), relations, read_control(connection, plan.name))


def group_named(schema: Schema, name: str) -> Group:
    """Raises UsageError."""
    group = named_group(schema.groups, name)
    if group is None:
        raise UsageError(f"GROUP {name}: no such group; there are {', '.join(one.name for one in schema.groups)}")
    return group


@contextmanager
def source(url: str, what: str = "writes") -> Iterator[Connection[TupleRow]]:
    """Raises SourceError for what the database says."""
    failed = None
    with closing(connect_writable(url)) as connection:
        try:
            yield connection
        except psycopg.Error as error:
            failed = described(error)
    if failed is not None:
        raise SourceError(f"{what}: {failed}; run it again to go on")


@contextmanager
def opened_scene(
    migration: Migration,
    url: str,
    name: str,
    table: ControlTable | None,
    say: Callable[[str], None],
    after: Callable[[str], None],
) -> Iterator[Scene]:
    """The control table is made where there is none. Raises UsageError for an unknown group, StageError where capture
    is not installed or another command is at work, SourceError, TargetError, MappingError."""
    with source(url) as connection:
        schema = read_schema(migration, connection)
        group = group_named(schema, name)
        if schema.control is None or not ledger_exists(connection):
            raise StageError(f"{schema.plan.name}: capture is not installed; run `crossover capture … install`")
        _lock(connection)
        table = table or ControlTable.of(schema.plan.name)
        table.create()
        mirror = Mirror.read(table, group, schema.control.epoch)
        yield Scene(migration, url, connection, schema, group, mirror, say, after)


def _lock(connection: Connection[TupleRow]) -> None:
    """It ends with the session, whatever becomes of us."""
    try:
        connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", (COMMAND_LOCK,))
    except psycopg.errors.LockNotAvailable:
        raise StageError(
            "writes: another `crossover writes` or `crossover capture` is at work in this database; "
            "wait for it, then run this one again"
        ) from None
