"""Canonical DynamoDB JSON, parsed, as boto3's client takes it."""

from __future__ import annotations

import base64
from typing import Any


def sendable(value: Any) -> Any:
    """Canonical JSON as boto3 takes it: bytes instead of base64."""
    if isinstance(value, list):
        return [sendable(member) for member in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"B"} and isinstance(value["B"], str):
        return {"B": base64.b64decode(value["B"])}
    if set(value) == {"BS"} and isinstance(value["BS"], list):
        return {"BS": [base64.b64decode(member) for member in value["BS"]]}
    return {name: sendable(member) for name, member in value.items()}
