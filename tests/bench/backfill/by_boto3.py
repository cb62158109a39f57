"""boto3 as its documentation has it: `by_boto3 batch_writer|typed|conditional URL ITEMS SIZE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import boto3

from tests.bench.backfill.credentials import REGION, set_credentials
from tests.bench.backfill.data import TABLE, plain, typed
from tests.bench.backfill.said import say_cost

_BATCH = 25


def batch_writer(url: str, items: int, size: int) -> None:
    table = boto3.resource("dynamodb", region_name=REGION, endpoint_url=url).Table(TABLE)
    ready = _repeated(plain(size), items)

    def send() -> int:
        with table.batch_writer() as batch:
            for item in ready:
                batch.put_item(Item=item)
        return items

    say_cost(send)


def typed_client(url: str, items: int, size: int) -> None:
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=url)
    ready = _repeated(typed(size), items)

    def send() -> int:
        while batch := list(islice(ready, _BATCH)):
            client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in batch]})
        return items

    say_cost(send)


def conditional(url: str, items: int, size: int) -> None:
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=url)
    ready = _repeated(typed(size), items)

    def send() -> int:
        for item in ready:
            client.put_item(
                TableName=TABLE,
                Item=item | {"_v": {"N": "1"}},
                ConditionExpression="attribute_not_exists(#pk) OR #v < :v",
                ExpressionAttributeNames={"#pk": "pk", "#v": "_v"},
                ExpressionAttributeValues={":v": {"N": "1"}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        return items

    say_cost(send)


def _repeated(ready: list[dict[str, Any]], items: int) -> Iterator[dict[str, Any]]:
    return islice(cycle(ready), items)


def main() -> None:
    how, url, items, size = sys.argv[1:]
    set_credentials()
    ways = {"batch_writer": batch_writer, "typed": typed_client, "conditional": conditional}
    ways[how](url, int(items), int(size))


if __name__ == "__main__":
    main()
