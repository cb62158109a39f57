"""The functions and triggers of one source table.

Row triggers, not statement triggers with transition tables: PostgreSQL gives partitions that are attached later the
row triggers of their parent, and only a row trigger has a WHEN, which keeps an update of other columns from calling
anything at all. AFTER, so that they see what BEFORE triggers and generated columns have made of the row.

What the functions must never do: raise, wait, or read a table, which under SERIALIZABLE can abort the writer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.sql import Composable, Composed, Identifier, Literal

from pipelines.errors import SourceError
from pipelines.items.source_type import Kind
from pipelines.mapping.capture import CapturePlan, Effect, Log, Mark, TableCapture
from pipelines.mapping.catalog import Table, TableRef
from pipelines.source.ledger.key_text import Reference, left_row, link, pinned, source_key
from pipelines.source.ledger.names import (
    LOG,
    MARK,
    OPERATIONS,
    ROW_OPERATIONS,
    SCHEMA,
    Operation,
    function_name,
    trigger_name,
)
from pipelines.source.ledger.relations import SourceRelation

_LAST = (Kind.JSON, Kind.ARRAY, Kind.BYTES, Kind.OTHER, Kind.TEXT)
"""Often large, and then stored apart: compared only where nothing before them differs."""

SEARCH_PATH = "pg_catalog, pg_temp"


@dataclass(frozen=True)
class TriggerFunction:
    name: str
    body: str
    settings: tuple[tuple[str, str], ...]

    @property
    def configuration(self) -> tuple[str, ...]:
        """As pg_proc.proconfig has it."""
        return (f"search_path={SEARCH_PATH}", *(f"{name}={value}" for name, value in self.settings))

    def create(self) -> Composed:
        settings = [sql.SQL(" SET {} TO {}").format(Identifier(name), Literal(value)) for name, value in self.settings]
        return sql.SQL(
            "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            " SET search_path TO pg_catalog, pg_temp{} AS {}"
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
        settings = () if operation == "truncate" else pinned(types)
        return TriggerFunction(function_name(self.migration, self.ref, operation), body.as_string(None), settings)

    def functions(self) -> tuple[TriggerFunction, ...]:
        return tuple(self.function(operation) for operation in OPERATIONS)

    def create_statements(self) -> list[Composed]:
        return [
            *(function.create() for function in self.functions()),
            self._grant(),
            *(
                self._create_trigger(member, operation)
                for operation in OPERATIONS
                for member in (self.relation.row_members if operation in ROW_OPERATIONS else self.relation.members)
            ),
            *(self._enable(member) for member in self.relation.members),
        ]

    def definition(self) -> str:
        """A hash of all that would be installed, whatever the partitions are."""
        texts = [function.create().as_string(None) for function in self.functions()]
        texts += [self._create_trigger(self.ref, operation).as_string(None) for operation in OPERATIONS]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def trigger_names(self) -> tuple[str, ...]:
        return tuple(trigger_name(self.migration, self.ref, operation) for operation in OPERATIONS)

    def _touches(self, operation: Operation) -> list[Composed]:
        effects = self.capture.effects
        match operation:
            case "truncate":
                item_types = dict.fromkeys(effect.touch.item_type for effect in effects)
                return [_mark_whole(self.migration, item_type) for item_type in item_types]
            case "insert":
                return [_touch(self.migration, effect.touch, "new") for effect in effects]
            case "delete":
                return [self._delete(effect.touch) for effect in effects]
        return [self._update(effect) for effect in effects]

    def _update(self, effect: Effect) -> Composed:
        written = Composed([self._leave(effect.touch), _touch_both(self.migration, effect.touch)])
        if all(other.columns == effect.columns for other in self.capture.effects):
            return written  # the trigger's own WHEN says it
        return sql.SQL("    IF {} THEN\n{}    END IF;\n").format(self._differ(effect.columns), written)

    def _leave(self, touch: Log | Mark) -> Composable:
        """Keeps what an old key was made of, where an update leaves that key."""
        if not isinstance(touch, Log):
            return sql.SQL("")
        if not touch.left:
            return sql.SQL("    left_row := NULL;\n")
        return sql.SQL("    left_row := CASE WHEN {} THEN {} END;\n").format(
            self._differ(touch.watched), left_row(touch.left, _of("old"))
        )

    def _delete(self, touch: Log | Mark) -> Composed:
        kept = left_row(touch.left, _of("old")) if isinstance(touch, Log) and touch.left else sql.SQL("NULL")
        return sql.SQL("    left_row := {};\n{}").format(kept, _touch(self.migration, touch, "old"))

    def _create_trigger(self, member: TableRef, operation: Operation) -> Composed:
        each: Composable = sql.SQL("STATEMENT" if operation == "truncate" else "ROW")
        if operation == "update":
            each = sql.SQL("ROW WHEN ({})").format(self._differ(self.capture.columns))
        return sql.SQL("CREATE OR REPLACE TRIGGER {} AFTER {} ON {} FOR EACH {} EXECUTE FUNCTION {}()").format(
            Identifier(trigger_name(self.migration, self.ref, operation)),
            _WORDS[operation],
            Identifier(member.schema_name, member.table),
            each,
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

    def _differ(self, columns: Sequence[str]) -> Composed:
        """Byte by byte: for `=` has 1.0 = 1.00 and '1 month' = '30 days', which are two texts in an item, and json
        and xml have none."""
        names = _compared(self.capture.table, columns, self.relation.virtual)
        rows = [sql.SQL(", ").join([_of(row)(name) for name in names]) for row in ("old", "new")]
        return sql.SQL("ROW({})::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW({})::pg_catalog.record").format(*rows)


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


def _compared(table: Table, columns: Sequence[str], virtual: frozenset[str]) -> list[str]:
    """A virtual column changes with the columns that it is made of, which may be any."""
    wanted = {column.name for column in table.columns} if virtual & set(columns) else set(columns)
    chosen = [column for column in table.columns if column.name in wanted - virtual]
    rank = {kind: place for place, kind in enumerate(reversed(_LAST), start=1)}
    return [column.name for column in sorted(chosen, key=lambda column: rank.get(column.type.kind, 0))]


_WORDS: dict[Operation, sql.SQL] = {
    "insert": sql.SQL("INSERT"),
    "update": sql.SQL("UPDATE"),
    "delete": sql.SQL("DELETE"),
    "truncate": sql.SQL("TRUNCATE"),
}

_VARIABLES = sql.SQL(
    "\nDECLARE\n    old_key text;\n    new_key text;\n    old_link text[];\n    new_link text[];\n"
    "    left_row jsonb;\nBEGIN\n"
)
_HEAD: dict[Operation, sql.SQL] = dict.fromkeys(ROW_OPERATIONS, _VARIABLES) | {"truncate": sql.SQL("\nBEGIN\n")}


def _of(row: str) -> Reference:
    record = sql.SQL("OLD.{}") if row == "old" else sql.SQL("NEW.{}")
    return lambda column: record.format(Identifier(column))


def _value(touch: Log | Mark, row: str) -> Composable:
    return source_key(touch.key, _of(row)) if isinstance(touch, Log) else link(touch.link, _of(row))


def _variable(touch: Log | Mark, row: str) -> Identifier:
    return Identifier(f"{row}_{'key' if isinstance(touch, Log) else 'link'}")


def _assign(touch: Log | Mark, row: str) -> Composed:
    return sql.SQL("    {} := {};\n").format(_variable(touch, row), _value(touch, row))


def _touch(migration: str, touch: Log | Mark, row: str) -> Composed:
    """Of an insert or a delete. A key or a link with a NULL touches nothing."""
    insert = _append(migration, touch, row) if isinstance(touch, Log) else _leave_mark(migration, touch, (row,))
    guarded = sql.SQL("    IF {} IS NOT NULL THEN\n{}    END IF;\n").format(_variable(touch, row), insert)
    return Composed([_assign(touch, row), guarded])


def _touch_both(migration: str, touch: Log | Mark) -> Composed:
    assigned = Composed([_assign(touch, "old"), _assign(touch, "new")])
    if isinstance(touch, Log):
        write = sql.SQL(
            "    IF old_key IS NOT NULL AND old_key IS DISTINCT FROM new_key THEN\n{old}        left_row := NULL;\n"
            "    END IF;\n"
            "    IF new_key IS NOT NULL THEN\n{new}    END IF;\n"
        ).format(new=_append(migration, touch, "new"), old=_append(migration, touch, "old"))
    else:
        write = sql.SQL(
            "    IF old_link IS NOT DISTINCT FROM new_link THEN\n        old_link := NULL;\n    END IF;\n"
            "    IF old_link IS NOT NULL OR new_link IS NOT NULL THEN\n{}    END IF;\n"
        ).format(_leave_mark(migration, touch, ("old", "new")))
    return Composed([assigned, write])


def _append(migration: str, touch: Log, row: str) -> Composed:
    return sql.SQL(
        "        INSERT INTO {} (migration, item_type, source_key, old) VALUES ({}, {}, {}, left_row);\n"
    ).format(LOG, Literal(migration), Literal(touch.item_type), _variable(touch, row))


def _leave_mark(migration: str, touch: Mark, rows: Sequence[str]) -> Composed:
    links = sql.SQL(", ").join([_variable(touch, row) for row in rows])
    return sql.SQL("        INSERT INTO {} (migration, item_type, path, {}) VALUES ({}, {}, {}, {});\n").format(
        MARK, links, Literal(migration), Literal(touch.item_type), Literal(".".join(touch.path)), links
    )


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
