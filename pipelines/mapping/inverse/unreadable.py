"""Why an attribute is no value of its column."""

from __future__ import annotations

from typing import Any

from pipelines.items.canonical import AttributeValue


class Unreadable(ValueError):  # noqa: N818 (says of a value what it is)
    """The rest of a sentence that begins with the attribute's path; never the value."""


def content(value: AttributeValue, kind: str) -> Any:
    """What stands in the attribute of this DynamoDB type. Raises Unreadable for another."""
    if kind not in value:
        raise Unreadable(f"is {next(iter(value))}, and the mapping makes it {kind}")
    return value[kind]


def without_nul(text: str) -> str:
    """Raises Unreadable for a text that PostgreSQL has not."""
    if "\0" in text:
        raise Unreadable("holds U+0000, which no text of PostgreSQL can")
    return text
