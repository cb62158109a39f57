"""The stage `tables`: what it creates, and what it refuses to take over."""

from __future__ import annotations

import copy
from typing import Any

import boto3
import pytest

from pipelines.errors import TargetError
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.model import Mapping
from pipelines.tables import TableOutcome, create_tables
from pipelines.target.client import dynamodb_client

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes:
        gsi1: {partition_key: {name: gsi1pk, type: S}, sort_key: {name: gsi1sk, type: N}, projection: all}
        gsi2: {partition_key: {name: gsi2pk, type: B}, projection: keys_only}
        gsi3: {partition_key: {name: pk, type: S}, sort_key: {name: gsi1sk, type: N}, projection: {include: [b, a]}}
      ttl: expires_at
    prices:
      partition_key: {name: id, type: N}
      billing: {read: 7, write: 3}
      indexes:
        by_sku: {partition_key: {name: sku, type: S}}
items:
  price: {table: prices, from: prices, key: {id: "{id}"}}
  customer: {table: shop, from: customers, key: {pk: "C#{id}", sk: PROFILE}}
"""


@pytest.fixture
def mapping() -> Mapping:
    return parse_mapping(MAPPING, "shop.yaml")


@pytest.fixture
def amazon(dynamodb_environment: str) -> Any:
    return boto3.client("dynamodb")


def test_tables_are_created_as_the_mapping_says(mapping: Mapping, amazon: Any) -> None:
    outcomes = create_tables(mapping, dynamodb_client())
    assert outcomes == (TableOutcome("shop", "created"), TableOutcome("prices", "created"))

    shop = amazon.describe_table(TableName="shop")["Table"]
    assert shop["TableStatus"] == "ACTIVE"
    assert shop["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {one["AttributeName"]: one["AttributeType"] for one in shop["AttributeDefinitions"]} == {
        "pk": "S",
        "sk": "S",
        "gsi1pk": "S",
        "gsi1sk": "N",
        "gsi2pk": "B",
    }
    assert shop["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    indexes = {one["IndexName"]: one for one in shop["GlobalSecondaryIndexes"]}
    assert indexes["gsi1"]["Projection"] == {"ProjectionType": "ALL"}
    assert indexes["gsi2"]["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert indexes["gsi3"]["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a", "b"]}
    assert amazon.describe_time_to_live(TableName="shop")["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expires_at",
    }

    prices = amazon.describe_table(TableName="prices")["Table"]
    throughputs = [prices["ProvisionedThroughput"], prices["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]]
    assert [(one["ReadCapacityUnits"], one["WriteCapacityUnits"]) for one in throughputs] == [(7, 3), (7, 3)]
    assert amazon.describe_time_to_live(TableName="prices")["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"


def test_a_second_run_changes_nothing(mapping: Mapping, amazon: Any) -> None:
    create_tables(mapping, dynamodb_client())
    amazon.put_item(TableName="prices", Item={"id": {"N": "1"}})
    assert {one.state for one in create_tables(mapping, dynamodb_client())} == {"exists"}
    assert amazon.scan(TableName="prices")["Count"] == 1


def test_what_is_missing_is_added(mapping: Mapping, amazon: Any) -> None:
    create_tables(mapping, dynamodb_client())
    amazon.delete_table(TableName="prices")
    amazon.update_time_to_live(
        TableName="shop", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
    )
    assert [one.state for one in create_tables(mapping, dynamodb_client())] == ["exists", "created"]
    assert amazon.describe_time_to_live(TableName="shop")["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"


def test_tables_with_other_keys_or_indexes_are_refused_all_at_once(mapping: Mapping, amazon: Any) -> None:
    amazon.create_table(
        TableName="prices",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    amazon.create_table(
        TableName="shop",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(TargetError) as caught:
        create_tables(mapping, dynamodb_client())
    hint = "; change the mapping, or use a table of another name"
    lines = str(caught.value).splitlines()
    assert all(line.endswith(hint) for line in lines)
    assert [line.partition(": ")[2].removesuffix(hint) for line in lines] == [
        "its key is pk (S), the mapping says pk (S) + sk (S)",
        "it has no index gsi1, the mapping says gsi1pk (S) + gsi1sk (N), all attributes",
        "it has no index gsi2, the mapping says gsi2pk (B), keys only",
        "it has no index gsi3, the mapping says pk (S) + gsi1sk (N), a, b",
        "its key is id (S), the mapping says id (N)",
        "it has no index by_sku, the mapping says sku (S), all attributes",
    ]
    assert lines[0].startswith("table shop on http://127.0.0.1:")
    assert lines[4].startswith("table prices on http://127.0.0.1:")


def test_nothing_is_created_beside_a_table_that_is_refused(mapping: Mapping, amazon: Any) -> None:
    amazon.create_table(
        TableName="prices",
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(TargetError):
        create_tables(mapping, dynamodb_client())
    assert amazon.list_tables()["TableNames"] == ["prices"]


def test_another_time_to_live_is_refused(mapping: Mapping, amazon: Any) -> None:
    create_tables(mapping, dynamodb_client())
    for enabled, attribute in [(False, "expires_at"), (True, "other")]:
        amazon.update_time_to_live(
            TableName="shop", TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute}
        )
    with pytest.raises(TargetError, match="table shop: its time to live is other, the mapping says expires_at"):
        create_tables(mapping, dynamodb_client())


def test_a_table_that_does_not_become_active_is_not_waited_for_for_ever(
    mapping: Mapping, amazon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = dynamodb_client()
    describe = client.describe_table

    def still_creating(**arguments: Any) -> Any:
        answer = copy.deepcopy(describe(**arguments))
        answer["Table"]["TableStatus"] = "CREATING"
        return answer

    monkeypatch.setattr(client, "describe_table", still_creating)
    with pytest.raises(TargetError, match="table shop: not ACTIVE after 0 seconds"):
        create_tables(mapping, client, wait_seconds=0.0)
