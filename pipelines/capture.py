"""Stage `capture`: the ledger and its triggers in the source database, for one migration.

install     from nothing, or from a half-installed state; a new epoch; capture counts from its last step on
status      what is wrong, one line each
upgrade     mends what is wrong, under a new epoch; partitions that were attached, in the same
uninstall   takes everything away again
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import SourceError, StageError
from pipelines.mapping.capture import CapturePlan, ItemMode, compile_capture
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.groups import groups_of
from pipelines.migration import Migration
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.control import Control, ledger_exists, read_control, read_lineage, schema_exists
from pipelines.source.ledger.epoch import read_epoch, write_epoch
from pipelines.source.ledger.guards import guard_gaps, leftover_steps
from pipelines.source.ledger.install import (
    adoption_steps,
    clearing_steps,
    install_steps,
    last_step,
    schema_step,
    uninstall_steps,
)
from pipelines.source.ledger.installed import Installed, other_migrations, read_installed
from pipelines.source.ledger.masters import require_rds_first
from pipelines.source.ledger.names import COMMAND_LOCK
from pipelines.source.ledger.relations import blind_tables, read_relations
from pipelines.source.ledger.schema import is_complete
from pipelines.source.ledger.status import ADOPT, EPOCH, UPGRADE, Gap, capture_gaps, control_gaps
from pipelines.source.ledger.steps import Step, connect_writable, run_steps, script
from pipelines.source.ledger.triggers import TableTriggers, table_triggers
from pipelines.source.ledger.version import EPOCH_STEP, highest_version
from pipelines.source.server_error import describe

LEAST_SERVER = 140000  # CREATE OR REPLACE TRIGGER

State = Literal["absent", "off", "on"]


@dataclass(frozen=True)
class CaptureStatus:
    """`epoch` is the database's; None where it has no ledger for the migration. Whole: no gap."""

    migration: str
    capture: State
    epoch: int | None
    tables: tuple[str, ...]
    modes: tuple[ItemMode, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class CaptureChange:
    """What `install` or `upgrade` did; nothing where `changed` is false."""

    changed: bool
    status: CaptureStatus


@dataclass(frozen=True)
class _Scene:
    """Everything known before anything is done."""

    migration: Migration
    connection: Connection[TupleRow]
    plan: CapturePlan
    wanted: list[TableTriggers]
    control: Control | None
    lineage: str | None
    warehouse_epoch: int
    guard_gaps: list[Gap]

    @property
    def name(self) -> str:
        return self.plan.migration

    def installed(self) -> Installed:
        return read_installed(self.connection, self.name) if ledger_exists(self.connection) else Installed((), (), ())

    def next_epoch(self) -> int:
        return max(self.warehouse_epoch, self.control.epoch if self.control else 0) + 1


def capture_status(migration: Migration, url: str) -> CaptureStatus:
    """Raises SourceError, MappingError, WarehouseError."""
    with _session(url) as connection:
        return _status(_scene(migration, connection))


def install_capture(migration: Migration, url: str) -> CaptureChange:
    """Raises StageError where capture is on and has gaps: mending them is an upgrade.

    What somebody has installed by running the script himself is taken over: the warehouse learns its epoch.
    """
    with _alone(url) as connection:
        scene = _scene(migration, connection)
        if scene.control is not None and scene.control.epoch > scene.warehouse_epoch and _only_ahead(scene):
            write_epoch(migration.folder.root, scene.control.epoch)
            scene = _scene(migration, connection)
        status = _status(scene)
        if status.capture == "on" and status.gaps:
            raise StageError(f"capture is installed already, but not whole: {status.gaps[0]}")
        return _begin(scene) if status.gaps or not scene.wanted else CaptureChange(changed=False, status=status)


def _require_rds_first(connection: Connection[TupleRow], name: str) -> None:
    require_rds_first(connection, name, "and a new epoch or none would lose what it has written")


def _only_ahead(scene: _Scene) -> bool:
    return all(gap.where == EPOCH for gap in _status(scene).gaps)


def upgrade_capture(migration: Migration, url: str) -> CaptureChange:
    """Raises StageError where nothing is installed."""
    with _alone(url) as connection:
        scene = _scene(migration, connection)
        if scene.control is None:
            raise StageError(f"migration {scene.name}: capture is not installed; run `crossover capture … install`")
        status = _status(scene)
        if status.gaps and all(gap.remedy == ADOPT for gap in status.gaps):
            return _adopt(scene)
        return _begin(scene) if status.gaps else CaptureChange(changed=False, status=status)


def uninstall_capture(migration: Migration, url: str, *, for_good: bool = False) -> bool:
    """Whether there was anything. Needs neither the mapped tables nor a mapping that still fits them.

    Raises StageError where DynamoDB is a group's master, unless the migration is over (`for_good`): then its guards
    stay, and with them schema crossover, so that nobody writes to the source any more.
    """
    name = migration.mapping.migration
    with _alone(url) as connection:
        if not schema_exists(connection):
            return False
        if not for_good:
            _require_rds_first(connection, name)
            run_steps(connection, leftover_steps(connection, name))
        run_steps(connection, [schema_step()])  # a half-made one
        _keep_epoch(migration, connection)
        run_steps(connection, _uninstall_steps(connection, name))
    return True


def _keep_epoch(migration: Migration, connection: Connection[TupleRow]) -> None:
    """The next epoch must be above every version that this ledger has given, items that were touched too (rule 5)."""
    control = read_control(connection, migration.mapping.migration)
    if control is None:
        return
    reached = highest_version(connection, control.migration) // EPOCH_STEP
    if reached > read_epoch(migration.folder.root):
        write_epoch(migration.folder.root, reached)


def install_script(migration: Migration, url: str) -> str:
    """The SQL of `install` and of `upgrade`, as they would run now."""
    with _session(url) as connection:
        scene = _scene(migration, connection)
        epoch = scene.next_epoch()
        return script([*_begin_steps(scene, epoch), *_clearing(scene), last_step(scene.name, epoch)])


def uninstall_script(migration: Migration, url: str) -> str:
    with _session(url) as connection:
        steps = _uninstall_steps(connection, migration.mapping.migration) if ledger_exists(connection) else []
    return script(steps)


@contextmanager
def _session(url: str) -> Iterator[Connection[TupleRow]]:
    failed = None
    with closing(connect_writable(url)) as connection:
        try:
            yield connection
        except psycopg.Error as error:
            failed = describe(error.sqlstate)
    if failed is not None:
        raise SourceError(f"capture: the database could not be asked: {failed}")


@contextmanager
def _alone(url: str) -> Iterator[Connection[TupleRow]]:
    """The lock ends with the session, whatever becomes of us."""
    with _session(url) as connection:
        try:
            connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", (COMMAND_LOCK,))
        except psycopg.errors.LockNotAvailable:
            raise StageError(
                "capture: another capture command, or a switch of writes, is at work in this database; wait for it, "
                "then run this one again"
            ) from None
        yield connection


def _scene(migration: Migration, connection: Connection[TupleRow]) -> _Scene:
    if connection.info.server_version < LEAST_SERVER:
        raise SourceError("capture needs PostgreSQL 14 or newer (CREATE OR REPLACE TRIGGER)")
    catalog = read_catalog(connection, tables_used(migration.mapping))
    compiled = compile_mapping(migration.mapping, catalog)
    relations = read_relations(connection, (table.ref for table in catalog.tables))
    plan = compile_capture(compiled, blind_tables(relations))
    return _Scene(
        migration,
        connection,
        plan,
        table_triggers(plan, relations),
        read_control(connection, plan.migration),
        read_lineage(connection),
        read_epoch(migration.folder.root),
        guard_gaps(connection, plan.migration, groups_of(compiled), relations),
    )


def _status(scene: _Scene) -> CaptureStatus:
    control = scene.control
    gaps: list[Gap] = []
    if control is not None or scene.wanted:  # else there is nothing that could be installed
        gaps += control_gaps(control, scene.plan.mapping_hash, scene.warehouse_epoch, scene.lineage)
    if control is not None:
        if not is_complete(scene.connection):
            gaps.append(Gap("schema crossover", "its tables are an earlier Crossover's", UPGRADE))
        gaps += capture_gaps(scene.installed(), scene.wanted)
        gaps += scene.guard_gaps
    state: State = "absent" if control is None else "on" if control.capture == "on" else "off"
    return CaptureStatus(
        migration=scene.name,
        capture=state,
        epoch=None if control is None else control.epoch,
        tables=tuple(str(one.ref) for one in scene.wanted),
        modes=scene.plan.modes,
        gaps=tuple(gaps),
    )


def _begin(scene: _Scene) -> CaptureChange:
    """A new epoch. The warehouse hears of it first: an epoch that was never used does no harm, one used twice does."""
    _require_rds_first(scene.connection, scene.name)
    if not scene.wanted:
        raise StageError(f"nothing can be captured: {_reasons(scene.plan.modes)}")
    epoch = scene.next_epoch()
    write_epoch(scene.migration.folder.root, epoch)
    run_steps(scene.connection, _begin_steps(scene, epoch))
    run_steps(scene.connection, _clearing(scene))
    _require_whole(scene)
    run_steps(scene.connection, [last_step(scene.name, epoch)])
    return CaptureChange(changed=True, status=_status(_scene(scene.migration, scene.connection)))


def _adopt(scene: _Scene) -> CaptureChange:
    """Partitions that came, in the epoch that there is: no version begins afresh."""
    _require_rds_first(scene.connection, scene.name)
    run_steps(scene.connection, adoption_steps(scene.installed(), scene.wanted))
    return CaptureChange(changed=True, status=_status(_scene(scene.migration, scene.connection)))


def _require_whole(scene: _Scene) -> None:
    """Before capture is called on. The schema is read again: a partition may have been attached meanwhile."""
    again = _scene(scene.migration, scene.connection)
    gaps = list(capture_gaps(again.installed(), again.wanted))
    if gaps:
        raise StageError(f"capture is not whole yet: {gaps[0].where}: {gaps[0].problem}; run it again")


def _begin_steps(scene: _Scene, epoch: int) -> list[Step]:
    return install_steps(scene.name, epoch, scene.plan.mapping_hash, scene.lineage, scene.wanted)


def _clearing(scene: _Scene) -> list[Step]:
    return clearing_steps(scene.name, scene.installed(), scene.wanted)


def _uninstall_steps(connection: Connection[TupleRow], name: str) -> list[Step]:
    return uninstall_steps(name, read_installed(connection, name), not other_migrations(connection, name))


def _reasons(modes: Sequence[ItemMode]) -> str:
    return "; ".join(f"{one.item_type}: {one.reason}" for one in modes if one.mode != "ledger")
