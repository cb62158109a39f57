"""The ledger in a snapshot: its state and the versions that it knows, seen in the cut that the rows are read in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pyarrow as pa
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Catalog
from pipelines.mapping.plan import MigrationPlan
from pipelines.source.connect import connect
from pipelines.source.cut import Cut
from pipelines.source.ledger.control import NOT_INSTALLED, read_control
from pipelines.source.ledger.names import ITEM, LOG, MARK
from pipelines.source.ledger.version import first_version, versions_known
from pipelines.source.parquet_part import Part, write_part
from pipelines.source.server_error import describe
from pipelines.warehouse.manifest import LedgerSeen
from pipelines.warehouse.place import Place

VERSIONS_FILE = "ledger/versions.parquet"
"""A table's folder has a dot in its name: this is none."""

VERSIONS_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("item_type", pa.string()),
        pa.field("source_key", pa.string()),
        pa.field("version", pa.int64()),
        pa.field("undelivered", pa.bool_()),
    ]
)

NOT_READABLE = "the role may not read the tables of schema crossover: grant it USAGE and SELECT there"


@dataclass(frozen=True)
class Uncaptured:
    """Why a snapshot has no versions, in one line. `gap`: although capture is installed, or may be."""

    reason: str
    gap: bool = False


@dataclass(frozen=True)
class LedgerWanted:
    """`warehouse_epoch`: the migration's, as the warehouse knows it."""

    plan: MigrationPlan
    warehouse_epoch: int


LedgerOf = Callable[[Catalog], LedgerWanted]


def see_ledger(cut: Cut, wanted: LedgerWanted, folder: Place) -> LedgerSeen | Uncaptured:
    """Writes `folder`/VERSIONS_FILE where capture was whole in the cut. Raises SourceError, WarehouseError."""
    seen = _look(cut, wanted)
    if isinstance(seen, Uncaptured):
        return seen
    part = Part("the ledger", versions_known(wanted.plan.name), VERSIONS_SCHEMA, folder, VERSIONS_FILE)
    return seen.model_copy(update={"known": write_part(cut.readers[0], part, lambda _: None)})


def _look(cut: Cut, wanted: LedgerWanted) -> LedgerSeen | Uncaptured:
    """The ledger with no version known yet. In a savepoint: the coordinator's transaction outlives a refusal."""
    failed = None
    try:
        with cut.coordinator.transaction():
            if read_control(cut.coordinator, wanted.plan.name) is None:
                return Uncaptured(NOT_INSTALLED)
            # Here: what triggers are to be like is much code, which a source without capture has no use for.
            from pipelines.source.ledger.state import read_state

            state = read_state(cut.coordinator, wanted.plan, wanted.warehouse_epoch)
            if state.control is None or state.gap is not None:
                return Uncaptured(state.gap or NOT_INSTALLED, gap=state.control is not None)
            cut.coordinator.execute(sql.SQL("SELECT FROM {}, {} LIMIT 0").format(LOG, ITEM))
            return LedgerSeen(
                epoch=state.control.epoch,
                sweeps=state.control.sweeps,
                first_version=state.first_version,
                next_epoch=first_version(state.control.epoch + 1),
                item_types=tuple(sorted(state.item_types)),
                marked=_marked(cut.coordinator, wanted.plan.name),
                known=0,
                file=VERSIONS_FILE,
            )
    except psycopg.errors.InsufficientPrivilege:
        return Uncaptured(NOT_READABLE, gap=True)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"source: the ledger of {wanted.plan.name}: {failed}")


def ledger_of_export(url: str, migration: str) -> Uncaptured:
    """An RDS export has versions only where it was begun while capture was on and holds all of schema `crossover`;
    neither can be seen in it, so that of a captured database it tells none. Raises SourceError."""
    failed = None
    try:
        with closing(connect(url)) as connection:
            if read_control(connection, migration) is None:
                return Uncaptured(NOT_INSTALLED)
            return Uncaptured("an RDS export tells no versions, and capture is installed: take a live snapshot", True)
    except psycopg.errors.InsufficientPrivilege:
        return Uncaptured(NOT_READABLE, gap=True)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"source: the ledger of {migration}: {failed}")


def _marked(connection: Connection[TupleRow], migration: str) -> tuple[str, ...]:
    query = sql.SQL("SELECT DISTINCT item_type FROM {} WHERE migration = {} ORDER BY 1")
    return tuple(item_type for (item_type,) in connection.execute(query.format(MARK, sql.Literal(migration))))
