"""The steps that install a migration's capture, and those that remove it. Both can be repeated from any state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql
from psycopg.sql import Identifier, Literal

from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.control import begin_epoch, switch_off, switch_on
from pipelines.source.ledger.installed import Installed, InstalledFunction, InstalledTrigger
from pipelines.source.ledger.names import CAPTURED, CONTROL, SCHEMA
from pipelines.source.ledger.schema import MIGRATIONS_ROWS, create_statements, drop_statements
from pipelines.source.ledger.steps import Step
from pipelines.source.ledger.triggers import TableTriggers


def schema_step() -> Step:
    return Step("schema crossover", tuple(create_statements()))


def install_steps(
    migration: str, epoch: int, mapping_hash: str, lineage: str | None, tables: Sequence[TableTriggers]
) -> list[Step]:
    """All but the last: a new epoch with capture off, then one table after the other."""
    return [
        schema_step(),
        Step(f"epoch {epoch}", (begin_epoch(migration, epoch, mapping_hash, lineage),)),
        *(Step(f"table {one.ref}", (*one.create_statements(), _note(one)), _lock_for_triggers(one)) for one in tables),
    ]


def adoption_steps(installed: Installed, tables: Sequence[TableTriggers]) -> list[Step]:
    """Partitions that were attached since. What changes in them is captured from then on; the rows that they brought
    are taken for changed, in a later snapshot and under no lock. It is noted in the same transaction."""
    noted = {table.ref: set(table.members) for table in installed.tables}
    steps: list[Step] = []
    for one in tables:
        new = [member for member in one.relation.members if str(member) not in noted[one.ref]]
        if new:
            where = f"table {one.ref}"
            steps.append(Step(where, tuple(one.trigger_statements(new)), _lock_for_triggers(one)))
            steps.append(Step(where, (*one.touch_statements(new), _note(one))))
    return steps


def last_step(migration: str, epoch: int) -> Step:
    return Step("capture on", (switch_on(migration, epoch),))


def clearing_steps(migration: str, installed: Installed, wanted: Sequence[TableTriggers]) -> list[Step]:
    """Takes away what an earlier mapping, an earlier name of a table or another Crossover left."""
    names = {(member, name) for one in wanted for member in one.relation.members for name in one.trigger_names()}
    functions = {name for one in wanted for name in one.function_names()}
    refs = {one.ref for one in wanted}
    stale = [trigger for trigger in installed.triggers if (trigger.ref, trigger.name) not in names]
    forgotten = tuple(_forget(migration, table.ref) for table in installed.tables if table.ref not in refs)
    drops = tuple(_drop_function(one) for one in installed.functions if one.name not in functions)
    rest = (*drops, *forgotten)
    return [*_drop_triggers(stale), *([Step("schema crossover", rest)] if rest else [])]


def uninstall_steps(migration: str, installed: Installed, is_last: bool) -> list[Step]:
    """`is_last`: no other migration of the database has a ledger; then the schema goes, too."""
    forgotten = [
        sql.SQL("DELETE FROM {} WHERE migration = {}").format(table, Literal(migration))
        for table in (*MIGRATIONS_ROWS, CONTROL)
    ]
    drops = [_drop_function(function) for function in installed.functions]
    return [
        Step("capture off", (switch_off(migration),)),
        *_drop_triggers(installed.triggers),
        Step("schema crossover", (*drops, *(drop_statements() if is_last else forgotten))),
    ]


def _drop_triggers(triggers: Iterable[InstalledTrigger]) -> list[Step]:
    """A partition's own go with its parent's."""
    by_table: dict[TableRef, list[sql.Composed]] = {}
    for trigger in triggers:
        if not trigger.inherited:
            drop = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(Identifier(trigger.name), _table(trigger.ref))
            by_table.setdefault(trigger.ref, []).append(drop)
    return [
        Step(f"table {ref}", tuple(drops), sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(_table(ref)))
        for ref, drops in by_table.items()
    ]


def _lock_for_triggers(one: TableTriggers) -> sql.Composed:
    """Partitions and heirs are locked with it. Readers are not in the way (PostgreSQL, 13.3.1)."""
    return sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(_table(one.ref))


def _drop_function(function: InstalledFunction) -> sql.Composed:
    return sql.SQL("DROP FUNCTION IF EXISTS {}").format(sql.SQL(function.signature))  # quoted by PostgreSQL


def _note(one: TableTriggers) -> sql.Composed:
    """The triggers as PostgreSQL has them now, to tell later whether they still are so."""
    return sql.SQL(
        "INSERT INTO {captured} (migration, schema_name, table_name, definition, triggers, members)"
        " SELECT {values}, pg_catalog.array_agg(pg_catalog.pg_get_triggerdef(t.oid) ORDER BY t.tgname)"
        " || ARRAY(SELECT pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p"
        " WHERE p.pronamespace = {schema}::pg_catalog.regnamespace AND p.proname = ANY ({functions})), {members}"
        " FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {table}::pg_catalog.regclass AND t.tgname = ANY ({names})"
        " ON CONFLICT (migration, schema_name, table_name) DO UPDATE SET definition = EXCLUDED.definition,"
        " triggers = EXCLUDED.triggers, members = EXCLUDED.members"
    ).format(
        captured=CAPTURED,
        values=sql.SQL(", ").join(
            [Literal(text) for text in (one.migration, one.ref.schema_name, one.ref.table, one.definition())]
        ),
        members=_texts([str(member) for member in one.relation.members]),
        schema=Literal(SCHEMA),
        functions=_texts([function.name for function in one.row_functions()]),
        table=Literal(_table(one.ref).as_string(None)),
        names=_texts(one.trigger_names()),
    )


def _texts(texts: Sequence[str]) -> sql.Composed:
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join([Literal(text) for text in texts]))


def _forget(migration: str, ref: TableRef) -> sql.Composed:
    return sql.SQL("DELETE FROM {} WHERE migration = {} AND schema_name = {} AND table_name = {}").format(
        CAPTURED, Literal(migration), Literal(ref.schema_name), Literal(ref.table)
    )


def _table(ref: TableRef) -> Identifier:
    return Identifier(ref.schema_name, ref.table)
