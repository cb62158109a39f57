"""Item types of one table whose keys could meet: two rows would overwrite each other, and a dump could not say
which type an item has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from pipelines.mapping.key_language import common
from pipelines.mapping.key_text import key_language
from pipelines.mapping.plan import ItemPlan, KeyAttribute, KeyType, TemplateValue


def key_conflicts(plans: tuple[ItemPlan, ...]) -> Iterator[tuple[str, str, str]]:
    """(item type, the earlier item type that it meets, a key that both can have)."""
    heads = {plan.name: tuple(_head(key) for key in plan.key) for plan in plans}
    for first, second in combinations(plans, 2):
        if first.table != second.table or len(first.key) != len(second.key):
            continue
        if _begin_apart(heads[first.name], heads[second.name]):
            continue
        example = _common_key(first, second)
        if example is not None:
            yield second.name, first.name, f"both could be {example}; begin each with a literal of its own"


def _head(key: KeyAttribute) -> tuple[str, str]:
    """The attribute, and the literal that its value begins with."""
    first = key.value.template.parts[:1] if isinstance(key.value, TemplateValue) else ()
    return key.name, "".join(part for part in first if isinstance(part, str))


def _begin_apart(left: tuple[tuple[str, str], ...], right: tuple[tuple[str, str], ...]) -> bool:
    """The quick answer for nearly all pairs: of some attribute the values begin with different literals."""
    return any(
        name == other and not head.startswith(beside) and not beside.startswith(head)
        for (name, head), (other, beside) in zip(left, right, strict=True)
    )


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
