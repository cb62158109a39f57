"""Where a page ended, as an opaque text for the next one: the key of its last item, bound to the query."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipelines.errors import UsageError

Key = Mapping[str, Mapping[str, Any]]
_DIGEST_CHARACTERS = 16


def to_cursor(query: Mapping[str, Any], key: Key) -> str:
    """URL-safe: letters, digits, `-` and `_`. Not encrypted: it shows the key to whoever decodes it."""
    text = json.dumps([_digest(query), _plain(key)], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(query: Mapping[str, Any], cursor: str, like: Mapping[str, str], fixed: Key) -> dict[str, Any]:
    """The key. `like`: the names and types that it must have; `fixed`: those attributes whose value the query names,
    so that no cursor leads into another collection. Raises UsageError."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, plain = json.loads(text)
        key = {
            name: {type: base64.b64decode(content, validate=True) if type == "B" else str(content)}
            for name, value in plain.items()
            for type, content in value.items()
        }
    except (ValueError, TypeError, AttributeError):
        raise UsageError("the cursor is none of ours; give the one of the page before, or none") from None
    if digest != _digest(query):
        raise UsageError("the cursor is of another query; give the same arguments as for the page before")
    shape = {name: next(iter(value)) for name, value in key.items()}
    if shape != dict(like) or any(key[name] != value for name, value in fixed.items()):
        raise UsageError("the cursor is none of ours; give the one of the page before, or none")
    return key


def _digest(query: Mapping[str, Any]) -> str:
    text = json.dumps(query, sort_keys=True, default=lambda value: base64.b64encode(value).decode())
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _plain(key: Key) -> dict[str, dict[str, str]]:
    return {
        name: {type: base64.b64encode(content).decode() if type == "B" else content for type, content in value.items()}
        for name, value in key.items()
    }
