"""The independent check must itself see what is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import boto3
import pytest

from examples.shop.generate import load
from tests.oracle.hand_made_shop import make_by_hand
from tests.oracle.independent_check import check_shop, expected_keys

pytestmark = pytest.mark.integration

Item = dict[str, Any]


def _attribute_added(item: Item) -> None:
    item["_checked"] = {"N": "0"}


def _type_changed(item: Item) -> None:
    item["entity"] = {"B": item["entity"]["S"].encode()}


def _element_added(item: Item) -> None:
    item["children"] = {"L": [*item["children"]["L"], {"NULL": True}]}


def _attribute_removed(item: Item) -> None:
    del item["slug"]


DAMAGES: dict[str, Callable[[Item], None]] = {
    "_checked": _attribute_added,
    "entity": _type_changed,
    "children": _element_added,
    "slug": _attribute_removed,
}


def test_the_check_names_each_damage_and_nothing_else(database_url: str, dynamodb_environment: str) -> None:
    load(database_url, 0.02)
    client = boto3.client("dynamodb")
    make_by_hand(database_url, client)
    assert check_shop(database_url, client) == []

    categories = [key for table, key in expected_keys(database_url) if key.get("sk") == {"S": "PATH"}]
    for damage, key in zip(DAMAGES, categories, strict=False):
        item = client.get_item(TableName="shop", Key=key)["Item"]
        spoilt = copy.deepcopy(dict(item))
        DAMAGES[damage](spoilt)
        client.put_item(TableName="shop", Item=spoilt)
        (problem,) = check_shop(database_url, client)
        assert key["pk"]["S"] in problem
        assert f" {damage}" in problem
        client.put_item(TableName="shop", Item=item)

    table, key = Random(1).choice(expected_keys(database_url))
    item = client.get_item(TableName=table, Key=key)["Item"]
    client.delete_item(TableName=table, Key=key)
    (problem,) = check_shop(database_url, client)
    assert problem.endswith(": missing")
    client.put_item(TableName=table, Item=item)

    client.put_item(TableName="shop", Item={"pk": {"S": "NOBODY"}, "sk": {"S": "PROFILE"}})
    (problem,) = check_shop(database_url, client)
    assert problem.endswith(": not expected")
