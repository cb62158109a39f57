"""Pages of a shard, through what DynamoDB answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pipelines.errors import TargetError
from pipelines.reverse.shard_reader import Page, ShardReader
from pipelines.reverse.shards import Position
from pipelines.target.failures import PassingError

pytestmark = pytest.mark.unit

START, LATER = Position("s", None), Position("s", None, "5")


class _Meta:
    endpoint_url = "http://127.0.0.1:1"


class Scripted:
    """Gives what it is told; `asked`: what it was asked for."""

    meta = _Meta()

    def __init__(self, *answers: Mapping[str, Any] | Exception | str) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.made = 0

    def describe_stream(self, **asked: Any) -> Mapping[str, Any]:
        raise NotImplementedError

    def get_shard_iterator(self, **asked: Any) -> Mapping[str, Any]:
        self.asked.append(asked)
        self.made += 1
        return {"ShardIterator": f"made{self.made}"}

    def get_records(self, **asked: Any) -> Mapping[str, Any]:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer}}, "GetRecords")
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(following: str | None = "next", *records: str) -> dict[str, Any]:
    more = {} if following is None else {"NextShardIterator": following}
    return {"Records": [{"eventID": one} for one in records], **more}


def test_it_begins_at_the_oldest_record_and_goes_on_where_it_was() -> None:
    client = Scripted(page("next", "a"), page("later"))
    reader = ShardReader(client, "shop", "arn")
    assert [one["eventID"] for one in reader.read(START).records] == ["a"]
    reader.read(LATER)
    assert [one.get("ShardIteratorType") for one in client.asked] == ["TRIM_HORIZON", None, None]
    assert client.asked[2]["ShardIterator"] == "next"


def test_a_position_of_an_earlier_relay_is_gone_on_from() -> None:
    client = Scripted(page())
    ShardReader(client, "shop", "arn").read(LATER)
    assert client.asked[0] == {
        "StreamArn": "arn",
        "ShardId": "s",
        "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
        "SequenceNumber": "5",
    }


def test_without_a_next_iterator_the_shard_has_ended() -> None:
    assert ShardReader(Scripted(page(None, "a")), "shop", "arn").read(START).ended
    assert not ShardReader(Scripted(page("next")), "shop", "arn").read(START).ended


def test_an_iterator_that_has_expired_is_made_anew_from_the_position() -> None:
    client = Scripted(page("old", "a"), "ExpiredIteratorException", page("next", "b"))
    reader = ShardReader(client, "shop", "arn")
    reader.read(START)
    assert [one["eventID"] for one in reader.read(LATER).records] == ["b"]
    assert client.asked[3]["SequenceNumber"] == "5"


def test_iterators_that_always_expire_end_it() -> None:
    client = Scripted(*["ExpiredIteratorException"] * 3)
    with pytest.raises(TargetError, match="iterators expire"):
        ShardReader(client, "shop", "arn").read(START)


def test_what_was_trimmed_gone_or_throttled_is_told() -> None:
    answers = "TrimmedDataAccessException", "ResourceNotFoundException", "LimitExceededException"
    reader = ShardReader(Scripted(*answers), "shop", "arn")
    assert reader.read(LATER) == Page(LATER, trimmed=True)
    assert reader.read(LATER) == Page(LATER, gone=True)
    assert reader.read(LATER) == Page(LATER, throttled=True)


def test_a_throttled_shard_is_read_from_its_position_again() -> None:
    client = Scripted(page("next", "a"), "LimitExceededException", page("next", "b"))
    reader = ShardReader(client, "shop", "arn")
    reader.read(START)
    reader.read(LATER)
    reader.read(LATER)
    assert client.asked[3]["SequenceNumber"] == "5"


def test_what_passes_is_told_from_what_does_not() -> None:
    away = EndpointConnectionError(endpoint_url="x")
    with pytest.raises(PassingError):
        ShardReader(Scripted(away), "shop", "arn").read(START)
    with pytest.raises(TargetError, match="GetRecords was refused"):
        ShardReader(Scripted("ValidationException"), "shop", "arn").read(START)
