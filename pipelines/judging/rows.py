"""Whose a key is: the rows that may have it, and what each reading says of them at that key."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pipelines.items.source_type import Kind
from pipelines.items.temporal import fixed_text
from pipelines.judging.rules import Row, RowTwice
from pipelines.mapping.key_source import KeyReader
from pipelines.mapping.online import source_key_text
from pipelines.mapping.outcome import Assembled, OnlineItem, Rejected
from pipelines.mapping.plan import ItemPlan

Found = Mapping[str, OnlineItem]
"""By source key."""

_NUMBER = re.compile(r"-?\d{1,126}(\.\d{1,170})?", re.ASCII)  # DynamoDB holds none that is longer
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Namer:
    """Source keys as the target tells them, of one item type: None for what can be no row's."""

    def __init__(self, item: ItemPlan) -> None:
        self._reader = KeyReader(item)
        self._kinds = {column: item.root.type_of(column).kind for column in item.source_key}

    def of_key(self, key: str) -> str | None:
        return self.of_owner(self._reader.source_key(key))

    def of_owner(self, owner: str | None) -> str | None:
        """`owner`: `_s`, which anybody can have written."""
        try:
            found = json.loads(owner or "null")
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or found.keys() != self._kinds.keys():
            return None
        if not all(isinstance(text, str) and _readable(self._kinds[column], text) for column, text in found.items()):
            return None
        return source_key_text((column, found[column]) for column in self._kinds)


def _readable(kind: Kind, text: str) -> bool:
    """Whether PostgreSQL can make a value of it; one text that it cannot would fail the reading of all."""
    match kind:
        case Kind.NUMERIC | Kind.FLOAT4 | Kind.FLOAT8:
            return _NUMBER.fullmatch(text) is not None
        case Kind.BOOLEAN:
            return text in ("true", "false")
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return _is_time(kind, text)
        case Kind.BYTES:
            return False
    return not _SURROGATE.search(text)


def _is_time(kind: Kind, text: str) -> bool:
    """In the one form that source keys have: Python reads others, which PostgreSQL does not."""
    try:
        return fixed_text((date if kind is Kind.DATE else datetime).fromisoformat(text)) == text
    except (ValueError, OverflowError):
        return False


def claimed_twice(found: Found) -> frozenset[str]:
    """Keys that more than one of these rows makes: each of them is a reject, `duplicate_key`."""
    claims = Counter(one.outcome.key for one in found.values() if isinstance(one.outcome, Assembled))
    return frozenset(key for key, count in claims.items() if count > 1)


@dataclass(frozen=True)
class RowsAtKey:
    """`own`: the row that the source had at the key, or that the key tells. `key`: None where it could not be built."""

    key: str | None
    own: str | None
    twice: Mapping[str, RowTwice]

    @classmethod
    def of(cls, key: str | None, own: str | None, rows: Iterable[str], first: Found, second: Found) -> RowsAtKey:
        """`rows`: source keys, all of them in both readings."""
        doubled = claimed_twice(first), claimed_twice(second)
        return cls(
            key,
            own,
            {
                one: RowTwice(
                    _row(first[one], key, one == own, doubled[0]), _row(second[one], key, one == own, doubled[1])
                )
                for one in rows
            },
        )

    def compared(self, owner: str | None) -> tuple[str, ...]:
        """Source keys, the one that the target's item names first; see `Readings.rows`."""
        holders = [one for one, row in self.twice.items() if row.first.has_key or row.second.has_key]
        named = [owner] if owner in self.twice else []
        rest = [self.own] if self.own in self.twice else []
        return tuple(one for one in dict.fromkeys([*named, *holders] or rest) if one is not None)


def _row(found: OnlineItem, key: str | None, is_own: bool, doubled: frozenset[str]) -> Row:
    outcome = found.outcome
    digest, is_reject = None, False
    if isinstance(outcome, Assembled) and outcome.key == key:
        digest, is_reject = (None, True) if key in doubled else (outcome.digest, False)
    elif isinstance(outcome, Rejected):
        is_reject = outcome.key == key or (is_own and outcome.key is None)
    return Row(found.version, digest, is_reject, found.undelivered, found.marked)
