"""Which item type an item of the target has, by its key alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.items.canonical import AttributeValue
from pipelines.items.number import canonical_number
from pipelines.items.reject import Unrepresentable
from pipelines.mapping.key_language import regex
from pipelines.mapping.key_text import key_language
from pipelines.mapping.plan import ItemPlan, KeyAttribute, KeyType, MigrationPlan


@dataclass(frozen=True)
class _KeyPart:
    name: str
    type: KeyType
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, key: KeyAttribute) -> _KeyPart:
        return cls(key.name, key.type, re.compile(regex(key_language(key)), re.DOTALL))

    def matches(self, key: Mapping[str, AttributeValue]) -> bool:
        value = key.get(self.name)
        content = None if value is None else value.get(self.type)
        if content is None:
            return False
        if self.type is KeyType.B:
            return True
        if self.type is KeyType.N and not self.pattern.fullmatch(content):
            return self._matches_number(content)
        return self.pattern.fullmatch(content) is not None

    def _matches_number(self, content: str) -> bool:
        """Some endpoints keep `1.500` as it was sent."""
        try:
            return self.pattern.fullmatch(canonical_number(content)) is not None
        except Unrepresentable:
            return False


class KeyMatcher:
    """Matches keys against the key templates of a plan; made once, it is asked for every dumped item."""

    def __init__(self, plan: MigrationPlan) -> None:
        self._types: dict[str, list[tuple[str, tuple[_KeyPart, ...]]]] = {}
        for item in plan.items:
            self._types.setdefault(item.table, []).append((item.name, _parts(item)))

    def item_type(self, table: str, key: Mapping[str, AttributeValue]) -> str | None:
        """The one item type that can have made this key; None where no template fits (unmapped)."""
        for name, parts in self._types.get(table, ()):
            if len(parts) == len(key) and all(part.matches(key) for part in parts):
                return name
        return None


def _parts(item: ItemPlan) -> tuple[_KeyPart, ...]:
    return tuple(_KeyPart.of(key) for key in item.key)
