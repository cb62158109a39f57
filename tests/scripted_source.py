"""A source that a script fills, and the migration `shop` of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg

from pipelines.migration import Migration

CUSTOMERS: Final = """
migration: shop
target:
  tables:
    shop: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{customer_id}", sk: PROFILE}
    exclude: [password_hash]
    embed:"""
"""The beginning of a mapping: what is embedded is to follow."""


def run(url: str, script: str) -> None:
    """The script as one transaction, unless it begins some itself."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(script.encode())


def migration_of(mapping: str, folder: Path, warehouse: Path) -> Migration:
    """`mapping` is written to `folder`/shop.yaml."""
    path = folder / "shop.yaml"
    path.write_text(mapping, encoding="utf-8")
    return Migration.open(path, warehouse)
