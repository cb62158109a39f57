"""`crossover writes`: the switch of a group's master, killed at every step and taken back from every state."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

import pipelines.reverse.drain as reverse_drain
from pipelines import cli
from pipelines.deliver.opened import opened_ledger
from pipelines.deliver.sweep import WAIT_SECONDS
from pipelines.diff.run import LEDGER
from pipelines.errors import CrossoverError, SourceError, StageError, TargetError, UsageError
from pipelines.migration import Migration
from pipelines.relay.replay import replay
from pipelines.repair.opened import opened_tools
from pipelines.reverse.drain import ReverseDrained
from pipelines.source.ledger.backfills import begin_backfill, begin_sweep
from pipelines.source.ledger.claim import Lease, claim, claim_due
from pipelines.source.ledger.masters import Phase
from pipelines.source.ledger.touch import touch
from pipelines.target.control_table import ControlTable, Row
from pipelines.warehouse.manifest import DiffManifest
from pipelines.writes import back, forward
from pipelines.writes.probe import not_there
from pipelines.writes.state import GroupState, read_state
from pipelines.writes.switch import Switched, abort, switch
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import EPOCH, SCHEMA, Delivering, source_key, stored, tables
from tests.kept_client import client as dynamodb
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

MAPPING = """
migration: small
target:
  tables:
    orders: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}
    seats: {partition_key: {name: pk, type: S}}
items:
  order:
    table: orders
    from: orders
    key: {pk: "C{customer}", sk: "O{id}"}
    embed:
      lines:
        from: lines
        on: {order_id: id}
        as: list
        exclude: [order_id]
        embed: {what: {from: products, on: {id: product}, as: map}}
  seat: {table: seats, from: seats, key: {pk: "S{id}"}}
"""
FENCED = "XV001"
ENOUGH_FOR_GUARDS = 4.0
"""Seconds: on a machine that has other things to do they are not made in half a second."""


@pytest.fixture(scope="module")
def captured_once(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "switched") as url:
        yield captured(url, tmp_path_factory.mktemp("switched"), SCHEMA, MAPPING)


@pytest.fixture
def shop(captured_once: Captured, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    """As if nothing had ever been switched; three orders, nothing delivered."""
    monkeypatch.setattr(back, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(back, "LEASE_MARGIN_SECONDS", 0.1)
    monkeypatch.setattr(forward, "not_there", lambda *_: [])
    shop = tables(captured_once)
    reset(shop)
    shop.run(
        "TRUNCATE lines, orders, seats, products",
        "DELETE FROM crossover.log",
        "DELETE FROM crossover.mark",
        "DELETE FROM crossover.item",
        "INSERT INTO products VALUES (1, 'tea')",
        "INSERT INTO orders VALUES (1, 1, '0'), (2, 1, '0'), (3, 1, '0')",
        "INSERT INTO lines VALUES (1, 1, 1)",
        "INSERT INTO seats VALUES (1, 'A', 'Ada')",
    )
    return shop


def reset(shop: Delivering) -> None:
    """RDS is the master, in every place that says so, without the switch's help."""
    for table, trigger in shop.shop.ask(
        "SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger WHERE tgname LIKE 'crossover~guard%'"
    ):
        shop.run(f'DROP TRIGGER "{trigger}" ON {table}')
    for name in ("master", "stream", "reverse", "reverse_relay", "backfill"):
        shop.run(f"DELETE FROM crossover.{name}")
    shop.run("UPDATE crossover.control SET paused = false")
    client = dynamodb()
    if "crossover-small" in client.list_tables()["TableNames"]:
        client.delete_item(TableName="crossover-small", Key={"pk": {"S": "writes"}, "sk": {"S": "order"}})


def to(shop: Delivering, phase: str, group: str = "order", **options: Any) -> Switched:
    return switch(shop.shop.migration, shop.shop.url, group, Phase(phase), **options)


def state(shop: Delivering, group: str = "order", *, with_missing: bool = False) -> GroupState:
    found = read_state(shop.shop.migration, shop.shop.url, with_missing=with_missing)
    return next(one for one in found if one.group.name == group)


def mirror() -> dict[str, Any]:
    """As an application reads it, without the engine; empty where there is none."""
    client = dynamodb()
    try:
        item = client.get_item(
            TableName="crossover-small", Key={"pk": {"S": "writes"}, "sk": {"S": "order"}}, ConsistentRead=True
        )
    except client.exceptions.ResourceNotFoundException:
        return {}
    return dict(json.loads(item["Item"]["document"]["S"])) if "Item" in item else {}


