"""The live writer against an endpoint without PartiQL, one that has it, and either while it fails."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest

from pipelines.errors import TargetError
from pipelines.target.client import Address
from pipelines.target.conditional_write import Answered, Sent, Write
from pipelines.target.embedded import REGION
from pipelines.target.live_write import LiveWriter
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Wire
from tests.fault_proxy import FaultProxy
from tests.faults import PUT_FAULTS, Fault, Plan, seeded
from tests.partiql_endpoint import PartiqlEndpoint
from tests.taciturn_endpoint import taciturn_endpoint

pytestmark = [pytest.mark.integration, pytest.mark.endpoints("moto", "ministack")]

QUICK = RetryPolicy(attempts=12, first_delay_seconds=0.001, longest_delay_seconds=0.01)
TABLE = "shop"


@pytest.fixture
def endpoint(dynamodb_environment: str) -> str:
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb_environment


@pytest.fixture
def partiql(endpoint: str) -> Iterator[PartiqlEndpoint]:
    with PartiqlEndpoint(endpoint).serving() as front:
        yield front


def write(number: int, version: int = 5) -> Write:
    """Every tenth has an attribute that no statement says."""
    odd = ',"it\'s":{"N":"1"}' if number % 10 == 9 else ""
    key = f'{{"pk":{{"S":"Ü\\"{number}\\u001F"}}}}'
    item = f'{key[:-1]}{odd},"b":{{"B":"YQ=="}},"l":{{"L":[{{"M":{{}}}},{{"NULL":true}}]}},"t":{{"S":"日本"}}}}'
    return Write(TABLE, "pk", key, item, version, None)


def send(
    url: str, writes: list[Write], policy: RetryPolicy = QUICK, answer_seconds: float = 10.0
) -> dict[str, Answered]:
    """By their keys."""
    with Wire(Address(url, REGION), 4, answer_seconds) as wire:
        found = list(LiveWriter(wire, policy, in_flight=4, seed=1).send(writes))
    assert sorted(one.write.key for one in found) == sorted(one.key for one in writes)  # each once
    return {one.write.key: one for one in found}


def counts(found: dict[str, Answered]) -> dict[Sent, int]:
    return dict(Counter(one.sent for one in found.values()))


def stored() -> dict[str, dict[str, Any]]:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


def expected(writes: list[Write]) -> dict[str, dict[str, Any]]:
    items = [json.loads(one.item or "") | {"_v": {"N": str(one.version)}, "b": {"B": b"a"}} for one in writes]
    return {item["pk"]["S"]: item for item in items}


@pytest.mark.endpoints("moto")
def test_without_partiql_all_are_put_and_it_is_found_out_once(endpoint: str) -> None:
    writes = [write(number) for number in range(130)]
    proxy = FaultProxy(endpoint)
    with proxy.serving():
        assert counts(send(proxy.url, writes[:100])) == {Sent.WRITTEN: 100}
        asked = proxy.requests
        assert counts(send(proxy.url, writes[100:])) == {Sent.WRITTEN: 30}
        assert proxy.requests == asked + 30
    assert stored() == expected(writes)


@pytest.mark.endpoints("ministack")
def test_an_endpoint_that_has_partiql_is_sent_batches(endpoint: str) -> None:
    writes = [write(number) for number in range(110)]
    proxy = FaultProxy(endpoint)
    with proxy.serving():
        assert counts(send(proxy.url, writes)) == {Sent.WRITTEN: 110}
        assert proxy.requests == 4 + 11
        assert counts(send(proxy.url, [write(1, version=4), write(2, version=6)])) == {Sent.REFUSED: 1, Sent.WRITTEN: 1}
    assert stored() == expected(writes) | expected([write(2, version=6)])


def test_with_partiql_only_what_a_statement_cannot_say_is_put(partiql: PartiqlEndpoint) -> None:
    writes = [write(number) for number in range(110)]
    assert counts(send(partiql.url, writes)) == {Sent.WRITTEN: 110}
    assert Counter(partiql.actions) == {"BatchExecuteStatement": 4, "PutItem": 11}
    assert stored() == expected(writes)


def test_nothing_is_put_over_something_newer_or_foreign(partiql: PartiqlEndpoint) -> None:
    before = [write(1, version=4), write(2, version=5), write(3, version=6)]
    send(partiql.url, before)
    boto3.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": 'Ü"4\x1f'}})
    partiql.actions.clear()
    writes = [write(number) for number in range(25)]
    found = send(partiql.url, writes)
    assert counts(found) == {Sent.WRITTEN: 22, Sent.REFUSED: 3}
    assert Counter(partiql.actions) == {"BatchExecuteStatement": 1, "PutItem": 2 + 4}
    assert [(found[write(n).key].old or {}).get("_v") for n in (2, 3, 4)] == [{"N": "5"}, {"N": "6"}, None]
    assert stored() == expected(writes) | expected([before[2]]) | {'Ü"4\x1f': {"pk": {"S": 'Ü"4\x1f'}}}


def test_what_is_there_is_read_where_a_refusal_does_not_tell(endpoint: str) -> None:
    before = [write(number, version=4 + number) for number in range(3)]
    writes = [write(number) for number in range(10)]
    send(endpoint, before)
    with taciturn_endpoint(endpoint) as url:
        found = send(url, writes)
    assert counts(found) == {Sent.WRITTEN: 8, Sent.REFUSED: 2}
    assert [(found[write(n).key].old or {}).get("_v") for n in (1, 2)] == [{"N": "5"}, {"N": "6"}]
    assert stored() == expected(writes) | expected([before[2]])


def test_statements_that_fail_alone_are_sent_again_or_put(partiql: PartiqlEndpoint) -> None:
    codes = ["ProvisionedThroughputExceeded", None, "ThrottlingError", "ValidationError", "NewError", None, None]
    partiql.plan = lambda number: codes[number % len(codes)]
    writes = [write(number) for number in range(90)]
    assert counts(send(partiql.url, writes)) == {Sent.WRITTEN: 90}
    assert stored() == expected(writes)


def test_statements_that_stay_throttled_are_put(partiql: PartiqlEndpoint) -> None:
    partiql.plan = lambda number: "ThrottlingError"
    writes = [write(number) for number in range(5)]
    assert counts(send(partiql.url, writes)) == {Sent.WRITTEN: 5}


@pytest.mark.parametrize("has_partiql", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_each_is_written_or_met_as_it_was_to_be_written(endpoint: str, seed: int, has_partiql: bool) -> None:
    writes = [write(number) for number in range(150)]
    with ExitStack() as opened:
        upstream = opened.enter_context(PartiqlEndpoint(endpoint).serving()).url if has_partiql else endpoint
        faults = tuple(fault for fault in (Fault if has_partiql else PUT_FAULTS) if fault is not Fault.SLOW)
        proxy = FaultProxy(upstream, seeded(seed, 0.4, faults), slow_seconds=0.2)
        opened.enter_context(proxy.serving())
        found = send(proxy.url, writes)
    assert len(proxy.met) > 3
    assert set(counts(found)) <= {Sent.WRITTEN, Sent.REFUSED}
    items = expected(writes)
    for one in found.values():
        if one.sent is Sent.REFUSED:  # by its own earlier success
            assert {**(one.old or {}), "b": {"B": b"a"}} == items[json.loads(one.write.key)["pk"]["S"]]
    assert stored() == items


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (lambda number, body: Fault.THROTTLED, r"table shop on http://127.*PutItem was throttled for too long"),
        (lambda number, body: Fault.RESET_BEFORE, r"^http://127.* cannot be reached"),
        (lambda number, body: "AccessDeniedException", r"may not call dynamodb:PutItem"),
        (lambda number, body: "ResourceNotFoundException", r"table shop.*no such table; run `crossover tables`"),
    ],
)
def test_what_cannot_be_mended_stops_the_writer_with_one_line(endpoint: str, plan: Plan, says: str) -> None:
    proxy = FaultProxy(endpoint, plan)
    with proxy.serving(), pytest.raises(TargetError, match=says) as caught:
        send(proxy.url, [write(number) for number in range(100)], RetryPolicy(2, 0.001, 0.001))
    assert "\n" not in str(caught.value)


def test_who_may_not_call_partiql_may_still_put(partiql: PartiqlEndpoint) -> None:
    proxy = FaultProxy(partiql.url, lambda _, body: "AccessDeniedException" if "Statements" in body else None)
    with proxy.serving():
        assert counts(send(proxy.url, [write(number) for number in range(30)])) == {Sent.WRITTEN: 30}


def test_an_item_that_dynamodb_never_takes_fails_alone(partiql: PartiqlEndpoint) -> None:
    def refuse_13(_: int, body: dict[str, Any]) -> str | None:
        return "ValidationException" if body.get("Item", {}).get("pk") == {"S": 'Ü"13\x1f'} else None

    partiql.plan = lambda number: "ValidationError" if number == 12 else None  # of the first batch, 9 is not in it
    proxy = FaultProxy(partiql.url, refuse_13)
    with proxy.serving():
        found = send(proxy.url, [write(number) for number in range(27)])
    assert counts(found) == {Sent.WRITTEN: 26, Sent.IMPOSSIBLE: 1}
    assert found[write(13).key].code == "ValidationException"
