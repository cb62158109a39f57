"""The embedded endpoint's streams go on where a transaction was cancelled, and tell nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipelines.aws import aws_session
from pipelines.target.client import dynamodb_client

pytestmark = pytest.mark.integration


def entry(number: int, condition: str | None = None) -> Any:
    put: dict[str, Any] = {"TableName": "t", "Item": {"pk": {"S": "a"}, "n": {"N": str(number)}}}
    return {"Put": put if condition is None else put | {"ConditionExpression": condition}}


def test_an_iterator_outlives_a_cancelled_transaction(dynamodb_environment: str) -> None:
    client = dynamodb_client()
    client.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    arn = client.describe_table(TableName="t")["Table"]["LatestStreamArn"]
    streams: Any = aws_session().create_client("dynamodbstreams", endpoint_url=dynamodb_environment)
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    asked = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**asked)["ShardIterator"]
    seen: list[str] = []
    for number in range(3):
        client.transact_write_items(TransactItems=[entry(number)])
        other = {"Put": {"TableName": "t", "Item": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_exists(pk)"}}
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            client.transact_write_items(TransactItems=[entry(9), other])  # type: ignore[list-item]
        page = streams.get_records(ShardIterator=iterator)
        seen += [record["dynamodb"]["NewImage"]["n"]["N"] for record in page["Records"]]
        iterator = page["NextShardIterator"]
    assert seen == ["0", "1", "2"]
