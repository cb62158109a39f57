"""Ids and manifests: what is whole, what is newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import WarehouseError
from pipelines.warehouse.layout import MANIFEST, MigrationFolder, checked_id, new_id, read_manifest
from pipelines.warehouse.manifest import DumpManifest
from pipelines.warehouse.place import Place
from tests.on_disk import on_disk

pytestmark = pytest.mark.unit


def test_ids_made_one_after_the_other_sort_so() -> None:
    """Also within one second: the newest of a stage is found by its name."""
    ids = [new_id() for _ in range(50) for _ in [sum(range(2000))]]
    assert [one[:-2] for one in ids] == sorted(one[:-2] for one in ids)
    assert all(checked_id(one) == one for one in ids)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[1]"])
def test_what_is_no_manifest_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(WarehouseError, match="not a manifest of Crossover, or damaged"):
        read_manifest(Place.of(tmp_path), DumpManifest)


def test_the_warehouse_is_its_owners_alone(tmp_path: Path) -> None:
    folder = MigrationFolder.open(tmp_path / "deep" / "warehouse", "shop")
    assert (tmp_path / "deep" / "warehouse").stat().st_mode & 0o777 == 0o700
    assert on_disk(folder.root).stat().st_mode & 0o777 == 0o700
