"""Folder names: safe for every file system and Spark, and no two tables share one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.mapping.catalog import TableRef
from pipelines.source.parts import table_folder

pytestmark = pytest.mark.property

names = st.text(st.sampled_from("aA_.%-/é∑*{ 25E") | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63)


@given(names, names)
def test_a_folder_name_is_safe(schema: str, table: str) -> None:
    folder = table_folder(TableRef(schema_name=schema, table=table))
    assert re.fullmatch(r"[A-Za-z0-9%-][A-Za-z0-9_.%-]*", folder)
    assert len(folder) <= 200


@given(names, names, names, names)
def test_no_two_tables_share_a_folder(schema: str, table: str, other_schema: str, other_table: str) -> None:
    one = TableRef(schema_name=schema, table=table)
    other = TableRef(schema_name=other_schema, table=other_table)
    assert (table_folder(one) == table_folder(other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a.b", "c"), ("a", "b.c")), (("a", "b/c"), ("a", "b%2Fc")), (("_a", "b"), ("%5Fa", "b"))],
)
def test_dots_and_percent_signs_are_told_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    folders = {table_folder(TableRef(schema_name=schema, table=table)) for schema, table in (one, other)}
    assert len(folders) == 2


def test_an_ordinary_table_has_an_ordinary_folder() -> None:
    assert table_folder(TableRef(schema_name="public", table="order_items")) == "public.order_items"
