"""What is planted is what the independent check finds, path for path, and the seed alone decides where."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import boto3
import pytest

from examples.shop.generate import load
from examples.shop.plant import KEYS, PlantedFault, key_of, plant
from pipelines.diff.paths import path_differences
from pipelines.errors import StageError
from pipelines.items.canonical import canonical_item
from tests.oracle.hand_made_shop import create_by_hand, make_by_hand
from tests.oracle.independent_check import Place, comparable, expected_shop, problems_of, scan_shop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

KINDS = 17
EACH = 2


def test_the_planted_faults_are_found_and_no_others(database_url: str, dynamodb_environment: str) -> None:
    load(database_url, 0.05)
    client = boto3.client("dynamodb")
    make_by_hand(database_url, client)
    planted = plant(client, seed=1, each=EACH)
    problems = problems_of(expected_shop(database_url), scan_shop(client))
    found = {(problem.place, problem.path) for problem in problems}
    wanted = {(place(fault), path.removesuffix("{}")) for fault in planted for path, _ in fault.paths or [("", "")]}
    assert found == wanted
    assert len(planted) == len({(fault.table, fault.key) for fault in planted}) == KINDS * EACH
    assert Counter(fault.verdict for fault in planted) == {
        "missing": 2 * EACH,
        "extra": 2 * EACH,
        "foreign": EACH,
        "unmapped": EACH,
        "mismatch": 11 * EACH,
    }


def test_paths_and_keys_are_written_as_a_diff_writes_them(database_url: str, dynamodb_environment: str) -> None:
    load(database_url, 0.02)
    client = boto3.client("dynamodb")
    make_by_hand(database_url, client)
    before = texts(client)
    planted = [fault for fault in plant(client, seed=4) if fault.verdict == "mismatch"]
    after = texts(client)
    for fault in planted:
        differences = path_differences(before[fault.table, fault.key], after[fault.table, fault.key])
        assert set(fault.paths) == {(one.path, one.kind.value) for one in differences}, fault.description


def test_only_what_is_foreign_has_no_version(database_url: str, dynamodb_environment: str) -> None:
    load(database_url, 0.02)
    client = boto3.client("dynamodb")
    make_by_hand(database_url, client)
    planted = plant(client, seed=2)
    items = [
        (fault, client.get_item(TableName=fault.table, Key=json.loads(fault.key)).get("Item"))
        for fault in planted
        if fault.verdict != "missing"
    ]
    assert [fault.verdict for fault, item in items if not item or "_v" not in item] == ["foreign"]


def test_the_seed_decides_what_is_hit(database_url: str, dynamodb_environment: str) -> None:
    load(database_url, 0.02)
    client = boto3.client("dynamodb")
    make_by_hand(database_url, client)
    before = scan_shop(client)
    first = plant(client, seed=3)
    after = scan_shop(client)
    for table in ("shop", "catalog"):
        client.delete_table(TableName=table)
    make_by_hand(database_url, client)
    assert scan_shop(client) == before
    assert plant(client, seed=3) == first
    assert scan_shop(client) == after


def test_empty_tables_have_nothing_to_plant_in(dynamodb_environment: str) -> None:
    client = boto3.client("dynamodb")
    create_by_hand(client)
    with pytest.raises(StageError, match="backfill the shop first"):
        plant(client, seed=1)


def texts(client: DynamoDBClient) -> dict[tuple[str, str], str]:
    """Canonical items by table and canonical key."""
    return {
        (table, canonical_item(key_of(table, item))): canonical_item(item)
        for table in KEYS
        for page in client.get_paginator("scan").paginate(TableName=table)
        for item in page["Items"]
    }


def place(fault: PlantedFault) -> Place:
    partition, sort = json.loads(fault.key).values()
    return fault.table, comparable(partition), comparable(sort)
