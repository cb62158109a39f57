"""The reverse relay as a service: shards in order, through what passes, and what it says of itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
import psycopg
import pytest

from pipelines.cli import run
from pipelines.errors import StageError, TargetError
from pipelines.mapping.groups import Group
from pipelines.permissions.grants import grants
from pipelines.permissions.permissions import read_source
from pipelines.permissions.purpose import Purpose
from pipelines.progress import Progress
from pipelines.reverse import drain, follow, relay, serve, standing
from pipelines.reverse import opened as opening
from pipelines.reverse.apply import moving
from pipelines.reverse.apply.applier import Also, nothing_else
from pipelines.reverse.apply.image import Applied, Image, Outcome
from pipelines.reverse.compare import Compared
from pipelines.reverse.compare import compare as compare_all
from pipelines.reverse.drain import Resynced, ReverseDrained, drain_reverse, resync
from pipelines.reverse.health import ReverseHealth, read_reverse_health
from pipelines.reverse.serve import Options, Report, serve_reverse
from pipelines.reverse.shard_reader import Page, ShardReader
from pipelines.reverse.standing import note_resync
from pipelines.reverse.stream_client import ENDPOINT
from pipelines.reverse.streams import enable_stream
from pipelines.reverse.turn import begin_work, taking_turn
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.writes import back
from tests.captured_shop import Captured, database
from tests.delivered_shop import between
from tests.fake_streams import TTL, FakeStreams, Item
from tests.reversed_shop import TABLE, customer_item, order_item, product_item, refill, reversed_shop, set_master

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 20.0
OPTIONS = Options(idle_seconds=0.05, report_seconds=0.1)
FIRST = 2**40


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does every few seconds is done at once."""
    monkeypatch.setattr(relay, "_BEAT_SECONDS", 0.05)
    monkeypatch.setattr(relay, "_ROUND_SECONDS", 0.0)
    monkeypatch.setattr(relay, "REFRESH_SECONDS", 0.3)
    monkeypatch.setattr(serve, "_BEGIN_SECONDS", 0.5)
    monkeypatch.setattr(drain, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(moving, "MOVE_SECONDS", 0.2)


@pytest.fixture(scope="module")
def captured_shop(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "reverse_relay") as url:
        yield reversed_shop(url, tmp_path_factory.mktemp("reversed"))


@pytest.fixture
def shop(captured_shop: Captured, dynamodb_environment: str) -> Captured:
    """Its table has a stream; DynamoDB is the master of all."""
    refill(captured_shop)
    client = dynamodb_client()
    create_tables(captured_shop.migration.mapping, client)
    enable_stream(client, TABLE)
    set_master(captured_shop)
    return captured_shop


@pytest.fixture
def streams(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStreams]:
    """In place of moto's."""
    fake = FakeStreams()
    with fake.serving() as url:
        monkeypatch.setenv(ENDPOINT, url)
        fake.created_at -= 3600
        yield fake


@dataclass
class Recorded:
    """Stands in for an Applier: `images` in the order of their coming. `waits`: keys that cannot be applied."""

    images: list[Image] = field(default_factory=list)
    waits: set[str] = field(default_factory=set)
    fails: int = 0

    def __call__(self, session: Any, plan: Any) -> Recorded:
        self.session = session
        return self

    def apply(self, images: Sequence[Image], also: Also = nothing_else, all_is_read: bool = False) -> list[Applied]:
        with self.session.writing() as connection:
            also(connection)
            if self.fails:
                self.fails -= 1
                raise psycopg.OperationalError
        self.images += images
        return [Applied(one, Outcome.APPLIED) for one in images]

    def versions(self, sku: str) -> list[int]:
        key = json.dumps({"pk": {"S": f"PRODUCT#{sku}"}, "sk": {"S": "PRODUCT"}}, separators=(",", ":"))
        return [one.version - FIRST for one in self.images if one.key == key]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    stand_in = Recorded()
    monkeypatch.setattr(opening, "Applier", stand_in)
    return stand_in


def versioned(item: Item, version: int) -> dict[str, Any]:
    return {**item, "_v": {"N": str(FIRST + version)}}


def key_of(item: Item) -> dict[str, Any]:
    return {name: item[name] for name in ("pk", "sk")}


def told(streams: FakeStreams, sku: str, version: int, at: float | None = None) -> None:
    """A version of a product is written in DynamoDB."""
    item = product_item(sku, f"name {version}")
    streams.put(TABLE, key_of(item), versioned(item, version - 1), versioned(item, version), at=at)


@dataclass
class Serving:
    """A reverse relay in a thread. `reports`: all that it said."""

    shop: Captured
    reports: list[Report] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join()

    def _serve(self) -> None:
        try:
            serve_reverse(self.shop.migration, self.shop.url, OPTIONS, self.stop, self.reports.append)
        except BaseException as error:
            self.failed.append(error)


def health(shop: Captured) -> ReverseHealth:
    with psycopg.connect(shop.url) as connection:
        return read_reverse_health(connection, "reversed")


def drained(shop: Captured) -> ReverseDrained:
    with Progress("reverse relay", None, "items") as progress:
        return drain_reverse(shop.migration, shop.url, progress)


def resynced(shop: Captured) -> Resynced:
    with Progress("resync", None, "items") as progress:
        return resync(shop.migration, shop.url, progress)


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, "it has not come to pass"
        time.sleep(0.02)


def test_there_is_nothing_to_say_before_the_first_one(shop: Captured) -> None:
    assert health(shop) == ReverseHealth(None, 0, 0, None, running=False)
    shop.run("INSERT INTO crossover.reverse_relay (migration, holder, seen_at) VALUES ('reversed', 'me', now())")
    assert health(shop) == ReverseHealth(None, 0, 0, None, running=True)  # it has never caught up
    shop.run("UPDATE crossover.reverse_relay SET seen_at = now() - interval '1 minute', caught_up_at = now()")
    found = health(shop)
    assert (found.running, found.lag_seconds is not None, found.is_in_step) == (False, True, True)
    shop.run("ALTER TABLE crossover.reverse_relay RENAME TO absent")  # as an earlier Crossover's ledger
    assert health(shop) == ReverseHealth(None, 0, 0, None, running=False)
    shop.run("ALTER TABLE crossover.absent RENAME TO reverse_relay")


def test_versions_of_an_item_come_in_order_through_splits(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "REFRESH_SECONDS", 1000.0)  # children are looked for when their parent has ended
    names = [f"P{number}" for number in range(12)]
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: serving.reports)
        for version in range(1, 25):
            time.sleep(0.02)
            for name in names:
                told(streams, name, version)
            if version % 4 == 0:
                streams.split(TABLE, 1 + version % 3 % 2)
        eventually(lambda: len(recorded.images) >= 12 * 24)
    assert serving.failed == []
    assert {name: recorded.versions(name) for name in names} == {name: list(range(1, 25)) for name in names}
    assert all(one.done for one in _positions(shop) if one.shard in _closed(streams))


