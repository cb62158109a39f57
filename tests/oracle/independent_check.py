"""Is every item of the example shop in DynamoDB what it should be? A second opinion that knows nothing of Crossover.

Plain SQL and plain Python say what is expected, a plain scan says what is there, and the two are compared here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from tests.oracle.shop_expectations import expected_items
from tests.oracle.shop_rows import read_shop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEYS = {"shop": ("pk", "sk"), "catalog": ("category", "product_id")}
VERSION = "_v"

Comparable = tuple[str, Any]
"""(DynamoDB type, content): numbers as Decimal, sets as frozenset, maps and lists of Comparables."""

Place = tuple[str, Comparable, Comparable]
"""(table, partition key, sort key)."""

Items = dict[Place, dict[str, Comparable]]


@dataclass(frozen=True, order=True)
class Problem:
    """`path`: `lines[2].price`; empty where the whole item is missing or not expected."""

    place: Place
    path: str
    what: str

    def __str__(self) -> str:
        table, *keys = self.place
        return f"{table} {' '.join(str(content) for _, content in keys)!r} {self.path}: {self.what}"


def check_shop(url: str, client: DynamoDBClient) -> list[str]:
    """One line for each thing that is wrong, in the order of the keys; empty where all is right.

    `url` is that of the shop's PostgreSQL. The tables `shop` and `catalog` are read whole.
    """
    return [str(problem) for problem in problems_of(expected_shop(url), scan_shop(client))]


def problems_of(expected: Items, found: Items) -> list[Problem]:
    problems = [Problem(place, "", "missing") for place in expected.keys() - found.keys()]
    problems += [Problem(place, "", "not expected") for place in found.keys() - expected.keys()]
    for place in expected.keys() & found.keys():
        unlike = _unlike("", ("M", expected[place]), ("M", found[place]))
        problems += [Problem(place, path.lstrip("."), what) for path, what in unlike]
    return sorted(problems)


def expected_shop(url: str) -> Items:
    """What the tables must hold, `_v` left out. Raises ValueError where two rows claim one key."""
    serializer = TypeSerializer()
    items: Items = {}
    for table, plain in expected_items(read_shop(url)):
        item = {name: comparable(serializer.serialize(value)) for name, value in plain.items()}
        place = _place(table, item)
        if place in items:
            raise ValueError(f"two items at {place}")
        items[place] = item
    return items


def scan_shop(client: DynamoDBClient) -> Items:
    """What the tables hold, `_v` left out."""
    items: Items = {}
    for table in KEYS:
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for raw in page["Items"]:
                item = {name: comparable(value) for name, value in raw.items() if name != VERSION}
                items[_place(table, item)] = item
    return items


def expected_keys(url: str) -> list[tuple[str, dict[str, Any]]]:
    """(table, key as boto3's client takes it) of every item, in a fixed order."""
    return [(table, _wire_key(table, *keys)) for table, *keys in sorted(expected_shop(url))]


def comparable(value: Mapping[str, Any]) -> Comparable:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return kind, Decimal(content)
        case "NS":
            return kind, frozenset(map(Decimal, content))
        case "SS":
            return kind, frozenset(content)
        case "B":
            return kind, bytes(content)
        case "L":
            return kind, [comparable(member) for member in content]
        case "M":
            return kind, {name: comparable(member) for name, member in content.items()}
        case _:
            return kind, content


def _unlike(path: str, expected: Comparable | None, found: Comparable | None) -> Iterator[tuple[str, str]]:
    if expected is None or found is None or expected[0] != found[0] or expected[0] not in "ML":
        if expected != found:
            yield path, f"expected {_shown(expected)}, found {_shown(found)}"
    elif expected[0] == "M":
        for name in sorted(expected[1].keys() | found[1].keys()):
            yield from _unlike(f"{path}.{name}", expected[1].get(name), found[1].get(name))
    else:
        for index in range(max(len(expected[1]), len(found[1]))):
            sides = (side[1][index] if index < len(side[1]) else None for side in (expected, found))
            yield from _unlike(f"{path}[{index}]", *sides)


def _shown(value: Comparable | None) -> str:
    return "nothing" if value is None else f"{value[0]} {value[1]!r}"


def _place(table: str, item: Mapping[str, Comparable]) -> Place:
    partition, sort = KEYS[table]
    return table, item[partition], item[sort]


def _wire_key(table: str, *keys: Comparable) -> dict[str, Any]:
    return {name: {kind: str(content)} for name, (kind, content) in zip(KEYS[table], keys, strict=True)}
