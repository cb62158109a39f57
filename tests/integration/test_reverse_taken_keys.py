"""A key that another row takes: the delete of the row that had it is not lost, whatever comes first and whatever waits.

A user's key is made of the e-mail address, and does not name the row: items bear `_s`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from pipelines.deliver.opened import opened_ledger
from pipelines.items.canonical import canonical_item
from pipelines.progress import Progress
from pipelines.reverse import drain
from pipelines.reverse.apply import moving
from pipelines.reverse.apply.image import Image
from pipelines.reverse.drain import drain_reverse
from pipelines.reverse.opened import Opened, opened_reverse
from pipelines.reverse.stream_client import ENDPOINT
from pipelines.reverse.streams import enable_stream
from pipelines.reverse.tally import Tally
from pipelines.reverse.waiting_items import try_all, try_waiting
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from tests.captured_shop import Captured, captured, database
from tests.fake_streams import FakeStreams
from tests.reversed_shop import source_key

pytestmark = pytest.mark.integration

FIRST = 2**40
USERS = frozenset({"user"})
SCHEMA = """
CREATE TABLE users (user_id int PRIMARY KEY, email text NOT NULL, password text NOT NULL DEFAULT 'none');
CREATE TABLE tokens (user_id int REFERENCES users, token text);
"""
MAPPING = """
migration: taken
target: {tables: {users: {partition_key: {name: pk, type: S}}}}
items:
  user: {table: users, from: users, key: {pk: "USER#{email}"}, exclude: [password]}
"""


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "reverse_taken") as url:
        yield captured(url, tmp_path_factory.mktemp("taken"), SCHEMA, MAPPING)


@pytest.fixture
def shop(installed: Captured, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Captured:
    """User 6 is there, in the source alone."""
    installed.run(
        "TRUNCATE users, tokens",
        "ALTER TABLE users DROP CONSTRAINT IF EXISTS users_email_key",
        "INSERT INTO users VALUES (6, 'ann@x', 'secret')",
        "DELETE FROM crossover.reverse",
        "DELETE FROM crossover.master",
        "DELETE FROM crossover.stream",
        "DELETE FROM crossover.reverse_relay",
        "INSERT INTO crossover.master (migration, group_name, item_types, phase)"
        " VALUES ('taken', 'user', '{user}', 'dynamodb_first')",
    )
    installed.forget()
    client = dynamodb_client()
    create_tables(installed.migration.mapping, client)
    enable_stream(client, "users")
    monkeypatch.setattr(drain, "_PAUSE_SECONDS", 0.0)
    return installed


def each_address_once(shop: Captured, once: bool = True) -> None:
    if once:
        shop.run("ALTER TABLE users ADD UNIQUE (email)")


def user(number: int, version: int, *, gone: bool = False) -> dict[str, Any]:
    """At the key that both have, as the protocol writes it."""
    item = {"pk": {"S": "USER#ann@x"}, "_v": {"N": str(FIRST + version)}, "_s": {"S": source_key(user_id=number)}}
    if gone:
        return {**item, "_deleted": {"BOOL": True}}
    return {**item, "user_id": {"N": str(number)}, "email": {"S": "ann@x"}}


def put(item: dict[str, Any]) -> None:
    boto3.client("dynamodb").put_item(TableName="users", Item=item)


def image(number: int, version: int, *, gone: bool = False) -> Image:
    item = user(number, version, gone=gone)
    own = {name: value for name, value in item.items() if not name.startswith("_")}
    content = None if gone else canonical_item(own)
    return Image("users", canonical_item({"pk": item["pk"]}), content, FIRST + version, source_key(user_id=number))


def users(shop: Captured) -> list[int]:
    return [number for (number,) in shop.ask("SELECT user_id FROM users ORDER BY 1")]


def waiting(shop: Captured) -> int:
    return len(shop.ask("SELECT FROM crossover.reverse"))


@contextmanager
def opened(shop: Captured) -> Iterator[Opened]:
    with opened_ledger(shop.migration, shop.url) as ledger, opened_reverse(shop.migration, ledger) as found:
        yield found


def applied(shop: Captured, *batches: Sequence[Image], all_is_read: bool = False) -> list[str]:
    """What became of each; user 9's item is what DynamoDB has."""
    put(user(9, 1))
    with opened(shop) as reverse:
        return [
            one.outcome.value for images in batches for one in reverse.applier.apply(images, all_is_read=all_is_read)
        ]


def tried(shop: Captured) -> None:
    """As often as it helps, all having been read."""
    with opened(shop) as reverse:
        try_all(reverse, USERS, Tally(), all_is_read=True)


