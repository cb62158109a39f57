"""What the reverse relay works with: the ledger compared with the mapping, the tables there, the connections open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.deliver.opened import OpenedLedger
from pipelines.mapping.key_patterns import KeyMatcher
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.reverse.apply.applier import Applier
from pipelines.reverse.stream_client import StreamsClient, streams_client
from pipelines.source.ledger.masters import Master, Phase, mastered_by_dynamodb, read_masters
from pipelines.source.ledger.session import LedgerSession
from pipelines.target.batch_get import ItemReader
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.describe import require_tables
from pipelines.target.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READERS = 8
"""Shards that are asked at once."""
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Opened:
    """`key_names`: of each table of the mapping."""

    session: LedgerSession
    plan: MigrationPlan
    applier: Applier
    dynamodb: DynamoDBClient
    streams: StreamsClient
    wire: Wire
    items: ItemReader
    matcher: KeyMatcher
    key_names: dict[str, tuple[str, ...]]

    @property
    def connection(self) -> Connection[TupleRow]:
        return self.session.connection

    @property
    def migration(self) -> str:
        return self.session.migration

    def item_type(self, table: str, key: str) -> str | None:
        """`key`: canonical. None where no item type can have made it."""
        return self.matcher.item_type(table, json.loads(key))

    def table_of(self, item_type: str) -> str | None:
        """None where the mapping has no such item type any more."""
        return next((item.table for item in self.plan.items if item.name == item_type), None)


@contextmanager
def opened_reverse(migration: Migration, ledger: OpenedLedger) -> Iterator[Opened]:
    """Raises UsageError, TargetError where the endpoint or a table is not as the mapping says."""
    client = dynamodb_client()
    require_tables(migration.mapping, client)
    session, plan = ledger.session, ledger.plan
    with Wire(Address.of(client), READERS, _ANSWER_SECONDS) as wire:
        yield Opened(
            session=session,
            plan=plan,
            applier=Applier(session, plan),
            dynamodb=client,
            streams=streams_client(client, READERS),
            wire=wire,
            items=ItemReader(wire),
            matcher=KeyMatcher(plan),
            key_names={
                name: tuple(key.name for key in table.keys) for name, table in migration.mapping.target.tables.items()
            },
        )


def applied_masters(connection: Connection[TupleRow], migration: str) -> tuple[Master, ...]:
    """The groups that are kept up in the source."""
    return tuple(one for one in read_masters(connection, migration) if one.phase is Phase.DYNAMODB_FIRST)


def applied_item_types(connection: Connection[TupleRow], migration: str) -> frozenset[str]:
    return mastered_by_dynamodb(applied_masters(connection, migration))