@dataclass(frozen=True)
class _Position:
    shard: str
    done: bool


def _positions(shop: Captured) -> list[_Position]:
    return [_Position(*row) for row in shop.ask("SELECT shard, done FROM crossover.stream")]


def _closed(streams: FakeStreams) -> set[str]:
    return {one.id for one in streams.shards[TABLE] if one.closed}


def test_a_batch_that_fails_is_told_again_from_where_the_rows_are(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: serving.reports)
        recorded.fails = 2
        for version in range(1, 6):
            told(streams, "A", version)
        eventually(lambda: len(recorded.images) >= 5)
    assert serving.failed == []
    assert recorded.versions("A") == [1, 2, 3, 4, 5]
    assert len([one for one in serving.reports if one.problem]) == 1  # it is told once


def test_it_goes_on_where_the_one_before_has_ended(shop: Captured, streams: FakeStreams, recorded: Recorded) -> None:
    for first in (1, 3):
        for version in (first, first + 1):
            told(streams, "A", version)
        with Serving(shop).at_work():
            eventually(lambda: len(recorded.images) > first)  # noqa: B023 - called at once
        streams.split(TABLE)
    assert recorded.versions("A") == [1, 2, 3, 4]
    assert not health(shop).running


def test_whatever_befalls_requests_nothing_is_left_out_and_nothing_comes_too_early(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    faults = {
        "throttled": 0.02,
        "expired": 0.1,
        "failed": 0.05,
        "reset": 0.05,
        "empty": 0.2,
        "short": 0.5,
        "again": 0.2,
    }
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: serving.reports)
        streams.faults = faults
        for version in range(1, 41):
            for name in ("A", "B", "C"):
                told(streams, name, version)
            if version % 10 == 0:
                streams.split(TABLE)
            time.sleep(0.02)
        eventually(lambda: all(recorded.versions(name)[-1:] == [40] for name in ("A", "B", "C")))
    assert serving.failed == []
    assert set(streams.met) <= set(faults)
    assert len(streams.met) > 3
    for name in ("A", "B", "C"):
        assert list(dict.fromkeys(recorded.versions(name))) == list(range(1, 41))


