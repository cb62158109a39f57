"""A DynamoDB item as a record of the target side.

Some endpoints keep what DynamoDB refuses: a number with 39 digits, a set with one member twice, a lone surrogate.
Such a value has no canonical form; its record holds the value's own wire text, which no source record can equal, so
that the diff shows it instead of the dump failing on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.items.bucket import bucket_of
from pipelines.items.canonical import canonical_item, canonical_value, digest, quote
from pipelines.items.number import plain_number
from pipelines.items.record import DELETED_ATTRIBUTE, OWN_ATTRIBUTES, SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE
from pipelines.items.reject import Unrepresentable
from pipelines.items.size import item_size
from pipelines.target.scan import WireItem

MAX_VERSION = 2**63 - 1
_SURROGATE = re.compile(r"[\ud800-\udfff]")

_NO_CANONICAL_FORM = (Unrepresentable, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class TargetRecord:
    """Crossover's own attributes taken out: `version` is `_v`, None where there is none or it is no whole number
    from 0 to 2^63 - 1. `is_tombstone`: `_deleted` is true beside a version; without one the item is not ours.
    `owner`: `_s`, None where there is none."""

    key: str
    item: str
    version: int | None
    is_tombstone: bool
    owner: str | None

    @property
    def size(self) -> int:
        """In bytes."""
        return _size(self.item)

    def row(self, item_type: str | None, table: str, buckets: int) -> dict[str, Any]:
        """A row of RECORD_SCHEMA."""
        return {
            "item_type": item_type,
            "table": table,
            "key": self.key,
            "source_key": self.owner,
            "bucket": bucket_of(self.key, buckets),
            "item": self.item,
            "version": self.version,
            "digest": digest(self.item),
            "size": self.size,
        }


def target_record(item: WireItem, key_names: Sequence[str]) -> TargetRecord:
    version = _version(item.get(VERSION_ATTRIBUTE))
    return TargetRecord(
        key=_text({name: item[name] for name in key_names}),
        item=_text({name: value for name, value in item.items() if name not in OWN_ATTRIBUTES}),
        version=version,
        is_tombstone=version is not None and item.get(DELETED_ATTRIBUTE) == {"BOOL": True},
        owner=_owner(item.get(SOURCE_ATTRIBUTE)),
    )


def _owner(value: Mapping[str, Any] | None) -> str | None:
    """None, too, for a text that no file can hold."""
    text = None if value is None else value.get("S")
    return text if isinstance(text, str) and not _SURROGATE.search(text) else None


def _version(value: Mapping[str, Any] | None) -> int | None:
    try:
        text = plain_number(value["N"]) if value is not None else ""
    except (KeyError, *_NO_CANONICAL_FORM):
        return None
    is_whole = text.isdecimal() and len(text) <= len(str(MAX_VERSION))
    return int(text) if is_whole and int(text) <= MAX_VERSION else None


def _text(item: Mapping[str, Mapping[str, Any]]) -> str:
    try:
        return canonical_item(item)
    except _NO_CANONICAL_FORM:
        return _closest_map(item)


def _closest_map(content: Mapping[str, Mapping[str, Any]]) -> str:
    return "{" + ",".join(f"{_quoted(name)}:{_closest(content[name])}" for name in sorted(content)) + "}"


def _closest(value: Mapping[str, Any]) -> str:
    """The canonical text of a value's parts that have one, around the wire text of those that have none."""
    try:
        return canonical_value(value)
    except _NO_CANONICAL_FORM:
        pass
    match value:
        case {"M": dict(content)}:
            return f'{{"M":{_closest_map(content)}}}'
        case {"L": list(content)}:
            return f'{{"L":[{",".join(map(_closest, content))}]}}'
        case _:
            return json.dumps(value, separators=(",", ":"))


def _quoted(name: str) -> str:
    r"""As `quote`; a name with a lone surrogate in ASCII with `\ud800`, which no canonical text has."""
    try:
        return quote(name)
    except Unrepresentable:
        return json.dumps(name)


def _size(item: str) -> int:
    try:
        return item_size(json.loads(item))
    except _NO_CANONICAL_FORM:
        return len(item.encode())
