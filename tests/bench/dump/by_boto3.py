"""boto3 as its documentation has it: `by_boto3 resource|typed URL MEGABYTES SIZE`."""

from __future__ import annotations

import sys

import boto3

from tests.bench.backfill.credentials import REGION, set_credentials
from tests.bench.backfill.data import TABLE
from tests.bench.backfill.said import say_cost


def resource(url: str) -> None:
    table = boto3.resource("dynamodb", region_name=REGION, endpoint_url=url).Table(TABLE)

    def read() -> int:
        page = table.scan(ConsistentRead=True)
        count = len(page["Items"])
        while "LastEvaluatedKey" in page:
            page = table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
            count += len(page["Items"])
        return count

    say_cost(read)


def typed(url: str) -> None:
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=url)
    pages = client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    say_cost(lambda: sum(len(page["Items"]) for page in pages))


def main() -> None:
    set_credentials()
    {"resource": resource, "typed": typed}[sys.argv[1]](sys.argv[2])


if __name__ == "__main__":
    main()