def test_what_is_not_to_be_applied_is_not(shop: Captured, streams: FakeStreams, recorded: Recorded) -> None:
    live, foreign = versioned(product_item("A", "apple"), 5), product_item("F", "fig")
    tombstone = {**key_of(live), "_v": {"N": str(FIRST + 6)}, "_deleted": {"BOOL": True}}
    streams.put(TABLE, key_of(live), live, None, by=TTL)
    streams.put(TABLE, key_of(live), tombstone, None)
    streams.put(TABLE, key_of(foreign), None, foreign)
    unmapped = {"pk": {"S": "X"}, "sk": {"S": "Y"}, "_v": {"N": "1"}}
    streams.put(TABLE, key_of(unmapped), None, unmapped)
    set_master(shop, "rds_first", "voucher")
    set_master(shop, "dynamodb_only", "customer+order")
    for pk, sk in (("VOUCHER#X", "VOUCHER"), ("CUSTOMER#1", "PROFILE")):
        other = {"pk": {"S": pk}, "sk": {"S": sk}, "_v": {"N": str(FIRST + 9)}}
        streams.put(TABLE, key_of(other), None, other)
    streams.put(TABLE, key_of(live), live, None)
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: recorded.images)
    assert serving.failed == []
    (image,) = recorded.images  # the live item that was removed by hand
    assert (image.item, image.version) == (None, FIRST + 6)
    told_of = {"expired": 1, "swept": 1, "foreign": 1, "elsewhere": 3, "removed": 1, "applied": 1}
    assert serving.reports[-1].tally.counts == told_of