GONE, COMES = image(6, 1, gone=True), image(9, 1)


@pytest.mark.parametrize(
    ("once", "batches"), [(False, [[GONE, COMES]]), (False, [[GONE], [COMES]]), (True, [[COMES, GONE]])]
)
def test_a_tombstone_that_waits_for_its_row_to_appear_elsewhere(
    shop: Captured, once: bool, batches: list[list[Image]]
) -> None:
    each_address_once(shop, once)
    found = applied(shop, *batches)
    assert "waits" in found
    assert 6 in users(shop)
    tried(shop)
    assert (users(shop), waiting(shop)) == ([9], 0)


def test_a_relay_that_lives_comes_to_it_when_it_is_due(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    each_address_once(shop)
    applied(shop, [GONE], [COMES])
    monkeypatch.setattr(moving, "MOVE_SECONDS", 0.0)
    with opened(shop) as reverse:
        for _ in range(3):
            shop.run("UPDATE crossover.reverse SET due = now() - interval '1 second'")
            try_waiting(reverse, USERS, Tally())
    assert (users(shop), waiting(shop)) == ([9], 0)


@pytest.mark.parametrize(("once", "batches"), [(False, [[GONE, COMES]]), (True, [[GONE], [COMES]])])
def test_a_tombstone_that_waits_for_a_foreign_key(shop: Captured, once: bool, batches: list[list[Image]]) -> None:
    each_address_once(shop, once)
    shop.run("INSERT INTO tokens VALUES (6, 't')")
    assert "waits" in applied(shop, *batches, all_is_read=True)
    tried(shop)
    assert 6 in users(shop)
    assert waiting(shop)
    shop.run("DELETE FROM tokens")
    tried(shop)
    assert (users(shop), waiting(shop)) == ([9], 0)


def test_nothing_waits_where_nothing_has_to(shop: Captured) -> None:
    each_address_once(shop)
    assert applied(shop, [COMES, GONE], all_is_read=True) == ["applied", "applied"]
    assert (users(shop), waiting(shop)) == ([9], 0)


def test_a_tombstone_that_waits_may_be_swept_meanwhile(shop: Captured) -> None:
    with opened(shop) as reverse:
        assert [one.outcome.value for one in reverse.applier.apply([GONE])] == ["waits"]
    tried(shop)
    assert (users(shop), waiting(shop)) == ([], 0)


def test_the_newest_state_of_a_row_is_what_waits(shop: Captured) -> None:
    """[else a row that is there again would go by the tombstone before]"""
    shop.run("INSERT INTO tokens VALUES (6, 't')")
    with opened(shop) as reverse:
        reverse.applier.apply([GONE], all_is_read=True)
        assert waiting(shop) == 1
        put(user(6, 2))
        assert [one.outcome.value for one in reverse.applier.apply([image(6, 2)])] == ["applied"]
    assert waiting(shop) == 0
    tried(shop)
    assert users(shop) == [6]


def test_an_item_that_tells_its_row_takes_the_place_of_one_that_did_not(shop: Captured) -> None:
    shop.run("DELETE FROM users")
    nameless = Image("users", COMES.key, None, FIRST + 1, None)
    with opened(shop) as reverse:
        assert [one.outcome.value for one in reverse.applier.apply([nameless])] == ["waits"]
    assert applied(shop, [COMES]) == ["applied"]
    assert (users(shop), waiting(shop)) == ([9], 0)


def test_an_owner_that_no_row_can_have_is_noted_like_any_other(shop: Captured) -> None:
    """PostgreSQL's text holds no U+0000."""
    bad = Image("users", COMES.key, None, FIRST + 1, '{"user_id":"6\0"}')
    with opened(shop) as reverse:
        assert [one.outcome.value for one in reverse.applier.apply([bad, bad])] == ["waits", "waits"]
    assert (waiting(shop), users(shop)) == (1, [6])


def test_a_drain_reads_both_from_the_stream(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    each_address_once(shop)
    streams = FakeStreams()
    with streams.serving() as url:
        monkeypatch.setenv(ENDPOINT, url)
        streams.created_at -= 3600
        was = None
        for item in (user(6, 1, gone=True), user(9, 1)):
            put(item)
            streams.put("users", {"pk": item["pk"]}, was, item)
            was = item
        with Progress("reverse relay", None, "items") as progress:
            found = drain_reverse(shop.migration, shop.url, progress)
    assert (found.waiting, found.set_apart) == (0, 0)
    assert (users(shop), waiting(shop)) == ([9], 0)
