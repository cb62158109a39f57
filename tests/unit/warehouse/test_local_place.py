"""What a disk is asked for that no reader could tell: that it keeps what was written, and keeps it to itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipelines.errors import WarehouseError
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


def test_what_is_durable_is_synced_before_it_has_its_name_and_so_is_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "file").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    with Place.of(tmp_path / "quick").writing() as sink:
        sink.write(b"1")
    assert synced == []
    Place.of(tmp_path / "file").write_atomically("1")
    assert synced == [(False, False), (True, True)]


def test_folders_are_their_owners_alone(tmp_path: Path) -> None:
    Place.of(tmp_path / "a" / "b").make_folder()
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_disk_that_is_full_in_mid_file_is_told(tmp_path: Path) -> None:
    told = r"/file: cannot be written \(No space left on device\)$"
    with pytest.raises(WarehouseError, match=told), Place.of(tmp_path / "file").writing():
        raise OSError(28, "x")
    assert list(tmp_path.iterdir()) == []


def test_when_a_folder_changed_is_when_the_newest_in_it_did(tmp_path: Path) -> None:
    assert Place.of(tmp_path / "none").changed_at() is None
    (tmp_path / "a").mkdir()
    for name, seconds in (("a/new", 3_000), ("old", 1_000), ("a", 2_000), (".", 500)):
        path = tmp_path / name
        if not path.exists():
            path.touch()
        os.utime(path, (seconds, seconds))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.utime(tmp_path / "gone", (100, 100), follow_symlinks=False)
    os.utime(tmp_path, (500, 500))
    changed = Place.of(tmp_path).changed_at()
    assert changed is not None
    assert changed.timestamp() == 3_000
