"""The ways to DynamoDB of one process: the control table, and the wire that items go over.

Both are the application's client's: endpoint, region, credentials (renewed when they expire). Neither waits longer for
an answer than a lease allows, and neither tries again by itself.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.credentials import Credentials

from pipelines.aws import aws_session
from pipelines.masters.lease import REQUEST_SECONDS
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.control_table import ControlTable
from pipelines.target.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONNECTIONS = 32
"""So many are kept."""


class Opening:
    """For any number of threads. Nothing is opened before it is asked for."""

    def __init__(self, migration: str, client: DynamoDBClient | None) -> None:
        self._migration = migration
        self._given = client
        self._lock = threading.Lock()
        self._table: ControlTable | None = None
        self._wire: Wire | None = None

    def table(self) -> ControlTable:
        """Raises UsageError where AWS's settings cannot be used."""
        with self._lock:
            if self._table is None:
                self._table = ControlTable.of(self._migration, _impatient(self._client()))
            return self._table

    def wire(self) -> Wire:
        """Raises UsageError; TargetError where there are no credentials."""
        with self._lock:
            if self._wire is None:
                client = self._client()
                self._wire = Wire(Address.of(client), CONNECTIONS, REQUEST_SECONDS, _credentials(client))
            return self._wire

    def close(self) -> None:
        with self._lock:
            wire, self._wire, self._table = self._wire, None, None
        if wire is not None:
            wire.__exit__(None, None, None)

    def _client(self) -> DynamoDBClient:
        return self._given or dynamodb_client()


def _credentials(client: DynamoDBClient) -> Credentials | None:
    found: Credentials | None = client._get_credentials()  # type: ignore[attr-defined]
    return found


def _impatient(client: DynamoDBClient) -> DynamoDBClient:
    """As it, but its calls end soon: an application's own may wait for minutes."""
    session = aws_session()
    session._credentials = _credentials(client)  # type: ignore[attr-defined]  # keys alone would not be renewed
    created = session.create_client(
        "dynamodb",
        region_name=client.meta.region_name,
        endpoint_url=client.meta.endpoint_url,
        config=Config(
            connect_timeout=REQUEST_SECONDS / 2,
            read_timeout=REQUEST_SECONDS / 2,
            retries={"total_max_attempts": 1},
            parameter_validation=False,
        ),
    )
    return cast("DynamoDBClient", created)
