"""Which indexes can be read by: those that can hide what was deleted, and that items of the type are in."""

from __future__ import annotations

import pytest

from pipelines.errors import UsageError
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.reading.access import Access, index_access
from tests.unit.mapping.small_catalog import CATALOG

MAPPING = """
migration: small
target:
  tables:
    small:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes:
        turned: {partition_key: {name: sk, type: S}, sort_key: {name: pk, type: S}, projection: PROJECTION}
        by_email: {partition_key: {name: email, type: S}, projection: keys_only}
items:
  customer: {table: small, from: customers, key: {pk: "C#{customer_id}", sk: "P#{name}"}}
"""


def access(index: str, projection: str) -> Access:
    mapping = parse_mapping(MAPPING.replace("PROJECTION", projection), "small.yaml")
    return index_access(mapping, compile_mapping(mapping, CATALOG).item("customer"), index)


def test_an_index_of_the_tables_own_keys_has_to_carry_what_marks_the_deleted() -> None:
    assert access("turned", "all").columns == ("name", "customer_id")
    with pytest.raises(UsageError, match="shows deleted items"):
        access("turned", "keys_only")


def test_a_tombstone_is_in_no_index_of_another_attribute() -> None:
    found = access("by_email", "keys_only")
    assert found.columns == ("email",)
    assert found.cursor_shape == {"pk": "S", "sk": "S", "email": "S"}
