"""Item types of one table whose keys could meet: two rows would overwrite each other, and a dump could not say
which type an item has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from pipelines.mapping.key_language import common
from pipelines.mapping.key_text import key_language
from pipelines.mapping.plan import ItemPlan, KeyType


def key_conflicts(plans: tuple[ItemPlan, ...]) -> Iterator[tuple[str, str, str]]:
    """(item type, the earlier item type that it meets, a key that both can have)."""
    for first, second in combinations(plans, 2):
        if first.table != second.table or len(first.key) != len(second.key):
            continue
        example = _common_key(first, second)
        if example is not None:
            yield second.name, first.name, f"both could be {example}; begin each with a literal of its own"


def _common_key(first: ItemPlan, second: ItemPlan) -> str | None:
    parts: list[str] = []
    for left, right in zip(first.key, second.key, strict=True):
        if left.name != right.name:
            return None
        text = common(key_language(left), key_language(right))
        if text is None:
            return None
        parts.append(f"{left.name} = `{text}`" if left.type is not KeyType.B else f"{left.name} the same bytes")
    return ", ".join(parts)
