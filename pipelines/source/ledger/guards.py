"""The fence in the source (docs/protocol.md, rule 15): a trigger on each table of a group that refuses its writes.

BEFORE each INSERT, UPDATE, DELETE and TRUNCATE (COPY is an INSERT), once a statement, ALWAYS, also in replica mode.
What the reverse relay writes passes, and the cascades of that, by a setting of its transaction. A statement trigger
fires for the table that the statement names (PostgreSQL, 37.1): a partition or heir that is named itself has its own.

To make one, or to disable it, waits for the writers that are under way (SHARE ROW EXCLUSIVE; PostgreSQL, 13.3.1). So
once it stands no older write is left. To drop one waits for readers, too: it is disabled first, and dropped later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.sql import Composed, Identifier, Literal

from pipelines.mapping.catalog import TableRef
from pipelines.mapping.groups import Group
from pipelines.source.ledger.masters import read_masters
from pipelines.source.ledger.names import SCHEMA, guard_function_name, guard_trigger_name
from pipelines.source.ledger.relations import SourceRelation
from pipelines.source.ledger.status import Gap
from pipelines.source.ledger.steps import Step

FENCED = "XV001"
"""The SQLSTATE of a refused write: of no class that PostgreSQL or the SQL standard has."""
APPLYING = "crossover.applying"
"""The setting, `on` in a transaction that brings to the source what DynamoDB has."""

_BEFORE_ALL_STATEMENTS = 62  # pg_trigger.tgtype: BEFORE 2, INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32; no ROW 1

_GUARDS: LiteralString = """
SELECT n.nspname AS schema_name, c.relname AS table_name, t.tgenabled::text AS enabled, p.proname AS function,
       p.prosrc AS body, t.tgtype = %s AND t.tgqual IS NULL AND t.tgattr = '' AS complete
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
WHERE t.tgname = %s AND pn.nspname = %s AND NOT t.tgisinternal
ORDER BY n.nspname, c.relname
"""

_NOT_ALWAYS = {
    "D": "is disabled",
    "O": "is not ENABLE ALWAYS: a session with session_replication_role = replica passes it",
    "R": "is ENABLE REPLICA: ordinary sessions pass it",
}


@dataclass(frozen=True)
class InstalledGuard:
    """`enabled`: as InstalledTrigger has it. `complete`: it fires before all that a guard does."""

    ref: TableRef
    enabled: str
    function: str
    body: str
    complete: bool


@dataclass(frozen=True)
class Guards:
    """Those that one group wants. `tables`: each with its partitions and heirs."""

    migration: str
    group: Group
    tables: tuple[tuple[TableRef, tuple[TableRef, ...]], ...]

    @property
    def function(self) -> str:
        return guard_function_name(self.migration, self.group.name)

    @property
    def trigger(self) -> str:
        return guard_trigger_name(self.migration)

    @property
    def members(self) -> tuple[TableRef, ...]:
        return tuple(member for _, members in self.tables for member in members)

    def body(self) -> str:
        """All names in it are qualified: it runs under the writer's search_path. It reads no table."""
        return (
            sql.SQL(
                "\nBEGIN\n    IF coalesce(pg_catalog.current_setting({}, true), '') OPERATOR(pg_catalog.<>) 'on' THEN\n"
                "        RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = {};\n"
                "    END IF;\n    RETURN NULL;\nEND;\n"
            )
            .format(Literal(APPLYING), Literal(FENCED), Literal(self._message()))
            .as_string(None)
        )

    def _message(self) -> str:
        return (
            f"crossover: {self.group.name} of migration {self.migration} takes no writes here: DynamoDB is its master, "
            "or becomes it now; use pipelines.masters, or write to DynamoDB"
        )

    def up_steps(self) -> list[Step]:
        """Each table in a transaction of its own; repeated, they change nothing."""
        tables = [
            Step(f"table {ref}", tuple(made for member in members for made in self._up(member)), _lock(ref, _WRITERS))
            for ref, members in self.tables
        ]
        return [Step("schema crossover", (self._create_function(),)), *tables]

    def down_steps(self, installed: Iterable[InstalledGuard]) -> list[Step]:
        """All that stand are disabled; readers are not in the way."""
        return [
            Step(f"table {ref}", (self._disable(ref),), _lock(ref, _WRITERS))
            for ref in dict.fromkeys(one.ref for one in installed if one.enabled != "D")
        ]

    def drop_steps(self, installed: Iterable[InstalledGuard]) -> list[Step]:
        """The function last."""
        tables = [
            Step(f"table {ref}", (self._drop(ref),), _lock(ref, _ALL))
            for ref in dict.fromkeys(one.ref for one in installed)
        ]
        function = sql.SQL("DROP FUNCTION IF EXISTS {}()").format(Identifier(SCHEMA, self.function))
        return [*tables, Step("schema crossover", (function,))]

    def mine(self, installed: Iterable[InstalledGuard]) -> list[InstalledGuard]:
        return [one for one in installed if one.function == self.function]

    def gaps(self, installed: Iterable[InstalledGuard]) -> Iterator[Gap]:
        """What lets writes through that have to be refused."""
        found = {one.ref: one for one in self.mine(installed)}
        for member in self.members:
            problem = self._problem(found.get(member))
            if problem is not None:
                yield Gap(f"table {member}", f"the guard of {self.group.name} {problem}", self._remedy)

    @property
    def _remedy(self) -> str:
        return (
            f"run `crossover writes … {self.group.item_types[0]}` with the phase that it is in, which makes it again; "
            "what was written here meanwhile is not in DynamoDB"
        )

    def _problem(self, guard: InstalledGuard | None) -> str | None:
        if guard is None:
            return "is missing: writes are not refused"
        if guard.enabled in _NOT_ALWAYS:
            return _NOT_ALWAYS[guard.enabled]
        if not guard.complete or guard.body != self.body():
            return "is not what was installed"
        return None

    def _create_function(self) -> Composed:
        return sql.SQL("CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS {}").format(
            Identifier(SCHEMA, self.function), Literal(self.body())
        )

    def _up(self, member: TableRef) -> Iterator[Composed]:
        yield sql.SQL(
            "CREATE OR REPLACE TRIGGER {} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}"
            " FOR EACH STATEMENT EXECUTE FUNCTION {}()"
        ).format(Identifier(self.trigger), _name(member), Identifier(SCHEMA, self.function))
        yield sql.SQL("ALTER TABLE ONLY {} ENABLE ALWAYS TRIGGER {}").format(_name(member), Identifier(self.trigger))

    def _disable(self, ref: TableRef) -> Composed:
        return sql.SQL("ALTER TABLE ONLY {} DISABLE TRIGGER {}").format(_name(ref), Identifier(self.trigger))

    def _drop(self, ref: TableRef) -> Composed:
        return sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(Identifier(self.trigger), _name(ref))