def open_to_dynamodb() -> bool:
    found = mirror()
    return found.get("phase", "rds_first") != "rds_first" and not found["fenced"]


def open_to_rds(shop: Delivering) -> bool:
    """Whether each table of the group takes a write; they never differ once a switch is not under way."""
    answers = set()
    with psycopg.connect(shop.shop.url) as connection:
        for table in ("orders", "lines", "products"):
            try:
                connection.execute(f"DELETE FROM {table}".encode())
                answers.add(True)
            except psycopg.Error as error:
                assert error.sqlstate == FENCED
                answers.add(False)
            connection.rollback()
    return True in answers


def assert_settled(shop: Delivering, phase: str) -> None:
    found = state(shop)
    assert (found.phase.value, found.fenced, found.problems) == (phase, False, ())
    assert open_to_dynamodb() == (phase != "rds_first")
    assert open_to_rds(shop) == (phase == "rds_first")
    if mirror():
        told = mirror()
        assert (told["phase"], told["fenced"], told["item_types"], told["epoch"]) == (phase, False, ["order"], 1)
    guards = shop.shop.ask("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'crossover~guard%'")
    assert guards == [(0 if phase == "rds_first" else 3,)]


class KilledError(BaseException):
    """What no `except` of the switch catches: as near to a SIGKILL as one process can come."""


@dataclass
class Hook:
    """Raises after the step of that number; until then counts them."""

    at: int = -1
    steps: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        self.times.append(time.monotonic())
        if len(self.steps) - 1 == self.at:
            raise KilledError


def killed(shop: Delivering, phase: str, at: int) -> str | None:
    """The step after which it was killed; None where it had come to its end before. Not both stores take writes then,
    whatever has been done."""
    hook = Hook(at)
    try:
        to(shop, phase, after=hook)
    except KilledError:
        assert not (open_to_dynamodb() and open_to_rds(shop)), hook.steps
        return hook.steps[-1]
    return None


def aborted(shop: Delivering) -> None:
    phase = state(shop).phase
    done = abort(shop.shop.migration, shop.shop.url, "order")
    assert (done.was, done.phase, done.changed) == (phase, phase, False)
    assert_settled(shop, phase.value)


def quick_reverse(monkeypatch: pytest.MonkeyPatch, waiting: int = 0, problems: tuple[str, ...] = ()) -> None:
    """A reverse relay that has nothing to do."""
    monkeypatch.setattr(back, "drain_reverse", lambda *_, **__: ReverseDrained(0, waiting, waiting, problems))


