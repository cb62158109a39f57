"""The stream of a table: whether it has one that tells new and old images, and how it gets one.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.aws import origin
from pipelines.errors import TargetError
from pipelines.reverse.shards import Shard
from pipelines.reverse.stream_client import StreamsClient, stream_errors
from pipelines.target.describe import describe
from pipelines.target.failures import target_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

VIEW = "NEW_AND_OLD_IMAGES"
ENABLE_SECONDS = 300.0
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Stream:
    """`created`: when the stream was asked for, by DynamoDB's clock; None where the endpoint does not tell."""

    table: str
    arn: str
    created: datetime | None
    shards: tuple[Shard, ...]


def enable_stream(
    client: DynamoDBClient,
    table: str,
    wait_seconds: float = ENABLE_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """The ARN of the table's stream of new and old images, which is made where there is none. Raises TargetError, also
    where the table has a stream of another view: who reads that one would lose it."""
    found = _required(client, table)
    arn = stream_arn(found, client)
    if arn is not None:
        return arn
    with target_errors(client, "UpdateTable", table):
        client.update_table(
            TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        )
    deadline = time.monotonic() + wait_seconds
    while True:
        found = _required(client, table)
        arn = stream_arn(found, client)
        if arn is not None and found.get("TableStatus") == "ACTIVE":
            return arn
        if time.monotonic() > deadline:
            raise TargetError(f"table {table}: its stream is not there after {wait_seconds:g} s; run it again")
        pause(_PAUSE_SECONDS)


def stream_arn(table: TableDescriptionTypeDef, client: DynamoDBClient) -> str | None:
    """None where none is enabled. Raises TargetError where it has another view."""
    specification = table.get("StreamSpecification", {})
    if not specification.get("StreamEnabled"):
        return None
    view = specification.get("StreamViewType")
    if view != VIEW:
        where = f"table {table.get('TableName')} on {origin(client.meta.endpoint_url)}"
        raise TargetError(
            f"{where}: its stream has {view}, the reverse relay needs {VIEW}; disable that stream once nobody reads it "
            "(UpdateTable, StreamEnabled false), then run this again"
        )
    return table.get("LatestStreamArn")


def describe_stream(client: StreamsClient, table: str, arn: str) -> Stream:
    """With all its shards. Raises TargetError, PassingError."""
    shards: list[Shard] = []
    created: datetime | None = None
    asked = {"StreamArn": arn}
    while True:
        with stream_errors(client, "DescribeStream", table):
            found = client.describe_stream(**asked)["StreamDescription"]
        created = found.get("CreationRequestDateTime", created)
        shards += [Shard(one["ShardId"], one.get("ParentShardId")) for one in found.get("Shards", ())]
        last = found.get("LastEvaluatedShardId")
        if not last:
            return Stream(table, arn, created, tuple(shards))
        asked = {"StreamArn": arn, "ExclusiveStartShardId": last}


def _required(client: DynamoDBClient, table: str) -> TableDescriptionTypeDef:
    found = describe(client, table)
    if found is None:
        raise TargetError(f"no table {table} on {origin(client.meta.endpoint_url)}; run `crossover tables` first")
    return found
