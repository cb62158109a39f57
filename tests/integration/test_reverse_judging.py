"""Differences judged where DynamoDB is the master, on PostgreSQL and DynamoDB: what the reverse relay has yet to apply
is on its way, for as long as the mapping lets it be; everything else is wrong as ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipelines.deliver.opened import opened_ledger
from pipelines.diff import again
from pipelines.items.canonical import canonical_item
from pipelines.judging import judge as judging
from pipelines.judging.opened import opened_judge
from pipelines.mapping.groups import groups_of
from pipelines.reverse.apply.applier import Applier
from pipelines.reverse.apply.image import Image, Outcome
from pipelines.source.ledger.guards import guards_of, leftover_steps
from pipelines.source.ledger.relations import read_relations
from pipelines.source.ledger.steps import connect_writable, run_steps
from pipelines.warehouse.manifest import DiffManifest
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import EPOCH, MAPPING, SCHEMA, Delivering
from tests.integration.test_judging import (
    QUICKLY,
    change,
    emptied,
    of_order,
    order,
    order_key,
    put,
    remove,
    verdicts,
    whole_order,
)
from tests.online_verification import compared, prepared

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def captured_once(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "reverse_judging") as url:
        yield captured(url, tmp_path_factory.mktemp("judging"), SCHEMA, MAPPING + QUICKLY)


@pytest.fixture
def shop(captured_once: Captured, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivering]:
    """Four orders on both sides; DynamoDB is their master, and the source is guarded. The reverse relay has caught up
    a second ago."""
    monkeypatch.setattr(judging, "PAUSE_SECONDS", 0.01)
    shop = emptied(captured_once, monkeypatch)
    shop.run("INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 4) n")
    shop.drain()
    shop.run(
        "INSERT INTO crossover.master (migration, group_name, item_types, phase)"
        " VALUES ('small', 'order', '{order}', 'dynamodb_first')"
    )
    caught_up(shop, "now() - interval '1 second'")
    guard(captured_once)
    yield shop
    with connect_writable(captured_once.url) as connection:
        run_steps(connection, leftover_steps(connection, "small"))
    shop.run("DELETE FROM crossover.master", "DELETE FROM crossover.reverse_relay", "DELETE FROM crossover.reverse")


def guard(shop: Captured) -> None:
    group = groups_of(shop.plan())[0]
    with connect_writable(shop.url) as connection:
        run_steps(connection, guards_of("small", group, read_relations(connection, group.tables)).up_steps())


def caught_up(shop: Delivering, when: str) -> None:
    shop.run(
        f"INSERT INTO crossover.reverse_relay (migration, caught_up_at) VALUES ('small', {when})"
        " ON CONFLICT (migration) DO UPDATE SET caught_up_at = EXCLUDED.caught_up_at"
    )


def verified(shop: Delivering) -> DiffManifest:
    return compared(shop.shop, prepared(shop.shop))


def written(id: int, note: str, version: int) -> None:
    """By the application."""
    put("orders", {**whole_order(id), "note": {"S": note}, "_v": {"N": str(EPOCH + version)}})


def test_what_is_not_applied_yet_is_pending_and_all_else_is_wrong(shop: Delivering) -> None:
    written(1, "new", 2)
    written(2, "bad", 1)
    remove("orders", of_order(3))
    change("orders", of_order(4), _v={"N": str(2 * EPOCH)})
    written(9, "new", 1)
    assert verdicts(shop.shop, *map(order, (1, 2, 3, 4)), order(9, known=False)) == [
        "follows pending",
        "i mismatch",
        "l missing",
        "c ahead",
        "follows pending",
    ]


def test_what_is_applied_meanwhile_is_no_difference(shop: Delivering) -> None:
    item = {**whole_order(1), "note": {"S": "new"}}
    written(1, "new", 2)

    def apply(_seconds: float) -> None:
        with opened_ledger(shop.shop.migration, shop.shop.url) as ledger:
            found = Applier(ledger.session, ledger.plan).apply(
                [Image("orders", order_key(1, 1), canonical_item(item), EPOCH + 2)]
            )
        assert [one.outcome for one in found] == [Outcome.APPLIED], found

    with opened_judge(shop.shop.migration, shop.shop.url) as judge:
        judge.options = replace(judge.options, pause=apply)
        (judged,) = judge.judge("order", [order(1)])
    assert judged.ruling.rule == "f"


def test_where_the_source_was_written_all_the_same_nothing_is_on_its_way_to_the_target(shop: Delivering) -> None:
    applying = "SELECT set_config('crossover.applying', 'on', true)"
    shop.run(f"BEGIN; {applying}; UPDATE orders SET note = 'new' WHERE id = 1; COMMIT")
    assert verdicts(shop.shop, order(1)) == ["m stale"]


def test_a_verification_passes_what_is_pending_for_a_moment(shop: Delivering) -> None:
    written(1, "new", 2)
    manifest = verified(shop)
    assert (manifest.verdicts.pending, manifest.consistent) == (1, True), manifest.reasons


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("now() - interval '1 hour'", "not applied for 3,6"),
        ("NULL", "no reverse relay has caught up yet"),
    ],
)
def test_but_not_for_too_long(shop: Delivering, when: str, told: str) -> None:
    written(1, "new", 2)
    caught_up(shop, when)
    manifest = verified(shop)
    assert (manifest.verdicts.pending, manifest.consistent) == (1, False)
    assert any(told in reason for reason in manifest.reasons), manifest.reasons


def test_what_waits_is_as_old_as_it_is(shop: Delivering) -> None:
    written(1, "new", 2)
    shop.run(
        "INSERT INTO crossover.reverse (migration, table_name, key, since)"
        f" VALUES ('small', 'orders', '{order_key(1, 1)}', now() - interval '1 hour')"
    )
    manifest = verified(shop)
    assert not manifest.consistent
    assert any("not applied for 3,6" in reason for reason in manifest.reasons), manifest.reasons


def told(shop: Delivering) -> None:
    """The reverse relay has long followed the group, and has told all that the next minute's verifications can see."""
    shop.run("UPDATE crossover.master SET changed_at = now() - interval '10 minutes'")
    caught_up(shop, "now() + interval '1 minute'")


