from __future__ import annotations

import pytest

from pipelines.mapping.model import TargetTable
from pipelines.target.table_shape import TableShape, key_schema

pytestmark = pytest.mark.unit

TABLE = TargetTable.model_validate(
    {
        "partition_key": {"name": "pk", "type": "S"},
        "sort_key": {"name": "sk", "type": "N"},
        "indexes": {
            "gsi1": {
                "partition_key": {"name": "g", "type": "S"},
                "sort_key": {"name": "sk", "type": "N"},
                "projection": "all",
            },
            "gsi2": {"partition_key": {"name": "h", "type": "B"}, "projection": {"include": ["b", "a"]}},
            "gsi3": {"partition_key": {"name": "pk", "type": "S"}, "projection": "keys_only"},
        },
    }
)
WANTED = TableShape.wanted(TABLE)


def test_a_table_that_was_made_so_is_no_different() -> None:
    read_back = TableShape.existing(
        {
            "AttributeDefinitions": WANTED.attribute_definitions(),
            "KeySchema": list(reversed(key_schema(WANTED.keys))),  # no order is promised
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "gsi3",
                    "KeySchema": key_schema(WANTED.indexes["gsi3"].keys),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
                {
                    "IndexName": "gsi1",
                    "KeySchema": key_schema(WANTED.indexes["gsi1"].keys),
                    "Projection": {"ProjectionType": "ALL"},
                },
                {
                    "IndexName": "gsi2",
                    "KeySchema": key_schema(WANTED.indexes["gsi2"].keys),
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a", "b"]},
                },
            ],
        }
    )
    assert read_back == WANTED
    assert list(WANTED.differences(read_back)) == []


def test_each_attribute_is_defined_once() -> None:
    names = [one["AttributeName"] for one in WANTED.attribute_definitions()]
    assert sorted(names) == ["g", "h", "pk", "sk"]


def test_every_difference_shows_both_sides() -> None:
    existing = TableShape.existing(
        {
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "g", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "gsi1",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
                {
                    "IndexName": "more",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                },
            ],
        }
    )
    assert list(WANTED.differences(existing)) == [
        "its key is pk (S) + sk (S), the mapping says pk (S) + sk (N)",
        "its index gsi1 is g (S), keys only, the mapping says g (S) + sk (N), all attributes",
        "it has no index gsi2, the mapping says h (B), a, b",
        "it has no index gsi3, the mapping says pk (S), keys only",
    ]
