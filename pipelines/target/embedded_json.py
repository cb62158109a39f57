"""DynamoDB's attribute values as moto writes them, without walking botocore's model at every level.

That walk is nine tenths of the time of a scan. What it would write for an attribute value is known: the value,
binaries as base64.
"""

from __future__ import annotations

import base64
from typing import Any

from moto.core import serialize


class _PlainAttributeValues(serialize.JSONSerializer):
    def _serialize_type_structure(self, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and value is not None:
            self._default_serialize(serialized, _plain(value), shape, key)
        else:
            super()._serialize_type_structure(serialized, value, shape, key)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list():
            return [_plain(member) for member in value]
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case _:
            return value


def install() -> None:
    """In this process, for the `dynamodb` service only."""
    serialize.SERVICE_SPECIFIC_SERIALIZERS["dynamodb"] = {"json": _PlainAttributeValues}
