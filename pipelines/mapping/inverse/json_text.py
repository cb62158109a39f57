"""An attribute as a JSON document: the inverse of `pipelines.items.json_document`, every digit kept."""

from __future__ import annotations

import json
from typing import Any

from pipelines.items.canonical import AttributeValue
from pipelines.mapping.inverse.unreadable import Unreadable


def json_text(value: AttributeValue) -> str:
    """Of M, L, S, N, BOOL and NULL, in the order in which they stand. Raises Unreadable for what JSON has not."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return _quoted(content)
        case "N":
            return str(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return "null"
        case "L":
            return f"[{','.join([json_text(member) for member in content])}]"
        case "M":
            return "{" + ",".join([f"{_quoted(name)}:{json_text(member)}" for name, member in content.items()]) + "}"
    raise Unreadable(f"has a {kind}, which a JSON document cannot hold")


def _quoted(text: Any) -> str:
    return json.dumps(text, ensure_ascii=False)
