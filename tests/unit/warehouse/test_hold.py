"""A run whose lock another one has taken: it finishes nothing, closes nothing, and clears nothing away."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.diff.account import BucketAccount, read_account
from pipelines.diff.bucket import CompareBucket
from pipelines.dump import segment as dump_segment
from pipelines.dump.segment import ReadSegment, Segment, counts_of
from pipelines.fanout import SparkFanOut
from pipelines.target.client import Address
from pipelines.warehouse import local_lock, lock
from pipelines.warehouse.hold import LostLockError, current_hold, require_hold
from pipelines.warehouse.layout import MANIFEST, discard, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.lock_owner import Owner
from pipelines.warehouse.manifest import Manifest
from pipelines.warehouse.place import Place
from tests.unit.test_fanout import Context, Session

pytestmark = pytest.mark.unit

THEIRS = Owner("theirs", "elsewhere", 7, "1", "t", "k")
TOLD = (
    r"^dump: run mine has lost its lock to run theirs \(process 7 on elsewhere\), as happens to a process that was "
    r"stopped for more than 60 seconds; it writes nothing more; run it again$"
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Place]:
    """The lock is held, and another has it by the end of `steal`."""
    root = Place.of(tmp_path)
    with stage_lock(root, "dump", "mine"):
        yield root


def steal(root: Place) -> None:
    (root / "locks" / "dump.lock").write_atomically(THEIRS.text())


def manifest() -> Manifest:
    return Manifest(stage="dump", migration="shop", mapping_hash="h", id="mine", started_at=datetime.now(UTC))


def test_whose_lock_is_held_may_finish(root: Place) -> None:
    write_manifest(root / "run", manifest())
    assert (root / "run" / MANIFEST).is_file()


def test_whose_lock_is_lost_writes_no_manifest(root: Place) -> None:
    steal(root)
    with pytest.raises(LostLockError, match=TOLD):
        write_manifest(root / "run", manifest())
    assert not (root / "run").exists()


def test_whose_lock_is_lost_clears_nothing_away(root: Place) -> None:
    (root / "run" / "part").write_atomically("of the other run")
    steal(root)
    discard(root / "run")
    assert (root / "run" / "part").is_file()


def test_a_lock_that_was_taken_and_released_is_lost(root: Place) -> None:
    (root / "locks" / "dump.lock").remove()
    with pytest.raises(LostLockError, match="has lost its lock, as happens"):
        require_hold()


def test_outside_of_a_stage_there_is_nothing_to_lose(tmp_path: Path) -> None:
    with stage_lock(Place.of(tmp_path), "dump", "outer"), stage_lock(Place.of(tmp_path), "diff", "inner"):
        hold = current_hold()
        assert hold is not None and hold.stage == "diff"
    assert current_hold() is None
    require_hold()


def test_the_heart_of_another_is_not_kept_beating(tmp_path: Path) -> None:
    root = Place.of(tmp_path)
    owner = Owner.this_process("mine")
    held = lock._take(root / "locks", "dump", owner)
    assert isinstance(held, local_lock.LocalLock)
    os.utime(held.path, (1, 1))
    held.beat()
    assert held.path.stat().st_mtime > 1
    steal(root)
    os.utime(held.path, (1, 1))
    held.beat()
    held.release()
    assert held.path.stat().st_mtime == 1


def test_tasks_begin_nothing_more_and_do_not_stop_the_other_run(root: Place) -> None:
    done: list[int] = []

    def work(task: int) -> None:
        done.append(task)
        steal(root)

    session: Any = Session(Context())
    with pytest.raises(LostLockError, match=TOLD):
        SparkFanOut(session)([1, 2, 3], work, stop_flag=root / ".stop")
    assert done == [1]
    assert not (root / ".stop").is_file()


def test_a_bucket_under_way_is_not_closed(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(_work: CompareBucket, bucket: int) -> BucketAccount:
        steal(root)
        empty = dict.fromkeys(("source_records", "source_rejects", "target_items", "target_only", "differences"), 0)
        return BucketAccount(bucket=bucket, **empty, item_types={}, attributes=(), other_attributes=0)

    monkeypatch.setattr(CompareBucket, "_compare", compare)
    work = pickle.loads(pickle.dumps(CompareBucket(root, root, root, 1, False, {}, hold=current_hold())))
    with pytest.raises(LostLockError, match=TOLD):
        work(0)
    assert read_account(root, 0) is None


def test_a_segment_under_way_is_not_closed(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pages:
        def __init__(self, _wire: object, **_: object) -> None:
            steal(root)

        def pages(self, *_: object) -> Iterator[list[Any]]:
            return iter(())

    monkeypatch.setattr(dump_segment, "Scanner", Pages)
    monkeypatch.setattr(dump_segment, "KeyMatcher", lambda _plan: None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    plan: Any = None
    segment = Segment("shop", ("pk",), 0, 1)
    with pytest.raises(LostLockError, match=TOLD):
        ReadSegment(Address("http://127.0.0.1:9", "eu-central-1"), root, plan, 1, current_hold())(segment)
    assert counts_of(root, segment) is None
