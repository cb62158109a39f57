"""INT96, in which older Parquet writers keep instants: read in microseconds, so that no year becomes another one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.source.rds_export.convert import Part, convert
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit

INSTANTS = [datetime(year, 6, 30, 23, 59, 59, 999_999, UTC) for year in (1, 1600, 1970, 2300, 9999)]


def test_every_year_is_itself(tmp_path: Path) -> None:
    column = Column(name="at", type=SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ), nullable=True)
    ref = TableRef(schema_name="public", table="t")
    table = Table(ref=ref, relation=Relation.TABLE, columns=(column,), primary_key=())
    exported = pa.table({"at": pa.array(INSTANTS, pa.timestamp("us", "UTC"))})
    pq.write_table(exported, tmp_path / "exported", use_deprecated_int96_timestamps=True)
    origin, destination = Place.of(tmp_path / "exported"), Place.of(tmp_path / "found")
    assert convert(Part(table, ("at",), origin, destination), lambda _: None) == len(INSTANTS)
    assert pq.read_table(tmp_path / "found")["at"].to_pylist() == INSTANTS
