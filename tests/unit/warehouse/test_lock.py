"""One run a migration and stage: who is told to wait, and whose lock is taken over."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import StageError
from pipelines.warehouse import local_lock
from pipelines.warehouse.hold import LostLockError, require_hold
from pipelines.warehouse.local_lock import LocalLock
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.lock_owner import STALE_SECONDS, Owner
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


def held(root: Path) -> Path:
    return root / "locks" / "dump.lock"


def leave_behind(root: Path, seconds_old: float = 0.0, **changes: Any) -> None:
    """A lock as its owner wrote it, with some of it changed, whose heart beat last so long ago."""
    with stage_lock(Place.of(root), "dump", "old"):
        content = json.loads(held(root).read_text(encoding="utf-8"))
    held(root).write_text(json.dumps(content | changes), encoding="utf-8")
    beat = held(root).stat().st_mtime - seconds_old
    os.utime(held(root), (beat, beat))


def test_it_is_held_once_and_gone_afterwards(tmp_path: Path) -> None:
    with stage_lock(Place.of(tmp_path), "dump", "first"):
        with (
            pytest.raises(StageError, match="dump: run first is under way"),
            stage_lock(Place.of(tmp_path), "dump", "second"),
        ):
            pass
        with stage_lock(Place.of(tmp_path), "diff", "other"):
            pass
    assert not held(tmp_path).exists()


def test_it_can_be_of_another_run_than_that_which_took_it(tmp_path: Path) -> None:
    """The run that the stage goes on with: whoever comes second is told that one."""
    with stage_lock(Place.of(tmp_path), "dump", "asked for") as lock:
        lock.rename("begun")
        with (
            pytest.raises(StageError, match="dump: run begun is under way"),
            stage_lock(Place.of(tmp_path), "dump", "second"),
        ):
            pass
        require_hold()
        held(tmp_path).unlink()
        with pytest.raises(LostLockError, match="dump: run begun has lost its lock"):
            require_hold()
        lock.rename("too late")
        assert not held(tmp_path).exists()  # it is another's, or will be


def test_one_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    leave_behind(tmp_path, pid=child.pid)
    with stage_lock(Place.of(tmp_path), "dump", "next"):
        assert "next" in held(tmp_path).read_text(encoding="utf-8")


def test_one_of_a_process_whose_number_another_has_now_is_taken_over(tmp_path: Path) -> None:
    leave_behind(tmp_path, started="1")
    with stage_lock(Place.of(tmp_path), "dump", "next"):
        pass


@pytest.mark.parametrize("host", ["elsewhere", None])
def test_one_of_another_machine_is_stale_once_its_heart_stops(tmp_path: Path, host: str | None) -> None:
    """`None`: of the same name. Its pids say nothing here."""
    other: dict[str, Any] = {"kernel": "another boot", "pid": 999_999_999, "started": "1"}
    if host:
        other["host"] = host
    leave_behind(tmp_path, **other)
    with pytest.raises(StageError, match="run old is under way"), stage_lock(Place.of(tmp_path), "dump", "next"):
        pass
    held(tmp_path).unlink()
    leave_behind(tmp_path, STALE_SECONDS + 1, **other)
    with stage_lock(Place.of(tmp_path), "dump", "next"):
        pass


def test_a_clock_that_is_wrong_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_behind(tmp_path, kernel="another boot")
    monkeypatch.setattr("time.time", lambda: held(tmp_path).stat().st_mtime + 10 * STALE_SECONDS)
    with pytest.raises(StageError, match="run old is under way"), stage_lock(Place.of(tmp_path), "dump", "next"):
        pass


def test_a_disk_that_fails_for_a_while_stops_neither_the_heart_nor_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_path: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    with stage_lock(Place.of(tmp_path), "dump", "mine"):
        lock = LocalLock(held(tmp_path), Owner("mine", "here", 1, "1"))
        with monkeypatch.context() as failing:
            failing.setattr("os.utime", fails)
            failing.setattr("pathlib.Path.read_bytes", fails)
            lock.beat()
            lock.release()
        lock.release()
        assert held(tmp_path).exists(), "it is another's"


def test_who_came_between_look_and_takeover_keeps_the_lock(tmp_path: Path) -> None:
    leave_behind(tmp_path, started="1")
    stale = local_lock._owner(held(tmp_path))
    newer = Owner("newer", "elsewhere", 1, "1", "t", "k")
    held(tmp_path).write_text(newer.text(), encoding="utf-8")
    local_lock._remove_stale(held(tmp_path), stale, Owner.this_process("next"))
    assert local_lock._owner(held(tmp_path)) == newer
    with pytest.raises(StageError, match="run newer is under way"), stage_lock(Place.of(tmp_path), "dump", "next"):
        pass


def test_one_at_a_time_looks_and_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between look and link nobody else clears away what he took for stale."""
    steps: list[str] = []
    flock, link = fcntl.flock, os.link

    def queue(file: Any, how: int) -> None:
        steps.append("queue")
        flock(file, how)

    def take(claim: Path, path: Path) -> None:
        steps.append("link")
        link(claim, path)

    monkeypatch.setattr(fcntl, "flock", queue)
    monkeypatch.setattr(os, "link", take)
    with stage_lock(Place.of(tmp_path), "dump", "mine"):
        assert steps == ["queue", "link"]


def test_a_damaged_one_is_taken_over(tmp_path: Path) -> None:
    leave_behind(tmp_path)
    held(tmp_path).write_text("{", encoding="utf-8")
    with stage_lock(Place.of(tmp_path), "dump", "next"):
        pass
    assert sorted(entry.name for entry in (tmp_path / "locks").iterdir()) == [".starters"]