def test_what_no_reverse_relay_will_apply_is_ahead(shop: Delivering) -> None:
    """Its record never came by the stream."""
    written(1, "new", 2)
    told(shop)
    manifest = verified(shop)
    assert (manifest.verdicts.ahead, manifest.verdicts.pending, manifest.consistent) == (1, 0, False)


def test_but_not_what_waits(shop: Delivering) -> None:
    written(1, "new", 2)
    told(shop)
    shop.run(
        f"INSERT INTO crossover.reverse (migration, table_name, key) VALUES ('small', 'orders', '{order_key(1, 1)}')"
    )
    manifest = verified(shop)
    assert (manifest.verdicts.ahead, manifest.verdicts.pending, manifest.consistent) == (0, 1, True)


def test_nor_what_was_written_since_the_dump(shop: Delivering) -> None:
    written(1, "new", 2)
    told(shop)
    dumped = prepared(shop.shop)
    written(1, "newer", 3)
    manifest = compared(shop.shop, dumped)
    assert (manifest.verdicts.ahead, manifest.verdicts.pending) == (0, 1)


@pytest.mark.parametrize(
    "untold",
    [
        "UPDATE crossover.reverse_relay SET caught_up_at = now() + interval '4 seconds'",  # streams take their time
        "UPDATE crossover.master SET changed_at = now() + interval '5 seconds'",  # a relay does not follow it at once
        "UPDATE crossover.reverse_relay SET resync = 'the stream was trimmed'",
        "UPDATE crossover.master SET phase = 'dynamodb_only'",
        "UPDATE crossover.reverse_relay SET caught_up_at = NULL",
    ],
)
def test_nor_what_the_relay_may_not_have_told(shop: Delivering, untold: str) -> None:
    written(1, "new", 2)
    told(shop)
    shop.run(untold)
    manifest = verified(shop)
    assert (manifest.verdicts.ahead, manifest.verdicts.pending) == (0, 1)


@pytest.mark.parametrize(
    ("relay", "pauses", "ahead"),
    [
        ("holder = 'here', seen_at = now()", 1, 1),
        ("holder = 'here', seen_at = now() - interval '1 minute'", 0, 0),
        ("holder = NULL, seen_at = now()", 0, 0),
    ],
)
def test_a_relay_that_is_at_work_is_waited_for(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch, relay: str, pauses: int, ahead: int
) -> None:
    written(1, "new", 2)
    told(shop)
    shop.run(f"UPDATE crossover.reverse_relay SET caught_up_at = now(), {relay}")
    paused: list[float] = []

    def catches_up(seconds: float) -> None:
        paused.append(seconds)
        caught_up(shop, "now() + interval '1 minute'")

    monkeypatch.setattr(again, "sleep", catches_up)
    manifest = verified(shop)
    assert (len(paused), manifest.verdicts.ahead) == (pauses, ahead)


def test_a_relay_that_is_at_work_and_does_not_catch_up_is_not_waited_for_for_ever(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(1, "new", 2)
    told(shop)
    shop.run("UPDATE crossover.reverse_relay SET caught_up_at = now(), holder = 'here', seen_at = now()")
    monkeypatch.setattr(again, "TOLD_SECONDS", 0.0)
    assert verified(shop).verdicts.pending == 1


def at_dynamodb_only(shop: Delivering) -> None:
    shop.run("UPDATE crossover.master SET phase = 'dynamodb_only'")


def test_what_is_pending_is_never_passed_where_the_source_is_not_kept_up(shop: Delivering) -> None:
    """A reverse relay for another group may be fresh: it tells nothing of this one."""
    written(1, "new", 2)
    at_dynamodb_only(shop)
    manifest = verified(shop)
    assert (manifest.verdicts.pending, manifest.consistent) == (1, False)
    assert manifest.reasons == (
        "1 pending",
        "RDS is not kept up with order, which is at dynamodb_only; "
        "`crossover writes … order dynamodb_first` brings it up, then verify again",
    )


def test_what_is_equal_is_equal_there_too(shop: Delivering) -> None:
    at_dynamodb_only(shop)
    manifest = verified(shop)
    assert (manifest.differences, manifest.consistent) == (0, True), manifest.reasons


def test_a_resync_that_is_wanted_is_told_even_where_nothing_differs(shop: Delivering) -> None:
    assert verified(shop).consistent
    shop.run("UPDATE crossover.reverse_relay SET resync = 'the stream was trimmed'")
    manifest = verified(shop)
    assert (manifest.differences, manifest.consistent) == (0, False)
    assert manifest.reasons == (
        "what was written in DynamoDB may not all be applied (the stream was trimmed); "
        "run `crossover relay … --reverse --resync`",
    )
