"""The small shop in a database and, once it has been migrated, items of it spoilt by whoever knows no protocol."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import psycopg

from tests.delivered_shop import MAPPING, WRITTEN_SHOP, put, stored
from tests.prepared_shop import rows_of


def fill(url: str, folder: Path, orders: int) -> Path:
    """Creates and fills the shop's tables; every order and every seat is an item. Returns the mapping."""
    with psycopg.connect(url) as connection:
        connection.execute((WRITTEN_SHOP + rows_of(orders)).encode())
    mapping = folder / "small.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    return mapping


def spoil() -> Counter[str]:
    """Spoils items of both tables; returns what a verification must say, by verdict."""
    orders = boto3.resource("dynamodb").Table("orders")
    first, second, third, fourth = sorted(stored("orders").values(), key=lambda item: int(item["id"]["N"]))[:4]
    _remove(orders, first)
    put("orders", second | {"note": {"S": "spoilt"}})
    put("orders", third | {"lines": {"L": []}})
    put("orders", {name: value for name, value in fourth.items() if name != "_v"})
    put("orders", fourth | {"pk": {"S": "C9999"}})
    put("orders", fourth | {"pk": {"S": "nobody's"}})
    put("seats", {"pk": {"S": "S0"}, "_v": {"N": "0"}, "guest": {"S": "a stranger"}})
    return Counter(missing=1, mismatch=2, foreign=1, extra=2, unmapped=1)


def _remove(table: Any, item: dict[str, dict[str, str]]) -> None:
    table.delete_item(Key={name: item[name]["S"] for name in ("pk", "sk")})
