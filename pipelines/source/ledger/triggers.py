"""The functions and triggers of one source table.

Row triggers, not statement triggers with transition tables: PostgreSQL gives partitions that are attached later the
row triggers of their parent. AFTER, so that they see what BEFORE triggers and generated columns have made of the row.
No WHEN: PostgreSQL reads and plans it again in every statement, and a function's expressions once in a session.

What the functions must never do: raise, wait, or read a table, which under SERIALIZABLE can abort the writer. TRUNCATE
alone reads: it has the table to itself by then, and its rows are seen for the last time.

They run with their owner's rights and the writer's search_path, which to set would cost each row a tenth of all this.
So all names in them are qualified, those of types and operators, too, and nothing in them (IS DISTINCT FROM, IN,
BETWEEN, a simple CASE) looks an operator up by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.sql import Composable, Composed, Identifier, Literal

from pipelines.errors import SourceError
from pipelines.mapping.capture import CapturePlan, TableCapture
from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.key_text import pinned
from pipelines.source.ledger.names import (
    MARK,
    OPERATIONS,
    ROW_OPERATIONS,
    SCHEMA,
    Operation,
    function_name,
    trigger_name,
)
from pipelines.source.ledger.relations import SourceRelation
from pipelines.source.ledger.row_functions import RowFunction, row_functions
from pipelines.source.ledger.touch_writer import TouchWriter, updates


@dataclass(frozen=True)
class TriggerFunction:
    name: str
    body: str
    settings: tuple[tuple[str, str], ...]

    @property
    def configuration(self) -> tuple[str, ...]:
        """As pg_proc.proconfig has it."""
        return tuple(f"{name}={value}" for name, value in self.settings)

    def create(self) -> Composed:
        settings = [sql.SQL(" SET {} TO {}").format(Identifier(name), Literal(value)) for name, value in self.settings]
        return sql.SQL(
            "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER{} AS {}"
        ).format(Identifier(SCHEMA, self.name), Composed(settings), _dollar_quoted(self.body))


@dataclass(frozen=True)
class TableTriggers:
    """All that is installed for one table."""

    migration: str
    capture: TableCapture
    relation: SourceRelation

    @property
    def ref(self) -> TableRef:
        return self.capture.table.ref

    def function(self, operation: Operation) -> TriggerFunction:
        types = [type for effect in self.capture.effects for _, type in effect.touch.values]
        body = Composed([_HEAD[operation], *self._touches(operation), sql.SQL("    RETURN NULL;\nEND;\n")])
        name = function_name(self.migration, self.ref, operation)
        return TriggerFunction(name, body.as_string(None), pinned(types))

    def functions(self) -> tuple[TriggerFunction, ...]:
        return tuple(self.function(operation) for operation in OPERATIONS)

    def row_functions(self) -> tuple[RowFunction, ...]:
        return row_functions(self.migration, self.capture, self.relation.virtual).distinct()

    def function_names(self) -> frozenset[str]:
        return frozenset([one.name for one in self.functions()] + [one.name for one in self.row_functions()])

    def create_statements(self) -> list[Composed]:
        return [
            *(function.create() for function in self.row_functions()),
            *(function.create() for function in self.functions()),
            self._grant(),
            *(
                self._create_trigger(member, operation)
                for operation in OPERATIONS
                for member in (self.relation.row_members if operation in ROW_OPERATIONS else self.relation.members)
            ),
            *(self._enable(member) for member in self.relation.members),
        ]

    def trigger_statements(self, members: Sequence[TableRef]) -> list[Composed]:
        """Those of partitions that were attached since. PostgreSQL gave them their parent's row triggers."""
        return [
            *(self._create_trigger(member, "truncate") for member in members),
            *(self._enable(member) for member in members),
        ]

    def touch_statements(self, members: Sequence[TableRef]) -> list[Composed]:
        """What inserts of all their rows would write."""
        return [writer.of_rows(member) for member in members for writer in self._writers()]

    def definition(self) -> str:
        """A hash of all that would be installed, whatever the partitions are."""
        texts = [function.create().as_string(None) for function in self.row_functions()]
        texts += [function.create().as_string(None) for function in self.functions()]
        texts += [self._create_trigger(self.ref, operation).as_string(None) for operation in OPERATIONS]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def trigger_names(self) -> tuple[str, ...]:
        return tuple(trigger_name(self.migration, self.ref, operation) for operation in OPERATIONS)

    def _touches(self, operation: Operation) -> list[Composed]:
        writers = self._writers()
        match operation:
            case "truncate":
                item_types = dict.fromkeys(writer.touch.item_type for writer in writers)
                left = [writer.of_emptied() for writer in writers if writer.asked.left]
                return [*left, *(_mark_whole(self.migration, item_type) for item_type in item_types)]
            case "update":
                return updates(writers)
        return [writer.of_one("NEW" if operation == "insert" else "OLD") for writer in writers]

    def _writers(self) -> list[TouchWriter]:
        functions = row_functions(self.migration, self.capture, self.relation.virtual).effects
        pairs = zip(self.capture.effects, functions, strict=True)
        return [TouchWriter(self.migration, effect.touch, asked) for effect, asked in pairs]

    def _create_trigger(self, member: TableRef, operation: Operation) -> Composed:
        return sql.SQL("CREATE OR REPLACE TRIGGER {} {} ON {} FOR EACH {} EXECUTE FUNCTION {}()").format(
            Identifier(trigger_name(self.migration, self.ref, operation)),
            _EVENTS[operation],
            Identifier(member.schema_name, member.table),
            sql.SQL("STATEMENT" if operation == "truncate" else "ROW"),
            Identifier(SCHEMA, function_name(self.migration, self.ref, operation)),
        )

    def _grant(self) -> Composed:
        """To whoever attaches a partition, which copies its parent's triggers: nobody can call a trigger's function,
        nor name it without USAGE on the schema."""
        functions = [sql.SQL("{}()").format(Identifier(SCHEMA, function.name)) for function in self.functions()]
        return sql.SQL("GRANT EXECUTE ON FUNCTION {} TO PUBLIC").format(sql.SQL(", ").join(functions))

    def _enable(self, member: TableRef) -> Composed:
        """Also where session_replication_role is replica. PostgreSQL 14 does not pass it on to partitions."""
        enable = [sql.SQL("ENABLE ALWAYS TRIGGER {}").format(Identifier(name)) for name in self.trigger_names()]
        return sql.SQL("ALTER TABLE ONLY {} {}").format(
            Identifier(member.schema_name, member.table), sql.SQL(", ").join(enable)
        )


