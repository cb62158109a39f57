"""A repair that dies at any instant goes on where it was, and what was there before is still known in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.capture import install_capture, uninstall_capture
from pipelines.judging.verdict import Verdict
from pipelines.repair import undo, writing
from pipelines.repair.apply import apply_repair
from pipelines.repair.folder import RepairFolder
from pipelines.repair.undo import undo_repair
from tests.captured_shop import captured
from tests.delivered_shop import EPOCH, LEASES_END, MAPPING, SCHEMA, Delivering, assert_equal_stores, tables
from tests.fault_proxy import FaultProxy
from tests.repaired_shop import everything, filled, plant, quick_clients, run_of

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_clients")]
__all__ = ["quick_clients"]

USUAL: frozenset[Verdict] = frozenset()


class Killed(BaseException):
    """Nothing that the repair could act upon."""


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    return tables(captured(database_url, tmp_path, SCHEMA, MAPPING))


def dying(module: Any, name: str, nth: int, after: bool) -> Any:
    """Patches the function: it dies when it is called for the nth time, or at the end of that call."""
    real, calls = getattr(module, name), [0]

    def called(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth and not after:
            raise Killed
        result = real(*arguments, **named)
        if calls[0] == nth:
            raise Killed
        return result

    return called


def test_at_each_step(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run, before, migration = run_of(shop.shop), everything(), shop.shop.migration
    steps: list[tuple[Any, str, bool]] = [
        (RepairFolder, "keep_images", False),
        (RepairFolder, "keep_images", True),
        (writing, "touch_unmoved", True),
        (writing, "_exchange", True),
        (writing, "_deliver", True),
        (RepairFolder, "finish_batch", False),
        (RepairFolder, "finish_batch", True),
    ]
    for module, name, after in steps:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, dying(module, name, 1, after))
            with pytest.raises(Killed):
                apply_repair(migration, run, USUAL)
        shop.run(LEASES_END)
    done = apply_repair(migration, run, USUAL)
    assert [folder.id for folder in RepairFolder.all(migration)] == [done.id]
    assert (done.judged, done.repaired) == (11, 11)
    assert_equal_stores(shop)
    for module, name, after in ((undo, "_undone", False), (RepairFolder, "finish_undoing", False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, dying(module, name, 2, after))
            with pytest.raises(Killed):
                undo_repair(migration, run)
    undone = undo_repair(migration, run)
    assert (undone.undone, undone.left) == (11, {})
    assert everything() == before


def test_it_goes_on_in_a_new_epoch(shop: Delivering) -> None:
    """What has an image of the old one is left to the relay; nothing is written at an old version."""
    filled(shop)
    plant(shop)
    run, migration = run_of(shop.shop), shop.shop.migration
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "touch_unmoved", dying(writing, "touch_unmoved", 1, False))
        with pytest.raises(Killed):
            apply_repair(migration, run, USUAL)
    before = everything()
    assert uninstall_capture(migration, shop.shop.url)
    assert install_capture(migration, shop.shop.url).status.epoch == 2
    done = apply_repair(migration, run, USUAL)
    assert (done.judged, done.failed, done.repaired) == (11, 0, 11 - done.pending)
    assert done.pending > 0
    now = everything()
    keys = [(table, key) for table in now for key in now[table].keys() | before[table].keys()]
    moved = [now[table].get(key) for table, key in keys if now[table].get(key) != before[table].get(key)]
    assert len(moved) == done.repaired
    assert all(item is None or int(item["_v"]["N"]) > 2 * EPOCH for item in moved)
    shop.drain()
    assert apply_repair(migration, run, USUAL).no_longer_different == 11
    assert_equal_stores(shop)


def test_by_sigkill(shop: Delivering, dynamodb_environment: str) -> None:
    filled(shop)
    plant(shop)
    run, before, migration = run_of(shop.shop), everything(), shop.shop.migration
    faults = FaultProxy(dynamodb_environment, actions=("PutItem",))
    with faults.serving():
        environment = os.environ | {
            "AWS_ENDPOINT_URL_DYNAMODB": faults.url,
            "CROSSOVER_WAREHOUSE": str(migration.folder.root.parent),
        }
        arguments = ["repair", str(migration.path), "--run", run, "--apply"]
        command = [sys.executable, "-P", "-m", "pipelines.cli", *arguments]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
            while faults.requests < 4 and process.poll() is None:
                time.sleep(0.002)
            process.kill()
    assert process.returncode == -9
    shop.run(LEASES_END)
    done = apply_repair(migration, run, USUAL)
    assert (done.judged, done.repaired) == (11, 11)
    assert_equal_stores(shop)
    assert undo_repair(migration, run).left == {}
    assert everything() == before