def test_a_group_that_is_switched_while_it_runs_is_applied_from_its_first_write(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    set_master(shop, "rds_first", "product")
    serving = Serving(shop)
    with serving.at_work():
        told(streams, "A", 1)
        eventually(lambda: serving.reports and serving.reports[-1].tally.counts["elsewhere"])
        set_master(shop, "dynamodb_first", "product")
        told(streams, "A", 2)
        eventually(lambda: recorded.images)
    assert recorded.versions("A") == [2]


def test_a_table_whose_first_group_comes_is_followed_at_once(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what is written there would not be applied yet, and the relay would say that it is."""
    monkeypatch.setattr(relay, "REFRESH_SECONDS", 1000.0)
    set_master(shop, "rds_first")
    with Serving(shop).at_work():
        eventually(lambda: health(shop).lag_seconds is not None)
        set_master(shop)
        told(streams, "A", 1)
        eventually(lambda: recorded.versions("A") == [1])


def test_records_that_were_trimmed_unread_ask_for_a_resync(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    told(streams, "A", 1)
    with Serving(shop).at_work():
        eventually(lambda: recorded.images)
        eventually(lambda: health(shop).lag_seconds is not None)
    assert health(shop).resync is None
    told(streams, "A", 2)
    streams.trim(TABLE)
    told(streams, "A", 3)
    with Serving(shop).at_work():
        eventually(lambda: recorded.versions("A") == [1, 3])
    assert "was trimmed before it was read" in (health(shop).resync or "")
    assert not health(shop).is_in_step
    put(versioned(product_item("A", "apple"), 3))
    assert resynced(shop).compared == 1
    assert health(shop).resync is None


def test_a_drain_by_the_streams_waits_for_what_they_tell_late_and_compares_nothing(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "QUIET_SECONDS", 1.0)
    monkeypatch.setattr(drain, "compare", lambda *_: pytest.fail("all items were read"))
    told(streams, "A", 1)
    late = threading.Timer(0.6, told, (streams, "B", 1))
    late.start()
    with Progress("reverse relay", None, "items") as progress:
        drain_reverse(shop.migration, shop.url, progress, by_streams=True)
    late.join()
    assert (recorded.versions("A"), recorded.versions("B")) == ([1], [1])


def test_a_drain_by_the_streams_is_refused_where_they_cannot_have_told_everything(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "QUIET_SECONDS", 0.0)
    refused = r"^the streams cannot have told everything: .* lost; run `crossover relay … --reverse --resync`$"

    def drained_by_streams() -> None:
        with Progress("reverse relay", None, "items") as progress:
            drain_reverse(shop.migration, shop.url, progress, by_streams=True)

    def note() -> None:
        with psycopg.connect(shop.url, autocommit=True) as connection:
            note_resync(connection, "reversed", "lost")

    between(monkeypatch, "pipelines.reverse.drain", "leave", note)
    with pytest.raises(StageError, match=refused):  # it was found while they were read
        drained_by_streams()
    monkeypatch.setattr(drain, "ReverseRelay", lambda *_: pytest.fail("it was begun"))
    with pytest.raises(StageError, match=refused):
        drained_by_streams()


def test_a_note_that_comes_during_a_resync_stands(
    shop: Captured, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(shop.url, autocommit=True) as connection:
        note_resync(connection, "reversed", "before")
        resynced(shop)
        assert health(shop).resync is None
        note_resync(connection, "reversed", "before")
        between(monkeypatch, "pipelines.reverse.drain", "compare", lambda: note_resync(connection, "reversed", "again"))
        resynced(shop)
    assert (health(shop).resync or "").endswith("Z again")


def test_shards_that_were_trimmed_unread_ask_for_a_resync(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    told(streams, "A", 1)
    with Serving(shop).at_work():
        eventually(lambda: recorded.images)
    streams.split(TABLE)
    streams.split(TABLE)
    streams.trim(TABLE)
    with Serving(shop).at_work():
        eventually(lambda: health(shop).resync)
    assert "lost" in (health(shop).resync or "")


def test_a_stream_that_was_made_anew_asks_for_a_resync(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    with Serving(shop).at_work():
        eventually(lambda: health(shop).lag_seconds is not None)
    assert health(shop).resync is None
    client = dynamodb_client()
    client.delete_table(TableName=TABLE)
    create_tables(shop.migration.mapping, client)
    with Serving(shop).at_work():
        eventually(lambda: health(shop).resync)
    assert "was made anew" in (health(shop).resync or "")
    (arn,) = {row[0] for row in shop.ask("SELECT DISTINCT stream_arn FROM crossover.stream")}
    assert arn == client.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]


@pytest.mark.parametrize(
    ("changed_at", "made", "why"),
    [
        ("now() - interval '24 hours'", -90_000.0, "read for the first time"),
        ("now() - interval '1 hour'", 0.0, "was made after DynamoDB had become the master"),
        ("now() - interval '1 hour'", -7200.0, None),
    ],
)
def test_a_stream_that_is_read_for_the_first_time(
    shop: Captured, streams: FakeStreams, recorded: Recorded, changed_at: str, made: float, why: str | None
) -> None:
    shop.run(f"UPDATE crossover.master SET changed_at = {changed_at} WHERE group_name = 'voucher'")
    streams.created_at = time.time() + made
    with Serving(shop).at_work():
        eventually(lambda: health(shop).lag_seconds is not None)
    found = health(shop).resync
    assert found is None if why is None else why in (found or "")


def test_who_has_been_away_for_longer_than_records_are_kept_asks_for_a_resync(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    with Serving(shop).at_work():
        eventually(lambda: health(shop).lag_seconds is not None)
    shop.run("UPDATE crossover.reverse_relay SET caught_up_at = now() - interval '23 hours 1 minute'")
    with Serving(shop).at_work():
        eventually(lambda: health(shop).resync)
    assert "over 23 hours" in (health(shop).resync or "")


def test_positions_are_forgotten_once_nothing_of_a_table_is_dynamodbs(
    shop: Captured, streams: FakeStreams, recorded: Recorded
) -> None:
    with Serving(shop).at_work():
        eventually(lambda: _positions(shop))
        set_master(shop, "rds_first")
        eventually(lambda: not _positions(shop))


def test_there_is_one_at_a_time(shop: Captured, streams: FakeStreams, recorded: Recorded) -> None:
    first, second = Serving(shop), Serving(shop)
    with first.at_work():
        eventually(lambda: health(shop).running)
        with second.at_work():
            eventually(lambda: second.failed)
    assert first.failed == []
    assert [type(one) for one in second.failed] == [StageError]
    assert "at work" in str(second.failed[0])


def test_it_stands_aside_for_a_drain_and_goes_on(shop: Captured, streams: FakeStreams, recorded: Recorded) -> None:
    serving = Serving(shop)
    with serving.at_work():
        told(streams, "A", 1)
        eventually(lambda: recorded.images)
        put(versioned(product_item("B", "bread"), 7))  # of which the stream tells nothing
        told(streams, "A", 2)
        assert drained(shop) == ReverseDrained(applied=2, waiting=0, set_apart=0) or recorded.versions("A") == [1, 2]
        assert recorded.versions("B") == [7]
        told(streams, "A", 3)
        eventually(lambda: recorded.versions("A") == [1, 2, 3])
    assert serving.failed == []


def test_a_drain_does_not_wait_for_ever(shop: Captured, streams: FakeStreams, recorded: Recorded) -> None:
    with psycopg.connect(shop.url, autocommit=True) as one, psycopg.connect(shop.url, autocommit=True) as other:
        assert begin_work(one, "reversed")
        with pytest.raises(StageError, match="does not stand aside"), taking_turn(other, "reversed", 0.2):
            pass
        assert begin_work(one, "another")
        with taking_turn(other, "third", 0.2):
            pass


def test_an_empty_page_is_not_taken_for_the_tip(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams.hollow = 2
    for name in "ABCDEFGH":
        told(streams, name, 1)
    beats: list[int] = []
    real = standing.beat

    def noted(connection: Any, migration: str, holder: str, caught_up_at: Any = None) -> None:
        beats.extend([len(recorded.images)] if caught_up_at else [])
        real(connection, migration, holder, caught_up_at)

    monkeypatch.setattr(relay, "beat", noted)
    with Serving(shop).at_work():
        eventually(lambda: beats)
    assert beats[0] == 8


def test_a_shard_that_is_never_idle_is_as_far_as_its_last_record(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[else an application that never rests would never be caught up with]"""
    monkeypatch.setattr(relay, "IDLE_PAGES", 10**9)
    for name in "ABCDEFGH":
        told(streams, name, 1, at=time.time() - 100)
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: 90 < (health(shop).lag_seconds or 0) < 120)
        for name in "ABCDEFGH":
            told(streams, name, 2)
        eventually(lambda: (health(shop).lag_seconds or 99) < 10)
    assert serving.failed == []


def test_the_lag_is_that_of_the_shard_that_is_furthest_behind(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: (health(shop).lag_seconds or 9.0) < 2.0)
        assert health(shop).running
    monkeypatch.setattr(follow, "enable_stream", _away)
    lag = health(shop).lag_seconds
    assert lag is not None
    time.sleep(0.3)
    assert (health(shop).lag_seconds or 0.0) >= lag + 0.25


def _away(*_: Any) -> str:
    raise TargetError("away")


def test_another_view_of_a_stream_is_refused(shop: Captured, recorded: Recorded) -> None:
    client = dynamodb_client()
    client.delete_table(TableName=TABLE)
    create_tables(shop.migration.mapping, client)
    client.update_table(TableName=TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: serving.failed)
    assert "its stream has NEW_IMAGE, the reverse relay needs NEW_AND_OLD_IMAGES" in str(serving.failed[0])


def test_motos_own_stream(shop: Captured, recorded: Recorded) -> None:
    """With what DynamoDB's own API writes into it: binaries, sets, removals."""
    item = {**product_item("A", "apple"), "b": {"B": b"\0\xff"}, "s": {"NS": ["2", "10"]}}
    put(versioned(item, 1))
    put(versioned(product_item("A", "pear"), 2))
    boto3.client("dynamodb").delete_item(TableName=TABLE, Key=key_of(item))
    serving = Serving(shop)
    with serving.at_work():
        eventually(lambda: len(recorded.images) == 3)
    assert serving.failed == []
    assert recorded.versions("A") == [1, 2, 3]
    assert '"b":{"B":"AP8="}' in (recorded.images[0].item or "")
    assert recorded.images[2].item is None


def put(item: Item) -> None:
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)


