"""BatchWriteItem's bodies: joined from texts, and still what DynamoDB wants."""

from __future__ import annotations

import json

import pytest

from pipelines.target.batch import MAX_BYTES, Batch, Put, batches, unprocessed

pytestmark = pytest.mark.unit


def put(number: int, padding: int = 0) -> Put:
    key = f'{{"pk":{{"S":"é{number}"}}}}'
    return Put(key, f'{key[:-1]},"t":{{"S":"{"x" * padding}"}}}}'.encode(), version=number)


def test_the_body_is_the_request_that_a_json_library_would_make() -> None:
    batch = Batch("shop-1.x", (put(0), put(7)))
    assert json.loads(batch.body()) == {
        "RequestItems": {
            "shop-1.x": [
                {"PutRequest": {"Item": {"pk": {"S": "é0"}, "t": {"S": ""}, "_v": {"N": "0"}}}},
                {"PutRequest": {"Item": {"pk": {"S": "é7"}, "t": {"S": ""}, "_v": {"N": "7"}}}},
            ]
        }
    }


@pytest.mark.parametrize(("items", "sizes"), [(0, []), (1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])])
def test_batches_hold_25_items_at_most(items: int, sizes: list[int]) -> None:
    puts = [put(number) for number in range(items)]
    made = list(batches("t", puts))
    assert [len(batch.puts) for batch in made] == sizes
    assert [one for batch in made for one in batch.puts] == puts


def test_batches_stay_below_the_request_limit() -> None:
    puts = [put(number, padding=5_500_000) for number in range(5)]
    made = list(batches("t", puts))
    assert [len(batch.puts) for batch in made] == [2, 2, 1]
    assert all(len(batch.body()) < 16 * 1024 * 1024 for batch in made)


def test_an_item_over_the_limit_goes_alone() -> None:
    puts = [put(0), put(1, padding=MAX_BYTES), put(2)]
    assert [len(batch.puts) for batch in batches("t", puts)] == [1, 1, 1]


def test_nothing_unprocessed_is_nothing_left() -> None:
    assert unprocessed(Batch("t", (put(0),)), {"UnprocessedItems": {}}).puts == ()
    assert unprocessed(Batch("t", (put(0),)), {}).puts == ()


def test_what_comes_back_is_found_by_its_key_however_it_is_written() -> None:
    key = '{"pk":{"N":"100"},"sk":{"B":"AQI="}}'
    one = Put(key, f'{key[:-1]},"a":{{"S":"1"}}}}'.encode(), 0)
    other = Put('{"pk":{"N":"5"},"sk":{"B":"AQI="}}', b'{"pk":{"N":"5"},"sk":{"B":"AQI="}}', 0)
    answer = {
        "UnprocessedItems": {
            "t": [{"PutRequest": {"Item": {"a": {"S": "1"}, "sk": {"B": "AQI="}, "pk": {"N": "1.00E+2"}}}}]
        }
    }
    assert unprocessed(Batch("t", (other, one)), answer).puts == (one,)


def test_what_cannot_be_found_means_all_of_it_again() -> None:
    batch = Batch("t", (put(0), put(1)))
    answer = {"UnprocessedItems": {"t": [{"PutRequest": {"Item": {"pk": {"S": "unknown"}}}}]}}
    assert unprocessed(batch, answer) == batch
