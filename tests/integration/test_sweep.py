"""Sweep: which tombstones go, and that nothing older can come after them."""

from __future__ import annotations

import time
from pathlib import Path

import boto3
import pytest

from pipelines.cli import run
from pipelines.deliver.sweep import WAIT_SECONDS, Swept
from pipelines.errors import StageError
from pipelines.source.ledger.backfills import begin_backfill, finish_backfill
from pipelines.source.ledger.control import read_control
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.tombstones import Tombstones
from pipelines.target.wire import Wire
from tests.captured_shop import captured
from tests.delivered_shop import EPOCH, MAPPING, SCHEMA, Delivering, put, stored, swept, tables

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str) -> Delivering:
    shop = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 1)")
    shop.drain()
    shop.run("DELETE FROM orders WHERE id = 1")
    shop.drain()
    return shop


def sweeps(shop: Delivering) -> int:
    with shop.session() as session:
        control = read_control(session.connection, "small")
    assert control is not None
    return control.sweeps


def test_only_tombstones_that_are_old_enough_go(shop: Delivering) -> None:
    """[late put after sweep: a stale put resurrects the item]"""
    put("seats", {"pk": {"S": "theirs"}, "_deleted": {"BOOL": True}})
    assert swept(shop, WAIT_SECONDS) == Swept(young=1)
    assert "C1/O1" in stored("orders")
    assert swept(shop) == Swept(removed=1)
    assert set(stored("orders")) == {"C1/O2"}
    assert set(stored("seats")) == {"theirs"}
    assert sweeps(shop) == 2


def test_a_tombstone_that_was_replaced_meanwhile_stays(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """[sweep exact]"""
    real = Tombstones.remove

    def raced(self: Tombstones, table: str, key: object, version: int) -> bool:
        shop.run("INSERT INTO orders VALUES (1, 1)")
        shop.drain()
        return real(self, table, key, version)  # type: ignore[arg-type]

    monkeypatch.setattr(Tombstones, "remove", raced)
    assert swept(shop) == Swept(raced=1)
    assert stored("orders")["C1/O1"]["_v"] == {"N": str(EPOCH + 3)}


def test_a_tombstone_of_a_later_version_stays(shop: Delivering) -> None:
    with Wire(Address.of(dynamodb_client()), 1) as wire:
        key = {"pk": {"S": "C1"}, "sk": {"S": "O1"}}
        assert not Tombstones(wire).remove("orders", key, EPOCH + 1)
        assert Tombstones(wire).remove("orders", key, EPOCH + 2)


def test_backfills_and_sweeps_exclude_each_other(shop: Delivering) -> None:
    """[a backfill of an older snapshot resurrects what was swept]"""
    with shop.session() as session:
        begin_backfill(session, "run-1", 0)
        begin_backfill(session, "run-1", 0)
        with pytest.raises(StageError, match="backfill run-1 is not finished"):
            swept(shop)
        finish_backfill(session, "run-1")
        with pytest.raises(StageError, match="run-1 ended less than 70 minutes ago"):
            swept(shop, WAIT_SECONDS)
        assert sweeps(shop) == 0
        time.sleep(0.01)
        swept(shop, 0)
        with pytest.raises(StageError, match="swept since the snapshot"):
            begin_backfill(session, "run-2", 0)
        begin_backfill(session, "run-2", 1)


def test_the_commands(shop: Delivering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = shop.shop.migration.folder.root.parent.parent / "mapping.yaml"
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(mapping.parent / "warehouse"))
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", shop.shop.url)
    boto3.client("dynamodb").put_item(TableName="orders", Item={"pk": {"S": "C1"}, "sk": {"S": "O9"}})
    shop.run("INSERT INTO orders VALUES (3, 1), (9, 1)", "INSERT INTO seats VALUES (1, '')")
    assert run(["relay", str(mapping), "--status", "--json"]) == 0
    assert (
        '"order": {"undelivered": 2, "leased": 0, "failing": 0, "set_apart": 0, "rejected": 0'
        in capsys.readouterr().out
    )
    assert run(["relay", str(mapping), "--drain"]) == 1
    assert "set apart, order: conflict" in capsys.readouterr().out
    assert run(["relay", str(mapping), "--status"]) == 0
    shown = capsys.readouterr().out
    assert "order: 1 undelivered (0 under a lease, 1 tried in vain, 1 of them set apart), 0 rejected" in shown
    assert "seat: 0 undelivered (0 under a lease, 0 tried in vain, 0 of them set apart), 1 rejected" in shown
    assert run(["sweep", str(mapping), "--wait-minutes", "3"]) == 2
    assert "at least 70" in capsys.readouterr().err
    assert run(["sweep", str(mapping), "--json"]) == 0
    assert '"removed": 0, "young": 1' in capsys.readouterr().out