# With the real applier from here on.


def customer(number: int, version: int, name: str = "Eve") -> dict[str, Any]:
    return versioned(customer_item(number, name), version)


def order(number: int, of: int, version: int) -> dict[str, Any]:
    return versioned(order_item(number, of, "Eve"), version)


def written(streams: FakeStreams, *items: dict[str, Any]) -> None:
    """In DynamoDB, and told by its stream."""
    for item in items:
        put(item)
        streams.put(TABLE, key_of(item), None, item)


def tombstone(item: Item, version: int) -> dict[str, Any]:
    return {**key_of(item), "_v": {"N": str(FIRST + version)}, "_deleted": {"BOOL": True}}


def removed(streams: FakeStreams, item: dict[str, Any]) -> None:
    """By hand, without a tombstone."""
    boto3.client("dynamodb").delete_item(TableName=TABLE, Key=key_of(item))
    streams.put(TABLE, key_of(item), item, None)


def customers(shop: Captured) -> list[tuple[int, str]]:
    return [tuple(row) for row in shop.ask("SELECT customer_id, name FROM customers ORDER BY 1")]


@pytest.fixture
def empty(shop: Captured) -> Captured:
    refill(shop, ())
    set_master(shop)
    return shop


def test_an_item_that_waits_for_another_is_applied_when_that_has_come(empty: Captured, streams: FakeStreams) -> None:
    written(streams, order(1, 7, 1))
    serving = Serving(empty)
    with serving.at_work():
        eventually(lambda: health(empty).waiting)
        assert not health(empty).is_in_step
        eventually(lambda: any("foreign key" in why for why, _ in serving.reports[-1].waits))
        written(streams, customer(7, 1))
        eventually(lambda: not health(empty).waiting)
        assert empty.ask("SELECT order_no, customer_id FROM orders") == [(1, 7)]
    assert serving.failed == []


