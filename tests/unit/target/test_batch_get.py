from __future__ import annotations

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectionClosedError

from pipelines.errors import TargetError
from pipelines.target.batch_get import ItemReader
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Answer, Refusal, Wire

pytestmark = pytest.mark.unit

THROTTLED = Refusal("ProvisionedThroughputExceededException", "slow down", passing=True)
UNKNOWN = Refusal("UnknownOperationException", "", passing=False)
KEYS = [f'{{"pk":{{"S":"{name}"}}}}' for name in "abc"]


class FakeWire:
    """Gives its answers in turn and keeps the requests."""

    endpoint = "http://127.0.0.1:1"

    def __init__(self, *answers: Answer | Refusal) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def call(self, action: str, body: bytes) -> Answer | Refusal:
        self.requests.append((action, json.loads(body)))
        return self.answers.pop(0)

    @property
    def keys(self) -> list[str]:
        """Of each batch, the keys' values."""
        return [
            "".join(key["pk"]["S"] for key in body["RequestItems"]["shop"]["Keys"])
            for action, body in self.requests
            if action == "BatchGetItem"
        ]


def stored(name: str, **others: Any) -> dict[str, Any]:
    return {"pk": {"S": name}, "_v": {"N": "7"}, **others}


def batch(found: str, left: str = "") -> Answer:
    unprocessed = {"shop": {"Keys": [{"pk": {"S": name}} for name in left]}} if left else {}
    return Answer({"Responses": {"shop": [stored(name) for name in found]}, "UnprocessedKeys": unprocessed})


def reader(wire: FakeWire, pauses: list[float] | None = None, attempts: int = 3) -> ItemReader:
    return ItemReader(cast(Wire, wire), RetryPolicy(attempts=attempts), (pauses if pauses is not None else []).append)


def test_what_is_there_by_its_key() -> None:
    tombstone = stored("b", _deleted={"BOOL": True}, _s={"S": '{"id":"2"}'})
    wire = FakeWire(Answer({"Responses": {"shop": [tombstone, stored("a", n={"N": "1.50"})]}}))
    found = reader(wire).read("shop", [*KEYS, KEYS[0]])
    assert set(found) == set(KEYS[:2])
    assert (found[KEYS[0]].item, found[KEYS[0]].version) == ('{"n":{"N":"1.5"},"pk":{"S":"a"}}', 7)
    assert (found[KEYS[1]].is_tombstone, found[KEYS[1]].owner) == (True, '{"id":"2"}')
    ((action, body),) = wire.requests
    assert (action, body["RequestItems"]["shop"]["ConsistentRead"]) == ("BatchGetItem", True)
    assert wire.keys == ["abc"]  # each once, or DynamoDB refuses them all


def test_keys_left_unprocessed_are_asked_for_again() -> None:
    pauses: list[float] = []
    wire = FakeWire(batch("a", left="bc"), batch("", left="bc"), THROTTLED, batch("b", left="c"), batch(""))
    assert set(reader(wire, pauses).read("shop", KEYS)) == set(KEYS[:2])
    assert wire.keys == ["abc", "bc", "bc", "bc", "c"]
    assert len(pauses) == 4


def test_an_endpoint_without_batches_is_asked_for_one_at_a_time() -> None:
    wire = FakeWire(UNKNOWN, Answer({"Item": stored("a")}), Answer({}), THROTTLED, Answer({"Item": stored("c")}))
    asked = reader(wire)
    assert set(asked.read("shop", KEYS)) == {KEYS[0], KEYS[2]}
    assert [action for action, _ in wire.requests] == ["BatchGetItem"] + ["GetItem"] * 4
    assert wire.requests[1][1] == {"TableName": "shop", "Key": {"pk": {"S": "a"}}, "ConsistentRead": True}
    wire.answers = [Answer({"Item": stored("a")})]
    assert set(asked.read("shop", KEYS[:1])) == {KEYS[0]}  # it is not asked again whether it has them


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([batch("", left="abc")] * 3, "table shop .* throttled"),
        ([THROTTLED] * 3, "table shop .* throttled"),
        ([Refusal("AccessDeniedException", "", passing=False)], "may not call dynamodb:BatchGetItem"),
        ([UNKNOWN, Refusal("AccessDeniedException", "", passing=False)], "may not call dynamodb:GetItem"),
        ([Refusal("Broken", "", True, ConnectionClosedError(endpoint_url="http://x"))] * 3, "cannot be reached"),
    ],
)
def test_what_does_not_pass_is_an_error(answers: list[Answer | Refusal], message: str) -> None:
    wire = FakeWire(*answers)
    with pytest.raises(TargetError, match=message):
        reader(wire).read("shop", KEYS)
    assert wire.answers == []


def test_no_keys_ask_nothing() -> None:
    assert reader(FakeWire()).read("shop", []) == {}
