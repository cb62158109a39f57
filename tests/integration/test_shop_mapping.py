"""The example shop's mapping fits the example shop's schema."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from examples.shop.generate import SCHEMA
from pipelines.check import check
from pipelines.mapping.load import load_mapping
from pipelines.source.connect import connect

pytestmark = pytest.mark.integration

MAPPING = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"


def test_every_column_goes_along_but_the_password_hash(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA.read_bytes())
    with connect(database_url) as connection:
        plan = check(load_mapping(MAPPING), connection)
        present = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    read = {(table.ref.table, name) for table, names in plan.columns_by_table().items() for name in names}
    assert set(present) - read == {("customers", "password_hash")}
