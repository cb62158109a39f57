"""An item as an application sees it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer

from pipelines.items.record import OWN_ATTRIBUTES

Item = dict[str, Any]
"""An item as Python values (boto3's TypeDeserializer: Decimal, set, Binary, …), without Crossover's attributes."""


class _Deserializer(TypeDeserializer):
    def _deserialize_n(self, value: str) -> Decimal:
        """boto3's own raises Rounded for 99E124 where it comes with all its zeros; this is as exact."""
        return Decimal(value)


class _WireDeserializer(_Deserializer):
    def _deserialize_b(self, value: str) -> Binary:
        return Binary(base64.b64decode(value))


_DESERIALIZER, _WIRE_DESERIALIZER = _Deserializer(), _WireDeserializer()


def shown(item: Mapping[str, Any], *, on_wire: bool = False) -> Item:
    """`item`: as boto3 gives it, binaries as bytes; `on_wire`: as DynamoDB sends it, binaries as base64 text."""
    one = _WIRE_DESERIALIZER if on_wire else _DESERIALIZER
    return {name: one.deserialize(value) for name, value in item.items() if name not in OWN_ATTRIBUTES}
