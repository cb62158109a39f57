"""The stage `tables`: the mapping's DynamoDB tables exist, with the keys and indexes that it says.

A table that is there is compared and left as it is; only a time to live that is off is switched on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipelines.mapping.model import Mapping
from pipelines.target.describe import existing_tables, refuse_other_shapes
from pipelines.target.table_creation import WAIT_SECONDS, create_table, enable_ttl, wait_until_active

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class TableOutcome:
    table: str
    state: Literal["created", "exists"]


def create_tables(
    mapping: Mapping, client: DynamoDBClient, wait_seconds: float = WAIT_SECONDS
) -> tuple[TableOutcome, ...]:
    """Creates what is missing and waits until all tables and indexes are ACTIVE; in the mapping's order.

    Raises TargetError, before anything is created, where tables exist with other keys, key types or indexes: all
    of them at once.
    """
    tables = mapping.target.tables
    found = existing_tables(mapping, client)
    refuse_other_shapes(mapping, found, client)
    for name in tables:
        if found[name] is None:
            create_table(client, name, tables[name])
    wait_until_active(client, list(tables), wait_seconds)
    # again, for another process may have created one meanwhile
    refuse_other_shapes(mapping, existing_tables(mapping, client), client)
    for name, table in tables.items():
        enable_ttl(client, name, table)
    return tuple(TableOutcome(name, "exists" if found[name] else "created") for name in tables)
