"""A Judge of a migration: its source and its endpoint open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from pipelines.errors import SourceError
from pipelines.judging.judge import REQUESTS_AT_ONCE, Equivalent, Judge, JudgeOptions, never_equivalent
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.state import LedgerState, read_state
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.server_error import describe
from pipelines.source.session import SourceSession
from pipelines.target.batch_get import ItemReader
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.wire import Wire

LONGEST_ANSWER_SECONDS = 30.0


@contextmanager
def opened_judge(migration: Migration, url: str, equivalent: Equivalent = never_equivalent) -> Iterator[Judge]:
    """Item types whose changes are captured are judged by the ledger, all others, and all where the ledger has a gap
    (`state.gap`), without one. Raises SourceError, TargetError, MappingError, UsageError."""
    address = Address.of(dynamodb_client())
    with (
        closing(connect_writable(url)) as connection,
        Wire(address, REQUESTS_AT_ONCE, LONGEST_ANSWER_SECONDS) as wire,
    ):
        plan = compile_mapping(migration.mapping, read_catalog(connection, tables_used(migration.mapping)))
        session = SourceSession(connection)
        state = _state(migration, session, plan)
        if state.gap is None and state.control is not None:
            session = LedgerSession(connection, plan.name, state.control.epoch, plan.mapping_hash)
        options = _options(migration, equivalent)
        with Judge(plan, state, session, ItemReader(wire), options) as judge:
            yield judge


def _state(migration: Migration, session: SourceSession, plan: MigrationPlan) -> LedgerState:
    failed = None
    with session.snapshot(()) as connection:
        try:
            return read_state(connection, plan, read_epoch(migration.folder.root))
        except psycopg.Error as error:
            failed = describe(error.sqlstate)
    raise SourceError(f"the ledger of {migration.mapping.migration} could not be read: {failed}")


def _options(migration: Migration, equivalent: Equivalent) -> JudgeOptions:
    checks = migration.mapping.checks
    return JudgeOptions(
        rereads=checks.rereads,
        settle_seconds=checks.settle_seconds,
        ttl={name: table.ttl for name, table in migration.mapping.target.tables.items() if table.ttl is not None},
        equivalent=equivalent,
    )
