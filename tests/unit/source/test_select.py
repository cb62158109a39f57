from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.errors import SourceError
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.source.select import physical_names, physical_schema, select_list

pytestmark = pytest.mark.unit


def table(*columns: tuple[str, Kind]) -> Table:
    return Table(
        ref=TableRef(schema_name="s", table="t"),
        relation=Relation.TABLE,
        columns=tuple(Column(name=name, type=SourceType(name="x", kind=kind), nullable=True) for name, kind in columns),
        primary_key=(),
    )


EXPECTED = {
    Kind.INTEGER: [pa.int64()],
    Kind.NUMERIC: [pa.string()],
    Kind.FLOAT4: [pa.string()],
    Kind.FLOAT8: [pa.string()],
    Kind.BOOLEAN: [pa.bool_()],
    Kind.BYTES: [pa.binary()],
    Kind.TEXT: [pa.string()],
    Kind.CHAR: [pa.string()],
    Kind.UUID: [pa.string()],
    Kind.ENUM: [pa.string()],
    Kind.DATE: [pa.date32(), pa.string()],
    Kind.TIMESTAMP: [pa.timestamp("us"), pa.string()],
    Kind.TIMESTAMPTZ: [pa.timestamp("us", "UTC"), pa.string()],
    Kind.JSON: [pa.string()],
    Kind.ARRAY: [pa.string()],
    Kind.OTHER: [pa.string()],
}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_physical_form(kind: Kind) -> None:
    assert physical_schema(table(("c", kind)), ["c"]).types == EXPECTED[kind]


def test_columns_come_in_the_order_asked_for() -> None:
    both = table(("a", Kind.DATE), ("b", Kind.TEXT))
    assert physical_names(both, ["b", "a"]) == ("b", "a", "a::raw")


def test_a_column_named_like_a_raw_form_is_refused() -> None:
    both = table(("a", Kind.DATE), ("a::raw", Kind.TEXT))
    with pytest.raises(SourceError, match="a::raw"):
        physical_schema(both, ["a", "a::raw"])
    assert physical_names(both, ["a::raw"]) == ("a::raw",)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_query_with_parameters_can_use_the_list(kind: Kind) -> None:
    assert "%" not in select_list(table(("c", kind)), ["c"]).as_string(None)


def test_names_are_quoted() -> None:
    assert select_list(table(('x"; --', Kind.BOOLEAN)), ['x"; --']).as_string(None) == '"x""; --" AS "x""; --"'