def test_a_removed_item_that_had_to_wait_goes_when_it_can(empty: Captured, streams: FakeStreams) -> None:
    """[else nothing tells any more that it has gone: there is no tombstone]"""
    written(streams, customer(7, 1), order(1, 7, 1))
    with Serving(empty).at_work():
        eventually(lambda: empty.ask("SELECT FROM orders"))
        removed(streams, customer(7, 1))
        eventually(lambda: health(empty).waiting)
    with Serving(empty).at_work():  # another one
        removed(streams, order(1, 7, 1))
        eventually(lambda: not empty.ask("SELECT FROM orders"))
        empty.run("UPDATE crossover.reverse SET due = now()")
        eventually(lambda: not customers(empty))
        eventually(lambda: not health(empty).waiting)


def test_what_waits_and_is_gone_by_its_time_to_live_is_left(empty: Captured, streams: FakeStreams) -> None:
    item = order(1, 7, 1)
    written(streams, item)
    with Serving(empty).at_work():
        eventually(lambda: health(empty).waiting)
        boto3.client("dynamodb").delete_item(TableName=TABLE, Key=key_of(item))
        streams.put(TABLE, key_of(item), item, None, by=TTL)
        eventually(lambda: not health(empty).waiting)
    assert empty.ask("SELECT FROM orders") == []


def test_a_row_that_moved_and_went_before_anybody_looked_is_gone(empty: Captured, streams: FakeStreams) -> None:
    """[the row is still at the first key when the second key's tombstone is read: that is not a row that moved on]"""
    written(streams, customer(7, 1), customer(8, 1), order(1, 7, 1))
    drained(empty)
    old, new = order(1, 7, 2), order(1, 8, 3)
    written(streams, tombstone(old, 2), new, tombstone(new, 4))
    assert drained(empty) == ReverseDrained(applied=1, waiting=0, set_apart=0)
    assert empty.ask("SELECT FROM orders") == []


