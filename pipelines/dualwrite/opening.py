"""Deliverers that use the application's own DynamoDB client: its endpoint, region and credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.credentials import Credentials
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from pipelines.aws import aws_session
from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.opened import opened_ledger
from pipelines.dualwrite.queue import BATCH
from pipelines.errors import UsageError
from pipelines.migration import Migration
from pipelines.source.connect import check_url
from pipelines.target.chain_write import ChainWriter
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.describe import require_tables
from pipelines.target.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEASE_SECONDS = 10.0
"""So long a relay keeps off what a process has begun to deliver before it died."""

ANSWER_SECONDS = 5
"""So long a request may take before nobody knows what has become of it."""

_LIBPQ_DRIVERS = ("psycopg", "psycopg2")


class Opening:
    """Of one process. Nothing is opened before it is asked for."""

    def __init__(self, migration: Migration, ledger_url: str, client: DynamoDBClient | None) -> None:
        self._migration = migration
        self._ledger_url = ledger_url
        self._client = client
        self._lock = threading.Lock()
        self._wire: Wire | None = None

    @contextmanager
    def deliverer(self) -> Iterator[Deliverer]:
        """For one thread, with a connection of its own. Raises CrossoverError."""
        with (
            opened_ledger(self._migration, self._ledger_url) as ledger,
            ChainWriter(self._shared_wire(), in_flight=BATCH) as writer,  # all puts of a batch at once
        ):
            yield Deliverer(ledger.session, ledger.plan, writer, LEASE_SECONDS, unless_paused=True)

    def close(self) -> None:
        """Without waiting for one that is being opened."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.__exit__(None, None, None)

    def _shared_wire(self) -> Wire:
        with self._lock:
            if self._wire is None:
                self._wire = self._new_wire()
            return self._wire

    def _new_wire(self) -> Wire:
        client = self._client or dynamodb_client()
        credentials: Credentials | None = client._get_credentials()  # type: ignore[attr-defined]
        require_tables(self._migration.mapping, _impatient(client, credentials))
        return Wire(Address.of(client), BATCH, ANSWER_SECONDS, credentials)


def _impatient(client: DynamoDBClient, credentials: Credentials | None) -> DynamoDBClient:
    """As it, but its calls end soon: an application's own may wait for minutes."""
    frozen = credentials.get_frozen_credentials() if credentials else None
    created = aws_session().create_client(
        "dynamodb",
        region_name=client.meta.region_name,
        endpoint_url=client.meta.endpoint_url,
        aws_access_key_id=frozen.access_key if frozen else None,
        aws_secret_access_key=frozen.secret_key if frozen else None,
        aws_session_token=frozen.token if frozen else None,
        config=Config(connect_timeout=ANSWER_SECONDS, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1}),
    )
    return cast("DynamoDBClient", created)


def opened_migration(mapping: Migration | Path | str) -> Migration:
    """Raises MappingError, UsageError, WarehouseError."""
    return mapping if isinstance(mapping, Migration) else Migration.open(Path(mapping))


def ledger_address(engine: Engine | AsyncEngine | None, ledger_url: str | None) -> str:
    """libpq's URL of the ledger's database. Raises UsageError where the engine's own cannot be used for it."""
    if ledger_url is not None:
        check_url(ledger_url, "ledger_url")
        return ledger_url
    if engine is None:
        raise UsageError("without an engine, the ledger's URL has to be given: ledger_url=")
    if engine.dialect.name != "postgresql":
        raise UsageError(f"the engine is one for {engine.dialect.name}; the source must be PostgreSQL")
    if engine.url.query and engine.dialect.driver not in _LIBPQ_DRIVERS:
        raise UsageError(
            f"the engine's URL has parameters of {engine.dialect.driver}, which libpq need not know; give ledger_url="
        )
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    check_url(url, "the engine's URL")
    return url
