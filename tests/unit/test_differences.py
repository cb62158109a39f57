"""The differences of a bucket: the file is there whole, or nothing of it is."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from pipelines.diff.differences import DifferenceWriter
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


def test_a_file_that_cannot_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyarrow.parquet.ParquetWriter", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError), DifferenceWriter(Place.of(tmp_path / "bucket=0.parquet")):
        pass
    assert list(tmp_path.iterdir()) == []
