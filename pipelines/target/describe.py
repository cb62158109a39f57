"""The mapping's tables as they are on the endpoint, and whether they can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.aws import origin
from pipelines.errors import TargetError
from pipelines.mapping.model import Mapping
from pipelines.target.failures import target_errors
from pipelines.target.table_shape import TableShape

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def describe(client: DynamoDBClient, table: str) -> TableDescriptionTypeDef | None:
    """None where there is no such table. Raises TargetError."""
    with target_errors(client, "DescribeTable", table):
        try:
            return client.describe_table(TableName=table)["Table"]
        except client.exceptions.ResourceNotFoundException:
            return None


def existing_tables(mapping: Mapping, client: DynamoDBClient) -> dict[str, TableDescriptionTypeDef | None]:
    """Each table of the mapping; None for those that are not there."""
    return {name: describe(client, name) for name in mapping.target.tables}


def refuse_other_shapes(
    mapping: Mapping, found: dict[str, TableDescriptionTypeDef | None], client: DynamoDBClient
) -> None:
    """Raises TargetError, all tables' problems at once, a line each."""
    where = origin(client.meta.endpoint_url)
    problems = [
        f"table {name} on {where}: {difference}"
        for name, description in found.items()
        if description is not None
        for difference in TableShape.wanted(mapping.target.tables[name]).differences(TableShape.existing(description))
    ]
    if problems:
        hint = "change the mapping, or use a table of another name"
        raise TargetError("\n".join(f"{problem}; {hint}" for problem in problems))


def identities(mapping: Mapping, client: DynamoDBClient) -> dict[str, str]:
    """Of each table that is there what tells it from another one, and from one of its name that was there before it.

    Not the endpoint's URL: one table can have several.
    """
    found = existing_tables(mapping, client)
    return {name: identity(description) for name, description in found.items() if description is not None}


def identity(table: TableDescriptionTypeDef) -> str:
    """As in `identities`."""
    created = table.get("CreationDateTime")
    return f"{table.get('TableArn', '')} {table.get('TableId') or (created.isoformat() if created else '')}".strip()


def require_tables(mapping: Mapping, client: DynamoDBClient) -> None:
    """Raises TargetError unless all tables are there, as the mapping says, and can be written."""
    found = existing_tables(mapping, client)
    missing = [name for name, description in found.items() if description is None]
    if missing:
        where = origin(client.meta.endpoint_url)
        raise TargetError(f"no table {', '.join(missing)} on {where}; run `crossover tables` first")
    refuse_other_shapes(mapping, found, client)
    for name, description in found.items():
        status = (description or {}).get("TableStatus", "")
        if status not in ("ACTIVE", "UPDATING"):
            raise TargetError(f"table {name} is {status}; wait until it is ACTIVE, then run again")


def has_items(client: DynamoDBClient, table: str) -> bool:
    """Whether anything at all is in the table, tombstones and foreign items included."""
    with target_errors(client, "Scan", table):
        page = client.scan(TableName=table, Limit=1, ConsistentRead=True)
        while not page["Items"] and "LastEvaluatedKey" in page:
            page = client.scan(
                TableName=table, Limit=1, ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"]
            )
    return bool(page["Items"])