def test_a_row_that_moves_while_a_drain_scans_keeps_what_its_item_does_not_hold(
    empty: Captured, streams: FakeStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[the scan comes upon the tombstone, and had passed the new key before the row's item was there]"""
    written(streams, customer(7, 1), customer(8, 1), order(1, 7, 1))
    drained(empty)
    empty.run("UPDATE orders SET clerk = 'Cleo'")

    def scanned(*args: Any) -> Compared:
        put(tombstone(order(1, 7, 2), 2))
        found = compare_all(*args)
        written(streams, order(1, 8, 3))
        return found

    monkeypatch.setattr(drain, "compare", scanned)
    assert drained(empty) == ReverseDrained(applied=1, waiting=0, set_apart=0)
    assert empty.ask("SELECT customer_id, clerk FROM orders") == [(8, "Cleo")]


def test_a_drain_is_exact_whatever_the_stream_tells(empty: Captured, streams: FakeStreams) -> None:
    put(order(1, 7, 1))  # the scan may come upon it before its customer
    put(customer(7, 3, "Ann"))
    written(streams, customer(8, 1))
    put(product_item("F", "foreign"))
    assert drained(empty) == ReverseDrained(applied=3, waiting=0, set_apart=0)
    assert customers(empty) == [(7, "Ann"), (8, "Eve")]
    assert empty.ask("SELECT order_no FROM orders") == [(1,)]
    assert drained(empty).applied == 0
    assert resynced(empty) == Resynced(compared=4, applied=0, waiting=0, set_apart=0, foreign=1)


def test_what_cannot_be_applied_is_told_and_holds_up_no_other(empty: Captured, streams: FakeStreams) -> None:
    bad = versioned({**product_item("A", "apple"), "stock": {"S": "many"}}, 1)
    written(streams, bad, versioned(product_item("B", "bread"), 1))
    found = drained(empty)
    assert (found.applied, found.waiting, found.set_apart) == (1, 1, 1)
    assert "stock" in found.problems[0]
    assert "many" not in found.problems[0]
    assert health(empty).set_apart == 1
    written(streams, versioned(product_item("A", "apple"), 2))
    assert drained(empty) == ReverseDrained(applied=1, waiting=0, set_apart=0)


def test_what_waits_of_another_group_is_no_matter_of_this_one(empty: Captured, streams: FakeStreams) -> None:
    bad = versioned({**product_item("A", "apple"), "stock": {"S": "many"}}, 1)
    written(streams, bad, order(1, 7, 1))
    with psycopg.connect(empty.url, autocommit=True) as connection:
        note_resync(connection, "reversed", "lost")
    with Progress("reverse relay", None, "items") as progress:
        found = drain_reverse(empty.migration, empty.url, progress, item_types=frozenset({"voucher"}))
        assert (found.waiting, found.set_apart, found.problems) == (0, 0, ())
        assert "lost" in (health(empty).resync or "")  # not all that are kept up were read
        found = drain_reverse(empty.migration, empty.url, progress, item_types=frozenset({"customer", "order"}))
        assert (found.waiting, found.set_apart) == (1, 0)
        assert "foreign key" in found.problems[0]
    assert health(empty).waiting == 2  # the other's waits still
    assert drained(empty).waiting == 2
    assert health(empty).resync is None


def test_what_is_not_kept_up_is_neither_applied_nor_waits(empty: Captured, streams: FakeStreams) -> None:
    set_master(empty, "dynamodb_only", "product")
    put(versioned(product_item("A", "apple"), 1))
    put(versioned({**product_item("B", "bread"), "stock": {"S": "many"}}, 1))
    assert drained(empty) == ReverseDrained(applied=0, waiting=0, set_apart=0)
    assert resynced(empty) == Resynced(compared=0, applied=0, waiting=0, set_apart=0)


@pytest.mark.parametrize("by_streams", [False, True])
def test_a_drain_of_which_the_streams_tell_nothing_ends(
    shop: Captured, streams: FakeStreams, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, by_streams: bool
) -> None:
    monkeypatch.setattr(drain, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(ShardReader, "read", lambda _, position: Page(position, throttled=True))
    why = r"told nothing more, .* of table reversed, of which DynamoDB throttles [1-9]: two readers"
    with pytest.raises(StageError, match=why), Progress("reverse relay", None, "items") as progress:
        drain_reverse(shop.migration, shop.url, progress, by_streams=by_streams)


def test_who_waits_for_its_turn_is_told_when_the_time_is_up(shop: Captured, recorded: Recorded) -> None:
    with psycopg.connect(shop.url, autocommit=True) as other:
        assert begin_work(other, "reversed")
        began = time.monotonic()
        with pytest.raises(StageError, match="when the time was up"), back._Until(began + 0.5, "product") as progress:
            drain_reverse(shop.migration, shop.url, progress)
        assert time.monotonic() - began < 30.0


def test_a_group_that_goes_back_drains_its_own_item_types(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def drained(*_: Any, **how: Any) -> ReverseDrained:
        asked.update(how)
        return ReverseDrained(0, 0, 0)

    monkeypatch.setattr(back, "drain_reverse", drained)
    scene: Any = SimpleNamespace(group=Group(("customer", "order"), ()), migration=None, url="")
    back._drain(scene, None)
    assert asked == {"by_streams": False, "at_rest": False, "item_types": frozenset({"customer", "order"})}


def test_what_waits_of_a_group_that_is_the_sources_again_is_not_applied(empty: Captured, streams: FakeStreams) -> None:
    written(streams, order(1, 7, 1))
    with Serving(empty).at_work():
        eventually(lambda: health(empty).waiting)
    set_master(empty, "rds_first")
    empty.run("INSERT INTO customers (customer_id, name) OVERRIDING SYSTEM VALUE VALUES (7, 'Eve')")
    with Serving(empty).at_work():
        eventually(lambda: not health(empty).waiting)
    assert empty.ask("SELECT FROM orders") == []


@pytest.fixture
def role(empty: Captured) -> Iterator[Captured]:
    """The shop as somebody who has nothing but what `crossover permissions` prints for the reverse relay."""
    name, mapping = "only_reverse", empty.migration.mapping
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hunter2'".encode())
        for statement in grants(Purpose.REVERSE, read_source(mapping, empty.url), name):
            connection.execute(statement.sql.encode())
        yield Captured(re.sub("//[^@]*@", f"//{name}:hunter2@", empty.url), empty.migration)
        connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def test_a_role_can_do_it_with_what_is_printed_for_it(empty: Captured, role: Captured, streams: FakeStreams) -> None:
    one = versioned(order_item(1, 7, "Eve", [(1, 1, "A", 2)]), 1)
    bad = versioned({**product_item("A", "apple"), "stock": {"S": "many"}}, 1)
    written(streams, customer(7, 1), customer(8, 1), one, bad, versioned(product_item("B", "bread"), 1))
    with Serving(role).at_work():
        eventually(lambda: health(empty).set_apart and len(customers(empty)) == 2)
    streams.split(TABLE)
    written(streams, tombstone(one, 2), customer(7, 2, "Ann"), tombstone(customer(8, 1), 2))
    assert (drained(role).waiting, resynced(role).waiting) == (1, 1)
    assert (customers(empty), empty.ask("SELECT FROM orders"), health(empty).running) == ([(7, "Ann")], [], False)


def crossover(shop: Captured, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "CROSSOVER_WAREHOUSE": str(shop.migration.path.parent / "warehouse"),
        "CROSSOVER_SOURCE_URL": shop.url,
    }
    command = [sys.executable, "-P", "-m", "pipelines.cli", "relay", str(shop.migration.path), "--reverse", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def in_process(
    empty: Captured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`crossover relay` with these options: its exit, and all that it says."""
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", empty.url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(empty.migration.path.parent / "warehouse"))

    def run_with(*options: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(["relay", str(empty.migration.path), *options])
        return code, "".join(capsys.readouterr())

    return run_with


def test_the_command_ends_by_sigterm_and_a_second_one_is_refused(
    empty: Captured, in_process: Callable[..., tuple[int, str]]
) -> None:
    put(customer(7, 1))
    first = crossover(empty, "--json")
    eventually(lambda: customers(empty))
    code, told_of = in_process("--reverse")
    assert (code, len(told_of.splitlines())) == (2, 1)
    assert "another reverse relay of reversed is at work" in told_of
    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 0
    assert json.loads(out)["counts"] == {"applied": 1}
    assert not health(empty).running


def test_the_commands_say_what_they_have_done(empty: Captured, in_process: Callable[..., tuple[int, str]]) -> None:
    put(customer(7, 1))
    put(versioned({**product_item("A", "apple"), "stock": {"S": "many"}}, 1))
    code, told = in_process("--reverse", "--drain")
    assert (code, "1 items applied, 1 wait, 1 of them set apart" in told) == (1, True)
    code, told = in_process("--reverse", "--status")
    assert (code, "not at work" in told, "1 wait: " in told) == (0, True, True)
    code, told = in_process("--reverse", "--status", "--json")
    document = json.loads(told)
    assert {*document} == {"migration", "lag_seconds", "waiting", "set_apart", "resync", "running", "problems"}
    code, told = in_process("--reverse", "--resync", "--json")
    assert (code, json.loads(told)["compared"]) == (1, 2)
    replay, metrics = ("--reverse", "--replay", "--item-type", "order"), ("--reverse", "--metrics", "cloudwatch")
    for wrong in (("--resync",), ("--reverse", "--pause"), replay, metrics):
        code, told = in_process(*wrong)
        assert (code, "reverse" in told) == (2, True)
