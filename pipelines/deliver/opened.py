"""A deliverer of a migration: its ledger compared with the mapping, its tables there, its connections open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.deliver.deliverer import LEASE_SECONDS, Deliverer
from pipelines.errors import SourceError, StageError
from pipelines.mapping.capture import compile_capture
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.control import read_control, read_lineage
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.relations import blind_tables, read_relations
from pipelines.source.ledger.schema import is_complete
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.status import control_gaps
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.server_error import describe
from pipelines.target.chain_write import IN_FLIGHT, ChainWriter
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.describe import require_tables
from pipelines.target.wire import Wire

LONGEST_ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class OpenedLedger:
    """`item_types`: those whose changes are captured; of the others nothing can be delivered by the ledger."""

    session: LedgerSession
    plan: MigrationPlan
    item_types: tuple[str, ...]


@contextmanager
def opened_ledger(migration: Migration, url: str) -> Iterator[OpenedLedger]:
    """Raises StageError unless capture is on, for this mapping, in the warehouse's epoch, in the database that it was
    installed in; SourceError, MappingError."""
    with closing(connect_writable(url)) as connection:
        yield _opened(migration, connection)


@contextmanager
def opened_deliverer(
    migration: Migration, ledger: OpenedLedger, lease_seconds: float = LEASE_SECONDS
) -> Iterator[Deliverer]:
    """Raises UsageError, TargetError where the endpoint or a table is not as the mapping says."""
    client = dynamodb_client()
    require_tables(migration.mapping, client)
    answer_seconds = math.ceil(min(LONGEST_ANSWER_SECONDS, lease_seconds))
    with (
        Wire(Address.of(client), IN_FLIGHT, answer_seconds) as wire,
        ChainWriter(wire) as writer,
    ):
        yield Deliverer(ledger.session, ledger.plan, writer, lease_seconds)


def _opened(migration: Migration, connection: Connection[TupleRow]) -> OpenedLedger:
    failed = None
    try:
        return _compared(migration, connection)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"the ledger of {migration.mapping.migration} could not be read: {failed}")


def _compared(migration: Migration, connection: Connection[TupleRow]) -> OpenedLedger:
    catalog = read_catalog(connection, tables_used(migration.mapping))
    plan = compile_mapping(migration.mapping, catalog)
    captured = compile_capture(plan, blind_tables(read_relations(connection, (table.ref for table in catalog.tables))))
    control = read_control(connection, plan.name)
    gaps = control_gaps(control, plan.mapping_hash, read_epoch(migration.folder.root), read_lineage(connection))
    gap = next(gaps, None)
    if gap is not None or control is None:
        raise StageError(f"nothing can be delivered: {gap}")
    if not is_complete(connection):
        raise StageError("nothing can be delivered: an earlier Crossover's ledger; run `crossover capture … upgrade`")
    session = LedgerSession(connection, plan.name, control.epoch, plan.mapping_hash)
    return OpenedLedger(session, plan, tuple(one.item_type for one in captured.modes if one.mode == "ledger"))