def test_forward_back_and_only(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real drains in both directions; the mirror follows, and each change of it is on record."""
    monkeypatch.setattr(forward, "not_there", not_there)
    done = to(shop, "dynamodb_first", "order", after=(hook := Hook()))
    assert (done.was, done.phase, done.changed) == (Phase.RDS_FIRST, Phase.DYNAMODB_FIRST, True)
    assert done.blocked_seconds is not None and done.blocked_seconds < 10
    assert done.notes == (
        "no reverse relay is at work: start `crossover relay … --reverse`, which brings writes back to RDS",
    )
    assert hook.steps == FORWARD
    assert_settled(shop, "dynamodb_first")
    assert {item["note"]["S"] for item in stored("orders").values()} == {"0"} and len(stored("orders")) == 3
    assert stored("seats") == {}  # the other group is no business of this switch

    assert not to(shop, "dynamodb_first").changed
    assert to(shop, "dynamodb_only").blocked_seconds is None
    assert_settled(shop, "dynamodb_only")
    with pytest.raises(StageError, match=r"^group order is at dynamodb_only: rds_first is two phases away"):
        to(shop, "rds_first")
    written("C1", "O2", "from DynamoDB")
    to(shop, "dynamodb_first")
    assert_settled(shop, "dynamodb_first")
    assert shop.shop.ask("SELECT note FROM orders WHERE id = 2") == [("from DynamoDB",)]  # by the resync
    hook = Hook()

    def just_before(step: str) -> None:
        if not hook.steps:  # the last that an application may send: what was applied before the fence has not seen it
            written("C1", "O3", "from DynamoDB, too")
        hook(step)

    done = to(shop, "rds_first", after=just_before)
    assert done.blocked_seconds is not None and hook.steps == BACK
    assert hook.times[2] - hook.times[1] >= 0.2 + 0.1  # whoever has read the mirror before writes no more by then
    assert_settled(shop, "rds_first")
    assert shop.shop.ask("SELECT note FROM orders WHERE id = 3") == [("from DynamoDB, too",)]
    assert audit() == [
        "rds_first fenced",
        "dynamodb_first",
        "dynamodb_only",
        "dynamodb_first",
        "dynamodb_first fenced",
        "rds_first",
    ]


def test_back_by_the_streams_compares_nothing_while_writers_wait(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reverse_drain, "QUIET_SECONDS", 1.0)
    to(shop, "dynamodb_first")
    hook = Hook()

    def at_the_fence(step: str) -> None:
        if not hook.steps:
            written("C1", "O3", "at the last moment")
            monkeypatch.setattr(reverse_drain, "compare", lambda *_: pytest.fail("writers wait for all items"))
        hook(step)

    done = to(shop, "rds_first", by_streams=True, after=at_the_fence)
    assert hook.steps == BACK
    assert_settled(shop, "rds_first")
    assert shop.shop.ask("SELECT note FROM orders WHERE id = 3") == [("at the last moment",)]
    assert done.notes[-1].startswith("not all items were compared: `crossover verify …` names")


def test_a_drain_by_the_streams_that_cannot_succeed_is_refused_before_anything_is_opened(shop: Delivering) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    with pytest.raises(UsageError, match=r"--drain-seconds 5: .* give 6 or more"):
        switch(shop.shop.migration, nowhere, "order", Phase.RDS_FIRST, by_streams=True, drain_seconds=5)
    with pytest.raises(SourceError):
        switch(shop.shop.migration, nowhere, "order", Phase.RDS_FIRST, by_streams=True, drain_seconds=6)


FORWARD = [
    "streams enabled",
    "fenced in the ledger",
    "fenced in the mirror",
    "guard of schema crossover",
    "guard of table public.lines",
    "guard of table public.orders",
    "guard of table public.products",
    "drained",
    "phase in the ledger",
    "phase in the mirror",
]
BACK = [
    "fenced in the ledger",
    "fenced in the mirror",
    "applications' leases are over",
    "drained",
    "sequences raised",
    "phase in the ledger",
    "no guard of table public.lines",
    "no guard of table public.orders",
    "no guard of table public.products",
    "open in the ledger",
    "open in the mirror",
    "guards dropped",
]


def audit() -> list[str]:
    """What the mirror was set to, oldest first."""
    found = dynamodb().query(
        TableName="crossover-small",
        KeyConditionExpression="pk = :audit",
        ExpressionAttributeValues={":audit": {"S": "audit"}},
    )
    rows = [json.loads(item["document"]["S"]) for item in found["Items"]]
    assert {row["what"] for row in rows} == {"writes#order"}
    assert [row["from"] for row in rows[1:]] == [row["to"] for row in rows[:-1]]
    return [row["to"]["phase"] + (" fenced" if row["to"]["fenced"] else "") for row in rows]


def written(pk: str, sk: str, note: str) -> None:
    """As the protocol has an application write (rule 16)."""
    dynamodb().update_item(
        TableName="orders",
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="SET note = :note, #v = #v + :one",
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeNames={"#v": "_v"},
        ExpressionAttributeValues={":note": {"S": note}, ":one": {"N": "1"}},
    )


def test_forward_killed_after_every_step_goes_on(shop: Delivering) -> None:
    """Each run goes on from where the one before was killed, and is killed a step later. A run that comes upon the
    phase that it wants has fewer steps to do."""
    places = range(9) if TORTURE else (1, 4, 7, 8)
    assert [killed(shop, "dynamodb_first", at) for at in places] == [FORWARD[at] for at in places]
    assert killed(shop, "dynamodb_first", 1) == "open in the mirror"
    assert not to(shop, "dynamodb_first").changed
    assert_settled(shop, "dynamodb_first")


@pytest.mark.parametrize("step", FORWARD if TORTURE else [FORWARD[5], FORWARD[8]])
def test_forward_killed_is_taken_back(shop: Delivering, step: str) -> None:
    assert killed(shop, "dynamodb_first", FORWARD.index(step)) == step
    aborted(shop)


def test_back_killed_after_every_step_goes_on(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_reverse(monkeypatch)
    to(shop, "dynamodb_first")
    places = range(6) if TORTURE else (0, 2, 5)
    assert [killed(shop, "rds_first", at) for at in places] == [BACK[at] for at in places]
    # Guards that are disabled are done with, so that a run that goes on has fewer steps before the same one.
    short = ((BACK[8], 2), (BACK[10], 1), (BACK[11], 2))
    for step, at in zip(BACK[6:], (0, 0, 0, 0, 1, 2), strict=True) if TORTURE else short:
        assert killed(shop, "rds_first", at) == step
    assert not to(shop, "rds_first").changed
    assert_settled(shop, "rds_first")


@pytest.mark.parametrize("step", BACK if TORTURE else [BACK[1], BACK[7]])
def test_back_killed_is_taken_back(shop: Delivering, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Once the ledger says rds_first, that is what it is taken back to."""
    quick_reverse(monkeypatch)
    to(shop, "dynamodb_first")
    assert killed(shop, "rds_first", BACK.index(step)) == step
    aborted(shop)


@dataclass
class Writer:
    """Adds one to an order's note, again and again, where it may; `written`: (store, begun, ended) of each that the
    store has answered."""

    shop: Delivering
    order: int
    stop: threading.Event
    written: list[tuple[str, float, float]] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.failed.append(error)

    def _run(self) -> None:
        raise NotImplementedError

    def _note(self, store: str, begun: float) -> None:
        self.written.append((store, begun, time.monotonic()))


class RdsWriter(Writer):
    """Knows of no mirror: the guard alone holds it back. Its transactions last a while."""

    def _run(self) -> None:
        with psycopg.connect(self.shop.shop.url, autocommit=True) as connection:
            while not self.stop.is_set():
                begun = time.monotonic()
                try:
                    with connection.transaction():
                        connection.execute(
                            "UPDATE orders SET note = (note::int + 1)::text WHERE id = %s", (self.order,)
                        )
                        time.sleep(0.01)
                        connection.execute("UPDATE lines SET product = product WHERE order_id = %s", (self.order,))
                except psycopg.Error as error:
                    assert error.sqlstate == FENCED, error
                    time.sleep(0.02)
                    continue
                self._note("rds", begun)


class DynamoDBWriter(Writer):
    """Obeys the mirror, which it remembers for 0.2 s, as an application's lease; its writes are rule 16's."""

    def _run(self) -> None:
        client, key = dynamodb(), {"pk": {"S": "C1"}, "sk": {"S": f"O{self.order}"}}
        asked, may = float("-inf"), False
        while not self.stop.is_set():
            if time.monotonic() > asked + 0.2:
                asked, may = time.monotonic(), open_to_dynamodb()
            if not may:
                time.sleep(0.02)
                continue
            item = client.get_item(TableName="orders", Key=key, ConsistentRead=True)["Item"]
            begun = time.monotonic()
            if begun > asked + 0.2:
                continue
            try:
                client.update_item(
                    TableName="orders",
                    Key=key,
                    UpdateExpression="SET note = :next, #v = #v + :one",
                    ConditionExpression="#v = :was",
                    ExpressionAttributeNames={"#v": "_v"},
                    ExpressionAttributeValues={
                        ":next": {"S": str(int(item["note"]["S"]) + 1)},
                        ":one": {"N": "1"},
                        ":was": item["_v"],
                    },
                )
            except client.exceptions.ConditionalCheckFailedException:
                continue
            self._note("dynamodb", begun)


def test_under_writers_nothing_is_lost_and_never_do_both_stores_take_writes(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write that a store has answered is in both in the end: so none was made on an older state than the last.
    Switches are killed and taken back in between."""
    monkeypatch.setattr(back, "LEASE_SECONDS", 1.0)  # well above the writers': a slow machine is not what is tried
    stop = threading.Event()
    writers: list[Writer] = [
        *(RdsWriter(shop, order, stop) for order in (1, 2, 2)),
        *(DynamoDBWriter(shop, order, stop) for order in (1, 2, 3)),
    ]
    threads = [threading.Thread(target=one.run) for one in writers]
    for thread in threads:
        thread.start()
    try:
        for at in (5, 8) if not TORTURE else range(len(FORWARD)):
            killed(shop, "dynamodb_first", at)
        to(shop, "dynamodb_first")
        time.sleep(0.3)
        killed(shop, "rds_first", 2)
        abort(shop.shop.migration, shop.shop.url, "order")
        time.sleep(0.1)
        to(shop, "rds_first")
        time.sleep(0.2)
        if TORTURE:
            for _ in range(3):
                to(shop, "dynamodb_first")
                time.sleep(0.5)
                to(shop, "rds_first")
                time.sleep(0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert [one.failed for one in writers if one.failed] == []
    shop.drain()
    counts = {str(order): sum(len(one.written) for one in writers if one.order == order) for order in (1, 2, 3)}
    assert {str(id): int(note) for id, note in shop.shop.ask("SELECT id, note FROM orders")} == counts
    assert {key[-1]: int(item["note"]["S"]) for key, item in stored("orders").items()} == counts
    assert all(any(one.written for one in writers if isinstance(one, kind)) for kind in (RdsWriter, DynamoDBWriter))
    assert_one_store_at_a_time([each for one in writers for each in one.written])


def assert_one_store_at_a_time(written: list[tuple[str, float, float]]) -> None:
    """Who writes changes as often as the master did. Two writes of which one may have been made before or after the
    other prove nothing; if both stores took writes, many would prove it."""
    turns: list[str] = []
    last = float("-inf")
    for store, begun, ended in sorted(written, key=lambda one: one[2]):
        if not turns or (store != turns[-1] and begun >= last):
            turns.append(store)
        if store == turns[-1]:
            last = ended
    assert len(turns) == (3 if not TORTURE else 9), turns


def fence_is_down(shop: Delivering, phase: str, wanted: str, match: str, **options: Any) -> CrossoverError:
    """The switch fails, and the group goes on where it was."""
    with pytest.raises(CrossoverError, match=match) as raised:
        to(shop, wanted, **options)
    assert f"order goes on at {phase}, without a fence" in str(raised.value)
    assert_settled(shop, phase)
    return raised.value


def test_what_holds_up_the_drain_is_told_and_the_fence_goes_down(shop: Delivering) -> None:
    to(shop, "dynamodb_first")
    reset(shop)
    began = time.monotonic()
    shop.run("UPDATE crossover.item SET lease_until = now() + interval '1 hour' WHERE item_type = 'order'")
    error = fence_is_down(
        shop,
        "rds_first",
        "dynamodb_first",
        "3 items were under a relay's lease when the time was up",
        drain_seconds=ENOUGH_FOR_GUARDS,
    )
    assert isinstance(error, StageError) and time.monotonic() - began < 20
    shop.run("UPDATE crossover.item SET lease_until = NULL")

    def claimed(step: str) -> None:
        """By another relay, after all had been seen delivered: the phase changes in a transaction that looks again."""
        if step == "drained":
            shop.run("UPDATE crossover.item SET lease_until = now() + interval '1 hour' WHERE item_type = 'order'")

    fence_is_down(
        shop,
        "rds_first",
        "dynamodb_first",
        "3 items were under a relay's lease",
        drain_seconds=ENOUGH_FOR_GUARDS,
        after=claimed,
    )
    shop.run("UPDATE crossover.item SET lease_until = NULL")
    to(shop, "dynamodb_first")


@pytest.mark.parametrize(
    ("limit", "options", "told"),
    [
        ("0.3", {}, r"a lock could not be had .*; order goes on at rds_first, without"),
        ("0", {"drain_seconds": 1}, r"a lock could not be had before the time was up.*; order goes on at rds"),
    ],
)
def test_a_long_writer_keeps_the_guard_away_and_the_fence_goes_down(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch, limit: str, options: dict[str, Any], told: str
) -> None:
    """Where locks are waited for for ever, the switch's own deadline counts."""
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", limit)
    with shop.shop.session() as long:
        long.execute("BEGIN")
        long.execute("UPDATE orders SET note = 'long'")
        with pytest.raises(SourceError, match=told):
            to(shop, "dynamodb_first", **options)
        long.execute("COMMIT")
    assert_settled(shop, "rds_first")


@pytest.mark.parametrize("put", [1, 2])
def test_a_mirror_that_cannot_be_set(shop: Delivering, monkeypatch: pytest.MonkeyPatch, put: int) -> None:
    """Neither an answer that is lost nor a put that is refused leaves a fence; after the phase has changed, the switch
    has come to its end."""
    real, puts = ControlTable.put_next, 0

    def fails(self: ControlTable, row: Row, *also: Row) -> bool:
        nonlocal puts
        puts += 1
        if puts == put:
            real(self, row, *also)  # it arrives, and nobody hears of it
            raise TargetError("no answer")
        return real(self, row, *also)

    monkeypatch.setattr(ControlTable, "put_next", fails)
    if put == 1:
        fence_is_down(shop, "rds_first", "dynamodb_first", "^no answer; ")
    else:
        assert to(shop, "dynamodb_first").changed
        assert_settled(shop, "dynamodb_first")


def test_somebody_else_changes_the_mirror(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version is that of the command's beginning: who woke up late sets nothing any more."""

    def meanwhile(step: str) -> None:
        if step == "drained" and not done:
            done.append(step)
            table = ControlTable.of("small")
            row = next(table.query("writes", " ", "~"))
            assert table.put_next(Row(row.key, row.document, row.version + 1))

    done: list[str] = []
    said: list[str] = []
    assert to(shop, "dynamodb_first", after=meanwhile, say=said.append).changed  # as the ledger: it is set afresh
    assert "its row of table crossover-small was changed meanwhile" in said[0]
    assert done and mirror()["phase"] == "dynamodb_first"
    assert_settled(shop, "dynamodb_first")


def test_who_is_taken_back_meanwhile_does_not_change_the_phase(shop: Delivering) -> None:
    """A command whose session has lost the lock while it slept, and another that took its fence down."""

    def meanwhile(step: str) -> None:
        if step == "drained":
            shop.run("UPDATE crossover.master SET fenced = false")

    with pytest.raises(StageError, match="somebody else has changed its master meanwhile"):
        to(shop, "dynamodb_first", after=meanwhile)
    assert_settled(shop, "rds_first")


def test_an_interrupt_takes_the_fence_down(shop: Delivering) -> None:
    def interrupt(step: str) -> None:
        if step == "guard of table public.orders":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="interrupted; order goes on at rds_first, without a fence"):
        to(shop, "dynamodb_first", after=interrupt)
    assert_settled(shop, "rds_first")


def test_back_is_refused_while_items_cannot_be_applied(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    to(shop, "dynamodb_first")
    quick_reverse(monkeypatch, 2, ("order: no such customer",))
    with pytest.raises(StageError, match=r"^group order: 2 items cannot be applied to RDS \(order: no such customer\)"):
        to(shop, "rds_first")
    assert_settled(shop, "dynamodb_first")
    health = "INSERT INTO crossover.reverse_relay VALUES ('small', 'x', now(), now()) ON CONFLICT DO NOTHING"
    shop.run(
        health, "UPDATE crossover.reverse_relay SET holder = 'x', seen_at = now(), caught_up_at = now(), resync = NULL"
    )
    fence_is_down(shop, "dynamodb_first", "rds_first", "2 items cannot be applied to RDS")  # found under the fence


def test_sequences_go_on_above_what_was_written(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_reverse(monkeypatch)
    shop.run(
        "CREATE SEQUENCE public.numbers START 7",
        "CREATE SEQUENCE public.high START 1000",
        "CREATE SEQUENCE public.tiny MAXVALUE 2",
        "CREATE SEQUENCE public.down INCREMENT -1 CACHE 20",
        "ALTER TABLE orders ALTER id SET DEFAULT nextval('public.numbers')",
        "ALTER TABLE lines ALTER n SET DEFAULT nextval('public.high')",
        "ALTER TABLE products ALTER id SET DEFAULT nextval('public.tiny')",
        "ALTER TABLE lines ALTER product SET DEFAULT nextval('public.down')",
    )
    try:
        to(shop, "dynamodb_first")
        shop.run(
            "BEGIN; SET LOCAL crossover.applying TO on; INSERT INTO orders VALUES (900, 1, 'n');"
            " INSERT INTO products VALUES (5, 'p'); INSERT INTO lines VALUES (900, 1, -44); COMMIT"
        )
        notes = to(shop, "rds_first").notes
        assert notes == (
            "sequence public.down goes on after -44; sessions that hold back values of it (CACHE) must connect again",
            "sequence public.numbers goes on after 900",
            "sequence public.tiny: a number stands in its column that it cannot reach; look at it",
        )
        found = shop.shop.ask("SELECT nextval('public.numbers'), nextval('public.high'), nextval('public.down')")
        assert found == [(901, 1000, -45)]
        to(shop, "dynamodb_first")
        assert len(to(shop, "rds_first").notes) == 1  # never lowered, and nothing to tell but the one
        assert shop.shop.ask("SELECT nextval('public.numbers'), nextval('public.high')") == [(902, 1001)]
    finally:
        shop.run(
            *(f"ALTER TABLE {table} ALTER {column} DROP DEFAULT" for table, column in _DEFAULTS),
            *(f"DROP SEQUENCE public.{name}" for name in ("numbers", "high", "tiny", "down")),
        )


_DEFAULTS = (("orders", "id"), ("lines", "n"), ("products", "id"), ("lines", "product"))


def test_all_that_is_missing_is_told_at_once(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run(
        "UPDATE crossover.control SET paused = true",
        "INSERT INTO crossover.backfill (migration, run, epoch, sweeps) VALUES ('small', 'run-1', 1, 0)",
        "ALTER TABLE seats DISABLE TRIGGER ALL",
    )
    try:
        missing = state(shop, with_missing=True).missing
        with pytest.raises(StageError) as raised:
            to(shop, "dynamodb_first")
    finally:
        shop.run(*(f'ALTER TABLE seats ENABLE ALWAYS TRIGGER "{name}"' for (name,) in shop.shop.ask(_SEATS)))
    assert all(line in str(raised.value) for line in missing)
    assert [line for line in missing if "is disabled" not in line] == [
        "relays are paused; run `crossover relay … --resume`",
        "backfill run-1 is not finished; let it come to its end, or give it up by a new one",
    ]
    assert len(missing) == 6
    assert mirror() == {} and shop.shop.ask("SELECT FROM crossover.master") == []  # nothing was begun


_SEATS = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'seats'::regclass AND NOT tgisinternal"


def test_what_was_never_backfilled_stays(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has not heard of it, so nothing is undelivered."""
    monkeypatch.setattr(forward, "not_there", not_there)
    shop.drain()
    shop.run("DELETE FROM crossover.item", "INSERT INTO orders VALUES (4, 1, 'new')")
    for order in (1, 2):  # as after a backfill
        written_as("C1", f"O{order}", EPOCH)
    told = "group order stays at rds_first: of 4 rows of order that were looked at, 1 are not in DynamoDB as the ledger"
    with pytest.raises(StageError, match=told):
        to(shop, "dynamodb_first")
    assert mirror() == {} and shop.shop.ask("SELECT FROM crossover.master") == []
    written_as("C1", "O3", EPOCH)
    to(shop, "dynamodb_first")


def written_as(pk: str, sk: str, version: int) -> None:
    dynamodb().update_item(
        TableName="orders",
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="SET #v = :v",
        ExpressionAttributeNames={"#v": "_v"},
        ExpressionAttributeValues={":v": {"N": str(version)}},
    )


def test_an_item_type_that_cannot_be_inverted_stays(shop: Delivering, tmp_path: Path) -> None:
    path = tmp_path / "limited.yaml"
    path.write_text(MAPPING.replace("as: list", "as: list\n        limit: 2"), encoding="utf-8")
    limited = Migration.open(path, tmp_path / "warehouse")
    (order, _) = read_state(limited, shop.shop.url)
    assert any("limit" in line for line in order.missing), order.missing


def test_nothing_is_delivered_to_a_master(shop: Delivering) -> None:
    """Neither claims of both kinds nor touches reach its items, even of a row that was written behind the guard; the
    other group's are delivered as ever."""
    shop.drain()
    to(shop, "dynamodb_first")
    shop.run("BEGIN; SET LOCAL crossover.applying TO on; UPDATE orders SET note = 'behind'; COMMIT")
    shop.run("UPDATE seats SET guest = 'Ben'")
    with shop.deliverer() as deliverer:
        session, order = deliverer.session, deliverer.plan.item("order")
        assert claim(session, order, [source_key(1), source_key(77)], Lease("a", 60)) == []
        assert claim(session, order, [source_key(1)], Lease("a", 60), undelivered_only=True) == []
        shop.run("UPDATE crossover.item SET due = now() - interval '1 s' WHERE item_type = 'order'")
        assert claim_due(session, deliverer.plan.items, Lease("a", 60), 100) == {}
        before = shop.shop.ask(
            "SELECT base, delivered FROM crossover.item WHERE item_type = 'order' ORDER BY source_key"
        )
        touch(session, "order", source_key(1), 99 * EPOCH)
        after = shop.shop.ask(
            "SELECT base, delivered FROM crossover.item WHERE item_type = 'order' ORDER BY source_key"
        )
        assert before == after and len(before) == 3
    assert shop.drain().counts["settled"] == 1  # and it comes to its end
    assert {item["guest"]["S"] for item in stored("seats").values()} == {"Ben"}
    assert {item["note"]["S"] for item in stored("orders").values()} == {"0"}


def test_what_would_write_to_a_master_refuses(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    to(shop, "dynamodb_first")
    told = "^small: DynamoDB is the master of order.*crossover writes … order rds_first`$"
    with shop.session() as session:
        with pytest.raises(StageError, match=told):
            begin_backfill(session, "run-2", 0)
        with pytest.raises(StageError, match=told):
            begin_sweep(session, WAIT_SECONDS)
    with opened_ledger(shop.shop.migration, shop.shop.url) as ledger:
        for key in (None, "id=1"):
            with pytest.raises(StageError, match=told):
                replay(ledger, "order", key)
        replay(ledger, "seat", "id=1")
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", shop.shop.url)
    diff = DiffManifest.model_construct(mode=LEDGER)
    with pytest.raises(StageError, match=told), opened_tools(shop.shop.migration, diff, writes=True):
        pass
    assert shop.shop.ask("SELECT item_type FROM crossover.log UNION ALL SELECT item_type FROM crossover.mark") == [
        ("seat",)
    ]
    shop.run("UPDATE crossover.master SET phase = 'dynamodb_only'")  # from which the way is longer
    way = "`crossover writes … order dynamodb_first`, then `crossover writes … order rds_first`$"
    with shop.session() as session, pytest.raises(StageError, match=way):
        begin_sweep(session, WAIT_SECONDS)
    with opened_ledger(shop.shop.migration, shop.shop.url) as ledger, pytest.raises(StageError, match=way):
        replay(ledger, "order", None)


def test_the_command(shop: Delivering, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", shop.shop.url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(shop.shop.migration.folder.root).rpartition("/")[0])
    path = str(shop.shop.migration.path)

    def run(*arguments: str) -> tuple[int, str]:
        status = cli.run(["writes", path, *arguments])
        out, err = capsys.readouterr()
        return status, out + err

    assert run() == (
        0,
        "order: rds_first\n  nothing is missing for dynamodb_first\n"
        "seat: rds_first\n  nothing is missing for dynamodb_first\n",
    )
    status, out = run("order", "dynamodb_first", "--json")
    document = json.loads(out.splitlines()[-1])
    assert (status, document["was"], document["phase"], document["changed"]) == (0, "rds_first", "dynamodb_first", True)
    assert 0 < document["blocked_seconds"] < 10
    shop.run("UPDATE crossover.master SET fenced = true")
    status, out = run("order")
    assert status == 1
    assert "order: dynamodb_first, FENCED, since" in out and f"crossover writes {path} order --abort" in out
    status, out = run("order", "--abort")
    assert status == 0 and out.startswith("order: at dynamodb_first; writers waited")
    assert run("order", "dynamodb_first") == (0, "order: at dynamodb_first\n")
    for wrong, told in {
        ("order", "rds"): "PHASE rds: use one of rds_first, dynamodb_first, dynamodb_only",
        ("nothing", "rds_first"): "GROUP nothing: no such group; there are order, seat",
        ("nothing",): "GROUP nothing: no such group; there are order, seat",
        ("--abort",): "--abort: with GROUP and without PHASE",
        ("order", "--drain-seconds", "3"): "--drain-seconds: only with GROUP and PHASE",
        ("order", "dynamodb_first", "--by-streams"): "--by-streams: only with PHASE rds_first",
        ("order", "--by-streams"): "--by-streams: only with PHASE rds_first",
        ("seat", "dynamodb_only"): "group seat is at rds_first: dynamodb_only is two phases away",
    }.items():
        status, out = run(*wrong)
        assert status == 2 and told in out and out.count("\n") == 1, out
    monkeypatch.setattr(reverse_drain, "QUIET_SECONDS", 0.2)
    status, out = run("order", "rds_first", "--by-streams")
    assert status == 0 and "order: dynamodb_first -> rds_first" in out and "not all items were compared" in out