def guards_of(migration: str, group: Group, relations: Mapping[TableRef, SourceRelation]) -> Guards:
    """`relations`: of the group's tables."""
    return Guards(migration, group, tuple((ref, relations[ref].members) for ref in group.tables))


def read_guards(connection: Connection[TupleRow], migration: str) -> list[InstalledGuard]:
    """All of the migration's that are on tables, disabled ones too."""
    found = connection.execute(_GUARDS, (_BEFORE_ALL_STATEMENTS, guard_trigger_name(migration), SCHEMA))
    return [
        InstalledGuard(TableRef(schema_name=schema, table=table), enabled, function, body, complete)
        for schema, table, enabled, function, body, complete in found
    ]


def leftover_steps(connection: Connection[TupleRow], migration: str) -> list[Step]:
    """Takes away what switches that are over have left, where no group has a guard to keep. Repeated, it changes
    nothing."""
    trigger = Identifier(guard_trigger_name(migration))
    drops = [
        Step(
            f"table {ref}", (sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(trigger, _name(ref)),), _lock(ref, _ALL)
        )
        for ref in dict.fromkeys(one.ref for one in read_guards(connection, migration))
    ]
    functions = tuple(
        sql.SQL("DROP FUNCTION IF EXISTS {}()").format(Identifier(SCHEMA, guard_function_name(migration, one.group)))
        for one in read_masters(connection, migration)
    )
    return [*drops, *([Step("schema crossover", functions)] if functions else [])]


def guard_gaps(
    connection: Connection[TupleRow],
    migration: str,
    groups: Sequence[Group],
    relations: Mapping[TableRef, SourceRelation],
) -> list[Gap]:
    """Of the groups whose master DynamoDB is: what lets writes into the source all the same."""
    masters = [one for one in read_masters(connection, migration) if one.phase.is_dynamodb]
    if not masters:
        return []
    installed, by_name = read_guards(connection, migration), {group.name: group for group in groups}
    gaps: list[Gap] = []
    for master in masters:
        group = by_name.get(master.group)
        if group is None or not set(group.tables) <= set(relations):
            gaps.append(Gap(f"group {master.group}", "is DynamoDB's, and the mapping has no such group", _MAPPING_BACK))
        else:
            gaps += guards_of(migration, group, relations).gaps(installed)
    return gaps


_MAPPING_BACK = "take the mapping that it was switched with"
_WRITERS = sql.SQL("SHARE ROW EXCLUSIVE")
_ALL = sql.SQL("ACCESS EXCLUSIVE")


def _lock(ref: TableRef, mode: sql.SQL) -> Composed:
    """With partitions and heirs."""
    return sql.SQL("LOCK TABLE {} IN {} MODE").format(_name(ref), mode)


def _name(ref: TableRef) -> Identifier:
    return Identifier(ref.schema_name, ref.table)
