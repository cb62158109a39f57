"""What makes a table of the mapping: CreateTable's parameters, which ImportTable takes too, the wait until the table
can be used, and its time to live, which neither of them switches on.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableCreationParameters.html
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.errors import TargetError
from pipelines.mapping.model import Provisioned, TargetTable
from pipelines.progress import Progress
from pipelines.target.describe import describe
from pipelines.target.failures import target_errors
from pipelines.target.table_shape import IndexShape, TableShape, key_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        GlobalSecondaryIndexTypeDef,
        ProjectionTypeDef,
        ProvisionedThroughputTypeDef,
        TableCreationParametersTypeDef,
    )

WAIT_SECONDS = 900.0
_POLL_SECONDS = 0.5


def creation_parameters(name: str, table: TargetTable) -> TableCreationParametersTypeDef:
    """Keys, indexes and billing as the mapping says. Whole as arguments of CreateTable, too."""
    shape = TableShape.wanted(table)
    parameters: TableCreationParametersTypeDef = {
        "TableName": name,
        "KeySchema": key_schema(shape.keys),
        "AttributeDefinitions": shape.attribute_definitions(),
    }
    throughput = _throughput(table)
    if throughput is None:
        parameters["BillingMode"] = "PAY_PER_REQUEST"
    else:
        parameters["BillingMode"] = "PROVISIONED"
        parameters["ProvisionedThroughput"] = throughput
    if shape.indexes:
        parameters["GlobalSecondaryIndexes"] = [
            _index(index_name, index, throughput) for index_name, index in shape.indexes.items()
        ]
    return parameters


def create_table(client: DynamoDBClient, name: str, table: TargetTable) -> None:
    """Without effect where there is one of that name. Raises TargetError."""
    with target_errors(client, "CreateTable", name):
        try:
            client.create_table(**creation_parameters(name, table))
        except client.exceptions.ResourceInUseException:
            return  # somebody else was quicker; the shape is compared once it is there


def wait_until_active(client: DynamoDBClient, names: Sequence[str], wait_seconds: float = WAIT_SECONDS) -> None:
    """Until all tables and their indexes are ACTIVE. Raises TargetError."""
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


def enable_ttl(client: DynamoDBClient, name: str, table: TargetTable) -> None:
    """Where the mapping names its attribute and it is off. Raises TargetError where it is on for another one."""
    if table.ttl is None:
        return
    with target_errors(client, "DescribeTimeToLive", name):
        found = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        if found.get("AttributeName") != table.ttl:
            raise TargetError(
                f"table {name}: its time to live is {found.get('AttributeName')}, the mapping says {table.ttl}; "
                "change the mapping, or switch it off on the table"
            )
        return
    with target_errors(client, "UpdateTimeToLive", name):
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl}
        )


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


def _is_active(client: DynamoDBClient, name: str) -> bool:
    table = describe(client, name)
    if table is None:  # a new table may take a moment to be seen
        return False
    if table.get("TableStatus") == "DELETING":
        raise TargetError(f"table {name}: it is being deleted; wait until it is gone, then run again")
    indexes = table.get("GlobalSecondaryIndexes", [])
    return table.get("TableStatus") == "ACTIVE" and all(one.get("IndexStatus") == "ACTIVE" for one in indexes)
