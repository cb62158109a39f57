"""Ranges of pages: together they are the whole table, once."""

from __future__ import annotations

import pytest

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.source.cut import TableSize
from pipelines.source.parts import page_ranges, parts_of
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit

SERVER = 180006


def table(relation: Relation = Relation.TABLE) -> Table:
    return Table(
        ref=TableRef(schema_name="public", table="t"),
        relation=relation,
        columns=(Column(name="a", type=SourceType(name="bigint", kind=Kind.INTEGER), nullable=True),),
        primary_key=(),
    )


@pytest.mark.parametrize("pages", [11, 12, 29, 30, 31, 1000, 99_991])
@pytest.mark.parametrize("readers", [1, 2, 3, 16])
def test_ranges_join_and_are_equal_and_as_many_for_each_reader(pages: int, readers: int) -> None:
    ranges = page_ranges(table(), TableSize(pages, pages, None), SERVER, readers, part_pages=10)
    assert len(ranges) >= 2 and (len(ranges) % readers == 0 or len(ranges) == pages)
    assert ranges[0][0] == 0 and ranges[-1][1] is None
    assert [end for _, end in ranges[:-1]] == [first for first, _ in ranges[1:]]
    lengths = [(pages if end is None else end) - first for first, end in ranges]
    assert max(lengths) <= 10 and max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("relation", "pages", "server"),
    [
        (Relation.TABLE, 10, SERVER),
        (Relation.TABLE, 0, SERVER),
        (Relation.TABLE, 1000, 130020),
        (Relation.VIEW, 1000, SERVER),
        (Relation.PARTITIONED, 1000, SERVER),
        (Relation.FOREIGN, 1000, SERVER),
    ],
)
def test_what_is_not_divided(relation: Relation, pages: int, server: int) -> None:
    assert page_ranges(table(relation), TableSize(pages, pages, None), server, 2, part_pages=10) == [(0, None)]


def test_long_values_count_though_they_lie_elsewhere() -> None:
    assert page_ranges(table(), TableSize(8, 31, None), SERVER, 2, 10) == [(0, 2), (2, 4), (4, 6), (6, None)]
    assert page_ranges(table(), TableSize(3, 31, None), SERVER, 2, 10) == [(0, 1), (1, 2), (2, None)]
    for pages in (0, 1):
        assert page_ranges(table(), TableSize(pages, 31, None), SERVER, 2, 10) == [(0, None)]


def test_each_range_is_a_file_of_its_own() -> None:
    parts = parts_of(table(), ["a"], [(0, 5), (5, 9), (9, None)], Place.of("/snapshot"))
    assert [part.name for part in parts] == [f"public.t/part-0000{n}.parquet" for n in range(3)]
    assert str(parts[1].place) == "/snapshot/public.t/part-00001.parquet"
    first, second, third = (part.query.as_string(None).partition(" FROM ")[2] for part in parts)
    assert first == '"public"."t" WHERE ctid < \'(5,0)\'::pg_catalog.tid'
    assert second == "\"public\".\"t\" WHERE ctid >= '(5,0)'::pg_catalog.tid AND ctid < '(9,0)'::pg_catalog.tid"
    assert third == '"public"."t" WHERE ctid >= \'(9,0)\'::pg_catalog.tid'
