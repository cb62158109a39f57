"""The source key of an item, read back from its key, where the key tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from pipelines.items.source_type import Encoding, Kind
from pipelines.mapping.key_language import regex
from pipelines.mapping.key_text import placeholder_language
from pipelines.mapping.online import source_key_text
from pipelines.mapping.plan import ColumnValue, Format, ItemPlan, KeyAttribute, Placeholder

_Read = Callable[[str], str]

_AS_IT_STANDS = {
    (Encoding.N, Kind.INTEGER),
    (Encoding.S, Kind.INTEGER),
    (Encoding.DATE, Kind.DATE),
    (Encoding.S, Kind.TEXT),
    (Encoding.S, Kind.UUID),
}
"""Where a column that is a key by itself looks there as it does in a source key."""


@dataclass(frozen=True)
class _Part:
    """A key attribute: its groups are the texts of `columns`."""

    name: str
    pattern: re.Pattern[str]
    columns: tuple[tuple[str, _Read], ...]


class KeyReader:
    """For one item type, made once."""

    def __init__(self, item: ItemPlan) -> None:
        self._columns = item.source_key
        self._parts = [_part(key) for key in item.key]

    def source_key(self, key: str) -> str | None:
        """`key`: canonical. None where it does not tell, or is none of this item type."""
        values = json.loads(key)
        found: dict[str, str] = {}
        for part in self._parts:
            match = part.pattern.fullmatch(next(iter(values[part.name].values())))
            if match is None:
                return None
            found |= {column: read(text) for (column, read), text in zip(part.columns, match.groups(), strict=True)}
        if not found.keys() >= set(self._columns):
            return None
        return source_key_text((column, found[column]) for column in self._columns)


def _part(key: KeyAttribute) -> _Part:
    if isinstance(key.value, ColumnValue):
        value = key.value
        told = not value.path and (value.encoding, value.type.kind) in _AS_IT_STANDS
        return _Part(key.name, _compiled("(.*)" if told else ".*"), ((value.column, str),) if told else ())
    parts = key.value.template.parts
    return _Part(key.name, _compiled("".join(map(_regex, parts))), tuple(_columns(parts)))


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _regex(part: str | Placeholder) -> str:
    if isinstance(part, str):
        return re.escape(part)
    language = regex(placeholder_language(part))
    return language if _reader(part) is None else f"({language})"


def _columns(parts: tuple[str | Placeholder, ...]) -> Iterator[tuple[str, _Read]]:
    for part in parts:
        read = None if isinstance(part, str) else _reader(part)
        if not isinstance(part, str) and read is not None:
            yield part.column, read


def _reader(part: Placeholder) -> _Read | None:
    """A source key's texts are those of placeholders without a format."""
    if part.path:
        return None
    match part.format:
        case None:
            return str
        case Format(pad=int()):
            return _unpadded
        case Format(escape=str()):
            return unquote
    return None


def _unpadded(digits: str) -> str:
    return digits.lstrip("0") or "0"
