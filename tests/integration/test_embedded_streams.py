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


def test_a_cancelled_transaction_leaves_each_item_as_it_was(dynamodb_environment: str) -> None:
    """Of both kinds of tables, whatever was done to them before the entry that cancels."""
    client = dynamodb_client()
    for name, keys in {"one": ["pk"], "two": ["pk", "sk"]}.items():
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH" if key == "pk" else "RANGE"} for key in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        for value in ("a", "b"):
            client.put_item(TableName=name, Item={key: {"S": value} for key in keys} | {"l": {"L": [{"S": "x"}]}})
        before = client.scan(TableName=name)["Items"]
        entries: list[Any] = [
            {
                "Update": {
                    "TableName": name,
                    "Key": {key: {"S": "a"} for key in keys},
                    "UpdateExpression": "SET l[0] = :y, m = :y",
                    "ExpressionAttributeValues": {":y": {"S": "y"}},
                }
            },
            {"Delete": {"TableName": name, "Key": {key: {"S": "b"} for key in keys}}},
            {"Put": {"TableName": name, "Item": {key: {"S": "c"} for key in keys}}},
        ]
        gone = {key: {"S": "d"} for key in keys}
        check: Any = {"ConditionCheck": {"TableName": name, "Key": gone, "ConditionExpression": "attribute_exists(pk)"}}
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            client.transact_write_items(TransactItems=[*entries, check])
        assert client.scan(TableName=name)["Items"] == before
        client.transact_write_items(TransactItems=entries)
        after = {item["pk"]["S"]: item.get("l") for item in client.scan(TableName=name)["Items"]}
        assert after == {"a": {"L": [{"S": "y"}]}, "c": None}
