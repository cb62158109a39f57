"""What a record of a stream tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.errors import TargetError
from pipelines.reverse.apply.image import Image
from pipelines.reverse.record import Skipped, Told, told

pytestmark = pytest.mark.unit

KEY = '{"pk":{"S":"a"}}'
AT = datetime(2026, 11, 29, tzinfo=UTC)
LIVE = {"pk": {"S": "a"}, "n": {"N": "1.0"}, "_v": {"N": "7"}}
TOMBSTONE = {"pk": {"S": "a"}, "_v": {"N": "8"}, "_deleted": {"BOOL": True}, "_s": {"S": '{"id":"1"}'}}
TTL = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


def record(name: str, **of: Any) -> dict[str, Any]:
    by = of.pop("userIdentity", None)
    change = {"SequenceNumber": "12", "ApproximateCreationDateTime": AT, **of}
    return {"eventName": name, "dynamodb": change, **({} if by is None else {"userIdentity": by})}


def of(name: str, **what: Any) -> Told:
    return told(record(name, **what), "shop", ("pk",))


def test_an_item_as_it_was_written() -> None:
    image = Image("shop", KEY, '{"n":{"N":"1"},"pk":{"S":"a"}}', 7, None)
    assert of("INSERT", NewImage=LIVE) == Told("12", AT, image)
    assert of("MODIFY", NewImage=LIVE, OldImage=TOMBSTONE) == Told("12", AT, image)


def test_a_tombstone_has_no_item_and_may_have_an_owner() -> None:
    assert of("MODIFY", NewImage=TOMBSTONE, OldImage=LIVE).image == Image("shop", KEY, None, 8, '{"id":"1"}')


def test_binaries_come_as_bytes() -> None:
    found = of(
        "INSERT", NewImage={"pk": {"S": "a"}, "_v": {"N": "1"}, "b": {"B": b"\0\xff"}, "s": {"BS": [b"b", b"a"]}}
    )
    assert found.image is not None
    assert found.image.item == '{"b":{"B":"AP8="},"pk":{"S":"a"},"s":{"BS":["YQ==","Yg=="]}}'


def test_sets_and_nested_values_are_canonical() -> None:
    item = {"pk": {"S": "a"}, "_v": {"N": "1"}, "s": {"NS": ["2", "1.50"]}, "l": {"L": [{"M": {"x": {"NULL": True}}}]}}
    found = of("INSERT", NewImage=item).image
    assert found is not None
    assert found.item == '{"l":{"L":[{"M":{"x":{"NULL":true}}}]},"pk":{"S":"a"},"s":{"NS":["1.5","2"]}}'


def test_an_item_without_a_version_is_not_ours() -> None:
    foreign = {"pk": {"S": "a"}}
    assert of("INSERT", NewImage=foreign).skipped is Skipped.FOREIGN
    assert of("REMOVE", OldImage=foreign).skipped is Skipped.FOREIGN


def test_a_tombstone_that_is_removed_was_swept() -> None:
    assert of("REMOVE", OldImage=TOMBSTONE).skipped is Skipped.SWEPT


def test_what_dynamodb_removes_for_its_time_to_live_stays_in_the_source() -> None:
    assert of("REMOVE", OldImage=LIVE, userIdentity=TTL).skipped is Skipped.EXPIRED
    other = {"Type": "Service", "PrincipalId": "another.amazonaws.com"}
    assert of("REMOVE", OldImage=LIVE, userIdentity=other).removed


def test_a_live_item_that_is_removed_ends_one_version_later() -> None:
    assert of("REMOVE", OldImage=LIVE) == Told("12", AT, Image("shop", KEY, None, 8, None), removed=True)


def test_a_record_without_an_image_is_refused() -> None:
    with pytest.raises(TargetError, match="without an image"):
        of("MODIFY", OldImage=LIVE)
