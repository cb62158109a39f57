"""The relay as a service: it delivers what changes as it changes, through what passes, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from pipelines.capture import upgrade_capture
from pipelines.cli import run
from pipelines.errors import StageError
from pipelines.relay import service
from pipelines.relay.serve import Options, Report, serve
from pipelines.source.ledger.due import mend_due
from pipelines.source.ledger.health import oldest_seconds
from pipelines.source.ledger.relays import seen_relays
from tests.captured_shop import captured
from tests.delivered_shop import (
    MAPPING,
    WRITTEN_SHOP,
    Delivering,
    assert_due_as_defined,
    assert_equal_stores,
    assert_no_step_back,
    assert_versions_are_the_ledgers,
    put,
    stored,
    tables,
)
from tests.fault_proxy import FaultProxy
from tests.faults import Fault
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 30.0
OPTIONS = Options(lease_seconds=2, idle_seconds=0.1, report_seconds=0.1)


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str) -> Delivering:
    return tables(captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a relay does every few seconds is done at once."""
    monkeypatch.setattr(service, "_PAUSED_SECONDS", 0.1)
    monkeypatch.setattr(service, "_BEAT_SECONDS", 0.2)


@dataclass
class Serving:
    """Relays in threads. `reports`: all that they said."""

    shop: Delivering
    reports: list[Report] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def relays(self, count: int = 1) -> Iterator[None]:
        threads = [threading.Thread(target=self._serve) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def _serve(self) -> None:
        try:
            serve(self.shop.shop.migration, self.shop.shop.url, OPTIONS, self.stop, self.reports.append)
        except BaseException as error:
            self.failed.append(error)

    def delivered(self) -> bool:
        (row,) = self.shop.shop.ask(
            "SELECT NOT EXISTS (SELECT FROM crossover.log) AND NOT EXISTS (SELECT FROM crossover.mark)"
            " AND NOT EXISTS (SELECT FROM crossover.item WHERE due IS NOT NULL)"
        )
        return bool(row[0])


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, "it has not come to pass"
        time.sleep(0.02)


def test_changes_are_delivered_as_they_come(shop: Delivering) -> None:
    serving = Serving(shop)
    with serving.relays():
        shop.run("INSERT INTO products VALUES (7, 'pin')", "INSERT INTO orders VALUES (1, 1), (2, 2)")
        shop.run("INSERT INTO lines VALUES (1, 1, 7)", "INSERT INTO seats VALUES (1, 'A', 'Ann')")
        eventually(serving.delivered)
        assert_equal_stores(shop)
        shop.run(
            "UPDATE products SET name = 'needle'", "DELETE FROM orders WHERE id = 2", "UPDATE seats SET place = 'B'"
        )
        eventually(serving.delivered)
        assert_equal_stores(shop)
    assert serving.failed == []
    assert_versions_are_the_ledgers(shop)
    assert_due_as_defined(shop)
    assert serving.reports[-1].tally.counts["settled"] >= 5


def test_a_row_that_has_left_several_keys_is_delivered(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1)")
    shop.drain()
    serving = Serving(shop)
    shop.run(*(f"UPDATE orders SET customer = {customer} WHERE id = 1" for customer in (2, 3, 4)))
    with serving.relays():
        eventually(lambda: serving.failed or any(one.health is None for one in serving.reports) or serving.delivered())
    assert [one.problem for one in serving.reports if one.problem] == []
    assert_equal_stores(shop)


def test_a_drain_tells_until_when_all_was_seen(shop: Delivering) -> None:
    """[else a change after a drain would seem as old as capture is]"""
    shop.run("UPDATE crossover.control SET on_at = now() - interval '1 hour'", "INSERT INTO orders VALUES (1, 1)")
    with shop.session() as session:
        assert oldest_seconds(session, ["order", "seat"]) > 3599
    shop.drain()
    shop.run("INSERT INTO orders VALUES (2, 2)")
    with shop.session() as session:
        assert 0 < oldest_seconds(session, ["order", "seat"]) < 600
        assert seen_relays(session) == ()


def test_three_relays_deliver_each_version_once(
    shop: Delivering, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 7)
    proxy = FaultProxy(dynamodb_environment, actions=("PutItem",))
    shop.run("INSERT INTO orders SELECT n, n FROM generate_series(1, 120) AS n")
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        serving = Serving(shop)
        with serving.relays(3):
            eventually(serving.delivered)
        assert_equal_stores(shop)
    assert serving.failed == []
    assert len(proxy.landed) == proxy.requests == 120
    assert_no_step_back(proxy.landed)


def test_a_lost_source_and_a_silent_target_are_lived_through(
    shop: Delivering, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()
    proxy = FaultProxy(
        dynamodb_environment, lambda number, body: Fault.RESET_BEFORE if silent.is_set() else None, actions=("PutItem",)
    )
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        serving = Serving(shop)
        with serving.relays():
            eventually(lambda: serving.reports)
            silent.set()
            shop.run("INSERT INTO orders SELECT n, n FROM generate_series(1, 30) AS n")
            eventually(lambda: proxy.met["RESET_BEFORE"] > 8)
            assert serving.reports[-1].health is not None
            with psycopg.connect(shop.shop.url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            eventually(lambda: any(report.health is None for report in serving.reports))
            silent.clear()
            eventually(serving.delivered)
        assert_equal_stores(shop)
    assert serving.failed == []
    assert_due_as_defined(shop)


def test_few_items_are_tried_while_dynamodb_is_silent(
    shop: Delivering, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of an outage makes an item look like the reason."""
    proxy = FaultProxy(dynamodb_environment, lambda number, body: Fault.RESET_BEFORE, actions=("PutItem",))
    shop.run("INSERT INTO orders SELECT n, n FROM generate_series(1, 400) AS n")
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        serving = Serving(shop)
        with serving.relays():
            eventually(lambda: proxy.requests > service.BATCH)
            time.sleep(1.0)
    assert proxy.requests < service.BATCH + 8 * service._PROBE
    assert shop.shop.ask("SELECT count(*) FROM crossover.item WHERE set_apart")[0][0] == 0


def test_a_paused_migration_keeps_its_changes(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = _command(shop, monkeypatch)
    assert run([*command, "--pause"]) == 0
    assert "paused" in capsys.readouterr().out
    shop.run("INSERT INTO orders VALUES (1, 1)")
    serving = Serving(shop)
    with serving.relays():
        eventually(lambda: any(one.health is not None and one.health.paused for one in serving.reports))
        time.sleep(0.3)
        assert stored("orders") == {}
        assert run([*command, "--drain"]) == 2
        assert "it is paused; run it with --resume first" in capsys.readouterr().err
        assert run([*command, "--status", "--json"]) == 0
        status = json.loads(capsys.readouterr().out)
        assert (status["paused"], status["undelivered"], len(status["relays"])) == (True, 1, 1)
        assert status["oldest_seconds"] > 0
        assert run([*command, "--resume"]) == 0
        eventually(serving.delivered)
    assert_equal_stores(shop)


def test_what_is_replayed_is_delivered_once_more(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = _command(shop, monkeypatch)
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 2)", "INSERT INTO seats VALUES (1, 'A', 'Ann')")
    shop.drain()
    before = {key: int(item["_v"]["N"]) for key, item in stored("orders").items()}
    assert run([*command, "--replay", "--item-type", "order", "--key", "id=1"]) == 0
    shop.drain()
    after = {key: int(item["_v"]["N"]) for key, item in stored("orders").items()}
    assert {key: after[key] - before[key] for key in before} == {"C1/O1": 1, "C2/O2": 0}
    assert run([*command, "--replay", "--item-type", "order"]) == 0
    shop.drain()
    again = {key: int(item["_v"]["N"]) for key, item in stored("orders").items()}
    assert {key: again[key] - after[key] for key in before} == {"C1/O1": 1, "C2/O2": 1}
    assert_equal_stores(shop)
    capsys.readouterr()
    for wrong, told in (
        (["--item-type", "order", "--key", "id=77"], "there is no such row"),
        (["--item-type", "order", "--key", "order_id=1"], "give order's source key, a value for each of id"),
        (["--item-type", "order", "--key", "{"], "no JSON"),
        (["--item-type", "invoice"], "'invoice' is not captured; there are order, seat"),
        ([], "--replay needs --item-type"),
    ):
        assert run([*command, "--replay", *wrong]) == 2
        assert told in capsys.readouterr().err


def test_an_item_in_vain_holds_up_no_other_and_waits_ever_longer(shop: Delivering) -> None:
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O1"}})
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 2)")
    serving = Serving(shop)
    with serving.relays():
        eventually(lambda: "C2/O2" in stored("orders"))
        eventually(lambda: shop.item("order", 1)[3] >= 4)
        (row,) = shop.shop.ask(
            'SELECT set_apart, due > since, last_error FROM crossover.item WHERE source_key = \'{"id":"1"}\''
        )
        assert row[:2] == (True, True)
        assert row[2].startswith("conflict")
        health = next(one.health for one in reversed(serving.reports) if one.health is not None)
        assert [(one.item_type, one.set_apart) for one in health.item_types] == [("order", 1), ("seat", 0)]
        put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "_v": {"N": "0"}})
        shop.run("UPDATE orders SET note = 'wake up' WHERE id = 1")  # a change is tried at once
        eventually(serving.delivered)
    assert_equal_stores(shop)
    assert shop.item("order", 1)[3:5] == (0, None)


def test_a_new_epoch_ends_it_and_makes_everything_due(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 2)")
    shop.drain()
    serving = Serving(shop)
    with serving.relays():
        eventually(lambda: serving.reports)
        shop.run("ALTER TABLE orders DISABLE TRIGGER USER")
        upgrade_capture(shop.shop.migration, shop.shop.url)
        eventually(lambda: serving.failed)
    assert isinstance(serving.failed[0], StageError)
    with shop.session() as session:
        assert mend_due(session) == 2
        assert mend_due(session) == 0
    assert_due_as_defined(shop)


def test_the_command_stops_when_it_is_told_to(shop: Delivering) -> None:
    folder = shop.shop.migration.folder.root.parent
    environment = os.environ | {"CROSSOVER_WAREHOUSE": str(folder), "CROSSOVER_SOURCE_URL": shop.shop.url}
    command = [sys.executable, "-P", "-m", "pipelines.cli", "relay", str(folder.parent / "mapping.yaml"), "--json"]
    command += ["--metrics", f"emf:{folder / 'metrics'}"]
    shop.run("INSERT INTO orders VALUES (1, 1)")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as relay:
        eventually(lambda: stored("orders"))
        relay.send_signal(signal.SIGTERM)
        out, err = relay.communicate(timeout=PATIENCE_SECONDS)
    assert relay.returncode == 0, err
    assert json.loads(out)["counts"]["written"] == 1
    metrics = [json.loads(line) for line in on_disk(folder / "metrics").read_text(encoding="utf-8").splitlines()]
    assert {one.get("RelaysAlive") for one in metrics} >= {1}
    assert sum(one.get("Delivered", 0) for one in metrics) == 1
    assert next(one["DeliveryLatency"] for one in metrics if "DeliveryLatency" in one)
    assert "items delivered so far" in err
    assert "Traceback" not in err
    assert shop.shop.ask("SELECT count(*) FROM crossover.relay WHERE ended_at IS NOT NULL")[0][0] == 1
    assert shop.shop.ask("SELECT count(*) FROM crossover.item WHERE lease_until IS NOT NULL")[0][0] == 0


def _command(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    folder = shop.shop.migration.folder.root.parent
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(folder))
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", shop.shop.url)
    return ["relay", str(folder.parent / "mapping.yaml")]
