from __future__ import annotations

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectionClosedError

from pipelines.errors import TargetError
from pipelines.target.retry import RetryPolicy
from pipelines.target.scan import Scanner
from pipelines.target.wire import Answer, Refusal, Wire

pytestmark = pytest.mark.unit

THROTTLED = Refusal("ProvisionedThroughputExceededException", "slow down", passing=True)
FOUND = [{"pk": {"B": "YQ=="}}]


class FakeWire:
    """Gives its answers in turn and keeps the requests."""

    endpoint = "http://127.0.0.1:1"

    def __init__(self, *answers: Answer | Refusal) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def call(self, action: str, body: bytes) -> Answer | Refusal:
        assert action == "Scan"
        self.requests.append(json.loads(body))
        return self.answers.pop(0)


def scan(wire: FakeWire, pauses: list[float], attempts: int = 3) -> list[Any]:
    scanner = Scanner(cast(Wire, wire), RetryPolicy(attempts=attempts), pauses.append)
    return list(scanner.pages("shop", 2, 5))


def page(items: list[Any], after: dict[str, Any] | None = None) -> Answer:
    return Answer({"Items": items, **({"LastEvaluatedKey": after} if after else {})})


def test_pages_until_no_key_is_left() -> None:
    key = {"pk": {"B": "YQ=="}}
    wire = FakeWire(page(FOUND, after=key), page([], after=key), page(FOUND))
    assert scan(wire, []) == [FOUND, FOUND]  # an empty page is not the end
    assert [request.pop("ExclusiveStartKey", None) for request in wire.requests] == [None, key, key]
    assert wire.requests[2] == {"TableName": "shop", "ConsistentRead": True, "Segment": 2, "TotalSegments": 5}


def test_passing_refusals_are_retried_after_a_pause() -> None:
    pauses: list[float] = []
    wire = FakeWire(THROTTLED, THROTTLED, page(FOUND))
    assert scan(wire, pauses) == [FOUND]
    assert len(pauses) == 2
    assert wire.requests[0] == wire.requests[2]


def test_each_page_has_all_its_attempts() -> None:
    wire = FakeWire(THROTTLED, THROTTLED, page(FOUND, after=FOUND[0]), THROTTLED, THROTTLED, page(FOUND))
    assert scan(wire, []) == [FOUND, FOUND]


@pytest.mark.parametrize(
    ("refusals", "message"),
    [
        ([THROTTLED] * 3, "table shop .* throttled"),
        ([Refusal("ResourceNotFoundException", "", passing=False)], "table shop .*`crossover tables`"),
        ([Refusal("Broken", "", True, ConnectionClosedError(endpoint_url="http://x"))] * 3, "cannot be reached"),
    ],
)
def test_what_does_not_pass_is_an_error(refusals: list[Refusal], message: str) -> None:
    wire = FakeWire(*refusals)
    with pytest.raises(TargetError, match=message):
        scan(wire, [])
    assert wire.answers == []
