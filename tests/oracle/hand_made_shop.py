"""The shop's DynamoDB side as it must be, written by plain boto3: for tests of what judges or spoils it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.dynamodb.types import TypeSerializer

from tests.oracle.independent_check import KEYS, VERSION
from tests.oracle.shop_expectations import expected_items
from tests.oracle.shop_rows import read_shop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.literals import ScalarAttributeTypeType

KEY_TYPES: dict[str, ScalarAttributeTypeType] = {"shop": "S", "catalog": "N"}


def make_by_hand(url: str, client: DynamoDBClient) -> None:
    """Creates both tables and puts every expected item with `_v` 0."""
    create_by_hand(client)
    serializer = TypeSerializer()
    for table, plain in expected_items(read_shop(url)):
        item = {name: serializer.serialize(value) for name, value in plain.items()}
        client.put_item(TableName=table, Item={**item, VERSION: {"N": "0"}})


def create_by_hand(client: DynamoDBClient) -> None:
    """Both tables, empty and without indexes."""
    for table, names in KEYS.items():
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": KEY_TYPES[table]} for name in names],
            KeySchema=[
                {"AttributeName": names[0], "KeyType": "HASH"},
                {"AttributeName": names[1], "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
