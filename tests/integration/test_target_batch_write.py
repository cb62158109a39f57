"""The cold writer against an endpoint that fails in every way DynamoDB can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from pipelines.errors import TargetError
from pipelines.target.batch import Batch, Put, batches
from pipelines.target.batch_write import BatchWriter, Written
from pipelines.target.client import Address
from pipelines.target.embedded import REGION
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Wire
from tests.fault_proxy import FaultProxy
from tests.faults import BATCH_FAULTS, Fault, Plan, seeded

pytestmark = [pytest.mark.integration, pytest.mark.endpoints("moto", "ministack")]

QUICK = RetryPolicy(attempts=12, first_delay_seconds=0.001, longest_delay_seconds=0.01)
TABLE = "shop"


@pytest.fixture
def endpoint(dynamodb_environment: str) -> str:
    """URL of an endpoint with the empty table `shop`, keyed by pk (S) and sk (N)."""
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb_environment


def put(number: int) -> Put:
    key = f'{{"pk":{{"S":"Ünïcode \\"{number % 7}\\"\\u001F"}},"sk":{{"N":"{number}"}}}}'
    item = key[:-1] + f',"tags":{{"SS":["a","b"]}},"text":{{"S":"日本 {"x" * (number % 50)}"}}}}'
    return Put(key, item.encode(), version=0)


def write(
    url: str, puts: list[Put], policy: RetryPolicy = QUICK, read_timeout_seconds: float = 10.0
) -> tuple[Written, list[int]]:
    told: list[int] = []
    with Wire(Address(url, REGION), connections=4, read_timeout_seconds=read_timeout_seconds) as wire:
        written = BatchWriter(wire, policy, in_flight=4, seed=1).write(batches(TABLE, puts), told.append)
    return written, told


def stored() -> dict[str, dict[str, Any]]:
    """All items, as boto3 reads them, by their sort key."""
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    assert len({item["sk"]["N"] for item in items}) == len(items)
    return {item["sk"]["N"]: item for item in items}


def expected(puts: list[Put]) -> dict[str, dict[str, Any]]:
    items = [json.loads(one.item) | {"_v": {"N": "0"}} for one in puts]
    return {item["sk"]["N"]: item for item in items}


def test_all_items_arrive_as_their_texts_say(endpoint: str) -> None:
    puts = [put(number) for number in range(203)]
    written, told = write(endpoint, puts)
    assert written == Written(203)
    assert sum(told) == 203
    assert stored() == expected(puts)


@pytest.mark.parametrize("fault", BATCH_FAULTS, ids=lambda fault: fault.name)
def test_each_fault_is_ridden_out(endpoint: str, fault: Fault) -> None:
    puts = [put(number) for number in range(120)]
    proxy = FaultProxy(endpoint, lambda number, body: fault if number in (0, 3, 4) else None)
    with proxy.serving():
        written, _ = write(proxy.url, puts, read_timeout_seconds=0.3 if fault is Fault.SLOW else 10.0)
    assert proxy.met[fault.name] == 3
    assert written == Written(120)
    assert stored() == expected(puts)


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_all_faults_loses_and_doubles_nothing(endpoint: str, seed: int) -> None:
    puts = [put(number) for number in range(400)]
    proxy = FaultProxy(endpoint, seeded(seed, share=0.5), slow_seconds=0.5)
    with proxy.serving():
        written, told = write(proxy.url, puts, read_timeout_seconds=0.3)
    assert len(proxy.met) > 3
    assert written == Written(400)
    assert sum(told) == 400
    assert stored() == expected(puts)
    confirmed = {item["sk"]["N"] for item in proxy.acknowledged}
    assert confirmed == set(expected(puts))  # nothing counts as written on hearsay


def test_an_item_that_dynamodb_refuses_fails_alone(endpoint: str) -> None:
    puts = [put(number) for number in range(60)]

    def refuse_13(_: int, body: dict[str, Any]) -> str | None:
        numbers = [one["PutRequest"]["Item"]["sk"]["N"] for one in body["RequestItems"][TABLE]]
        return "ValidationException" if "13" in numbers else None

    proxy = FaultProxy(endpoint, refuse_13)
    with proxy.serving():
        written, _ = write(proxy.url, puts)
    assert written.written == 59
    assert [(one.table, one.key, one.error) for one in written.failures] == [
        (TABLE, puts[13].key, "ValidationException: on purpose")
    ]
    assert stored() == expected([one for one in puts if one is not puts[13]])


def test_items_that_stay_unprocessed_are_counted_as_failed(endpoint: str) -> None:
    puts = [put(number) for number in range(50)]

    def never_the_first(_: int, body: dict[str, Any]) -> Fault | None:
        numbers = [one["PutRequest"]["Item"]["sk"]["N"] for one in body["RequestItems"][TABLE]]
        return Fault.ALL_UNPROCESSED if "0" in numbers else None

    proxy = FaultProxy(endpoint, never_the_first)
    with proxy.serving():
        written, _ = write(proxy.url, puts, RetryPolicy(3, 0.001, 0.001))
    assert proxy.met["ALL_UNPROCESSED"] == 3
    assert written.written == 25
    assert {one.key for one in written.failures} == {one.key for one in puts[:25]}
    assert {one.error for one in written.failures} == {"UnprocessedItems: returned unprocessed each time"}


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (lambda number, body: Fault.THROTTLED, r"table shop on http://127.*BatchWriteItem was throttled for too long"),
        (lambda number, body: Fault.RESET_BEFORE, r"^http://127.* cannot be reached"),
        (lambda number, body: "AccessDeniedException", r"may not call dynamodb:BatchWriteItem"),
        (lambda number, body: "ExpiredTokenException", r"have expired"),
        (lambda number, body: "UnrecognizedClientException", r"not accepted"),
        (lambda number, body: "ResourceNotFoundException", r"table shop.*no such table; run `crossover tables`"),
        (lambda number, body: "SomethingNewException", r"was refused \(SomethingNewException\)"),
    ],
)
def test_what_cannot_be_mended_stops_the_writer_with_one_line(endpoint: str, plan: Plan, says: str) -> None:
    proxy = FaultProxy(endpoint, plan)
    with proxy.serving(), pytest.raises(TargetError, match=says) as caught:
        write(proxy.url, [put(number) for number in range(1000)], RetryPolicy(2, 0.001, 0.001))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_endpoint_that_is_not_there_is_named(endpoint: str) -> None:
    proxy = FaultProxy(endpoint)
    with proxy.serving():
        gone = proxy.url
    with pytest.raises(TargetError, match=rf"{gone}: cannot be reached; check AWS_ENDPOINT_URL_DYNAMODB"):
        write(gone, [put(1)], RetryPolicy(3, 0.001, 0.001))


def test_missing_credentials_are_told(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(TargetError, match="no usable AWS credentials"):
        write(endpoint, [put(1)])


def test_batches_are_made_no_faster_than_they_are_sent(endpoint: str) -> None:
    made = 0
    sent = 0

    def counted() -> Iterator[Batch]:
        nonlocal made
        for batch in batches(TABLE, [put(number) for number in range(1000)]):
            made += 1
            assert made - sent <= 6
            yield batch

    def one_more(_: int) -> None:
        nonlocal sent
        sent += 1

    with Wire(Address(endpoint, REGION), connections=4) as wire:
        BatchWriter(wire, QUICK, in_flight=4).write(counted(), one_more)
    assert sent == 40
