"""The stage `tables`: the mapping's DynamoDB tables exist, with the keys and indexes that it says.

A table that is there is compared and left as it is; only a time to live that is off is switched on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipelines.errors import TargetError
from pipelines.mapping.model import Mapping, Provisioned, TargetTable
from pipelines.progress import Progress
from pipelines.target.describe import describe, existing_tables, refuse_other_shapes
from pipelines.target.failures import target_errors
from pipelines.target.table_shape import IndexShape, TableShape, key_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        CreateTableInputTypeDef,
        GlobalSecondaryIndexTypeDef,
        ProjectionTypeDef,
        ProvisionedThroughputTypeDef,
    )

WAIT_SECONDS = 900.0
_POLL_SECONDS = 0.5


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
            _create(client, name, tables[name])
    _wait_until_active(client, list(tables), wait_seconds)
    # again, for another process may have created one meanwhile
    refuse_other_shapes(mapping, existing_tables(mapping, client), client)
    for name, table in tables.items():
        if table.ttl is not None:
            _enable_ttl(client, name, table.ttl)
    return tuple(TableOutcome(name, "exists" if found[name] else "created") for name in tables)


def _create(client: DynamoDBClient, name: str, table: TargetTable) -> None:
    shape = TableShape.wanted(table)
    request: CreateTableInputTypeDef = {
        "TableName": name,
        "KeySchema": key_schema(shape.keys),
        "AttributeDefinitions": shape.attribute_definitions(),
    }
    throughput = _throughput(table)
    if throughput is None:
        request["BillingMode"] = "PAY_PER_REQUEST"
    else:
        request["BillingMode"] = "PROVISIONED"
        request["ProvisionedThroughput"] = throughput
    if shape.indexes:
        request["GlobalSecondaryIndexes"] = [
            _index(index_name, index, throughput) for index_name, index in shape.indexes.items()
        ]
    with target_errors(client, "CreateTable", name):
        try:
            client.create_table(**request)
        except client.exceptions.ResourceInUseException:
            return  # somebody else was quicker; the shape is compared once it is there


def _throughput(table: TargetTable) -> ProvisionedThroughputTypeDef | None:
    if not isinstance(table.billing, Provisioned):
        return None
    return {"ReadCapacityUnits": table.billing.read, "WriteCapacityUnits": table.billing.write}


def _index(
    name: str, index: IndexShape, throughput: ProvisionedThroughputTypeDef | None
) -> GlobalSecondaryIndexTypeDef:
    request: GlobalSecondaryIndexTypeDef = {
        "IndexName": name,
        "KeySchema": key_schema(index.keys),
        "Projection": _projection(index),
    }
    if throughput is not None:
        request["ProvisionedThroughput"] = throughput
    return request


def _projection(index: IndexShape) -> ProjectionTypeDef:
    if index.projected is None:
        return {"ProjectionType": "ALL"}
    if not index.projected:
        return {"ProjectionType": "KEYS_ONLY"}
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": sorted(index.projected)}


def _wait_until_active(client: DynamoDBClient, names: list[str], wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    with Progress("tables", len(names), "tables") as progress:
        for name in names:
            while not _is_active(client, name):
                if time.monotonic() > deadline:
                    raise TargetError(
                        f"table {name}: not ACTIVE after {wait_seconds:.0f} seconds; look at it, then run again"
                    )
                time.sleep(_POLL_SECONDS)
            progress.advance(1)


def _is_active(client: DynamoDBClient, name: str) -> bool:
    table = describe(client, name)
    if table is None:  # a new table may take a moment to be seen
        return False
    if table.get("TableStatus") == "DELETING":
        raise TargetError(f"table {name}: it is being deleted; wait until it is gone, then run again")
    indexes = table.get("GlobalSecondaryIndexes", [])
    return table.get("TableStatus") == "ACTIVE" and all(one.get("IndexStatus") == "ACTIVE" for one in indexes)


def _enable_ttl(client: DynamoDBClient, name: str, attribute: str) -> None:
    with target_errors(client, "DescribeTimeToLive", name):
        found = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        if found.get("AttributeName") != attribute:
            raise TargetError(
                f"table {name}: its time to live is {found.get('AttributeName')}, the mapping says {attribute}; "
                "change the mapping, or switch it off on the table"
            )
        return
    with target_errors(client, "UpdateTimeToLive", name):
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
        )
