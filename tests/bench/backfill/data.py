"""The items: an order with lines, as Crossover's canonical text and as boto3 wants it."""

from __future__ import annotations

import json
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from pipelines.items.canonical import canonical_item

TABLE = "shop"
DISTINCT = 1_000  # then they come again
_LINE_BYTES = 160


def texts(size: int) -> list[str]:
    """DISTINCT items of about `size` bytes of JSON."""
    return [canonical_item(_typed(number, size)) for number in range(DISTINCT)]


def key_of(text: str) -> str:
    item = json.loads(text)
    return canonical_item({name: item[name] for name in ("pk", "sk")})


def typed(size: int) -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts(size)]


def plain(size: int) -> list[dict[str, Any]]:
    reader = TypeDeserializer()
    return [{name: reader.deserialize(value) for name, value in item.items()} for item in typed(size)]


def _typed(number: int, size: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pk": {"S": f"CUSTOMER#{number % 97}"},
        "sk": {"S": f"ORDER#{number:010}"},
        "placed_at": {"S": "2026-11-24T08:55:13.123456Z"},
        "status": {"S": "shipped"},
        "total": {"N": f"{number}.25"},
        "gift": {"BOOL": number % 2 == 0},
        "lines": {"L": [_line(number, line) for line in range(max(1, (size - 330) // _LINE_BYTES))]},
        "note": {"S": ""},
    }
    item["note"] = {"S": "x" * (size - len(canonical_item(item)))}
    return item


def _line(number: int, line: int) -> dict[str, Any]:
    product = {"name": {"S": "Grüner Tee, 100 g"}, "sku": {"S": f"SKU-{number % 13:06}"}}
    return {"M": {"line_no": {"N": str(line)}, "price": {"N": "4.75"}, "product": {"M": product}, "qty": {"N": "2"}}}