def table_triggers(plan: CapturePlan, relations: dict[TableRef, SourceRelation]) -> list[TableTriggers]:
    """Raises SourceError where a key or a join is a column that triggers cannot see."""
    for capture in plan.tables:
        virtual = relations[capture.table.ref].virtual
        hidden = [name for effect in capture.effects for name, _ in effect.touch.values if name in virtual]
        if hidden:
            raise SourceError(
                f"{capture.table.ref}: `{hidden[0]}` is a virtual generated column, which triggers cannot see; "
                "make it STORED, or join on the columns that it is made of"
            )
    return [TableTriggers(plan.migration, capture, relations[capture.table.ref]) for capture in plan.tables]


_EVENTS: dict[Operation, sql.SQL] = {
    "insert": sql.SQL("AFTER INSERT"),
    "update": sql.SQL("AFTER UPDATE"),
    "delete": sql.SQL("AFTER DELETE"),
    "truncate": sql.SQL("BEFORE TRUNCATE"),
}

_VARIABLES = sql.SQL(
    "\nDECLARE\n    old_key pg_catalog.text;\n    new_key pg_catalog.text;\n"
    "    old_link pg_catalog.text[];\n    new_link pg_catalog.text[];\n    left_row pg_catalog.jsonb;\nBEGIN\n"
)
_HEAD: dict[Operation, sql.SQL] = dict.fromkeys(ROW_OPERATIONS, sql.SQL("\nBEGIN\n")) | {
    "update": _VARIABLES,
    "truncate": sql.SQL("\nBEGIN\n"),
}


def _mark_whole(migration: str, item_type: str) -> Composed:
    return sql.SQL("    INSERT INTO {} (migration, item_type, path) VALUES ({}, {}, '');\n").format(
        MARK, Literal(migration), Literal(item_type)
    )


def _dollar_quoted(body: str) -> Composable:
    """As psql and people read it; under a tag that is not in it."""
    tag = "$capture$"
    while tag in body:
        tag = f"{tag[:-1]}_$"
    return sql.SQL(f"{tag}{body}{tag}")
