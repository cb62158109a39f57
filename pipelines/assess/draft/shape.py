"""What the choices come to: item types with keys, embeds and places in the indexes, before it is text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.assess.draft.embeds import Node
from pipelines.assess.draft.keys import Keys
from pipelines.assess.draft.places import unused
from pipelines.assess.schema import Facts
from pipelines.items.record import OWN_ATTRIBUTES

MAX_INDEXES = 20
"""Global secondary indexes of a table, unless AWS raises it (Amazon DynamoDB Developer Guide, "Quotas")."""

_SENSITIVE = re.compile(
    r"passw|secret|token|e_?mail|phone|mobile|birth|ssn|iban|social|card_?n|street|address_?line|first_?name|last_?name",
    re.IGNORECASE,
)
_TEXT = "text"


@dataclass
class DraftItem:
    """`places`: of each index that it is in, the number and its keys."""

    name: str
    facts: Facts
    base: Keys
    nodes: list[Node] = field(default_factory=list)
    places: dict[int, Keys] = field(default_factory=dict)


@dataclass
class DraftShape:
    """`slots`: of each index whether its sort key is S or N. `names`: what the key attributes are called."""

    migration: str
    schema: str
    table: str
    partition_key: str
    sort_key: str
    items: list[DraftItem]
    slots: list[str] = field(default_factory=list)
    crowded_out: list[tuple[str, Keys]] = field(default_factory=list)

    def place(self, item: DraftItem, indexes: Sequence[Keys]) -> None:
        """Item types share indexes: each takes the first that is free for it."""
        for keys in indexes:
            free = (n for n, type in enumerate(self.slots) if type == keys.sort_type and n not in item.places)
            slot = next(free, None)
            if slot is None and len(self.slots) == MAX_INDEXES:
                self.crowded_out.append((item.name, keys))
                continue
            if slot is None:
                slot = len(self.slots)
                self.slots.append(keys.sort_type)
            item.places[slot] = keys


def index_name(slot: int) -> str:
    return f"gsi{slot + 1}"


def renamed(facts: Facts, taken: frozenset[str]) -> dict[str, str]:
    """Columns that are called as attributes of Crossover's own, or of the table's keys."""
    found: dict[str, str] = {}
    for column in facts.table.columns:
        if column.name in OWN_ATTRIBUTES | taken:
            found[column.name] = unused(f"{column.name.lstrip('_')}_", {*facts.columns, *taken, *found.values()})
    return found


def types_of(facts: Facts, columns: frozenset[str] | None) -> dict[str, str]:
    """What needs a word: types of extensions, and dates and times that no other form can hold, as PostgreSQL prints
    them."""
    return {
        column.name: _TEXT
        for column in facts.table.columns
        if (columns is None or column.name in columns)
        and (_is_unknown(column.type.known, column.type.element) or _is_beyond(facts, column.name))
    }


def _is_beyond(facts: Facts, column: str) -> bool:
    found = facts.statistics(column)
    return found is not None and found.beyond


def _is_unknown(known: bool, element: object | None) -> bool:
    return not known or (element is not None and not getattr(element, "known", True))


def sensitive_of(item: DraftItem) -> Iterator[str]:
    """By their names: somebody has to look."""
    yield from (name for name in sorted(item.facts.columns) if _SENSITIVE.search(name) and _is_path(name))
    for node in item.nodes:
        yield from (f"{node.name}.{name}" for name in _sensitive_below(node))


def _sensitive_below(node: Node) -> Iterator[str]:
    columns = node.facts.columns if node.columns is None else node.columns
    yield from (name for name in sorted(columns) if _SENSITIVE.search(name) and _is_path(name))
    for below in node.below:
        yield from (f"{below.name}.{name}" for name in _sensitive_below(below))


def _is_path(name: str) -> bool:
    return not set(name) & set(".[]")
