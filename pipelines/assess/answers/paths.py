"""The ways into a mapping's items: the table's key, and each index that an item type's items are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.assess.schema import Facts
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.model import Item, Mapping
from pipelines.mapping.target_model import KeySpec
from pipelines.mapping.templates import RawPlaceholder, RawTemplate, TemplateError, parse_template


@dataclass(frozen=True)
class KeyPart:
    """An attribute that is a key, and the template that fills it."""

    attribute: str
    type: str  # S, N or B
    template: RawTemplate

    @property
    def placeholders(self) -> tuple[RawPlaceholder, ...]:
        return tuple(part for part in self.template.parts if isinstance(part, RawPlaceholder))


@dataclass(frozen=True)
class Path:
    """`index` is None for the table itself; `sort` where there is one."""

    item_type: str
    table: str
    index: str | None
    partition: KeyPart
    sort: KeyPart | None


class Paths:
    """By the root's table. A type with a `where` lacks rows, and no way leads to all of them."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._items: dict[TableRef, list[tuple[str, Item]]] = defaultdict(list)
        for name, item in mapping.items.items():
            if item.where is None:
                self._items[item.from_.ref(mapping.source.schema_)].append((name, item))
        self._found: dict[TableRef, list[Path]] = {}

    def of(self, facts: Facts) -> list[Path]:
        """Into the item types whose root is this table, the table's own keys first."""
        if facts.ref not in self._found:
            items = self._items.get(facts.ref, [])
            self._found[facts.ref] = [path for one in items for path in _paths(self._mapping, *one, facts)]
        return self._found[facts.ref]


def _paths(mapping: Mapping, name: str, item: Item, facts: Facts) -> Iterator[Path]:
    table = mapping.target.tables[item.table]
    keys: list[tuple[str | None, KeySpec, KeySpec | None]] = [(None, table.partition_key, table.sort_key)]
    keys += [(index, spec.partition_key, spec.sort_key) for index, spec in table.indexes.items()]
    for index, partition_key, sort_key in keys:
        partition = _part(item, partition_key, facts)
        sort = _part(item, sort_key, facts) if sort_key is not None else None
        if partition is not None and (sort is not None or sort_key is None):
            yield Path(name, item.table, index, partition, sort)


def _part(item: Item, key: KeySpec, facts: Facts) -> KeyPart | None:
    """None where the item type's items have no such attribute, or not by a template."""
    text = item.key.get(key.name) or _set(item, key.name) or _column(item, key.name, facts)
    if text is None:
        return None
    try:
        return KeyPart(key.name, key.type, parse_template(text))
    except TemplateError:
        return None


def _set(item: Item, attribute: str) -> str | None:
    value = item.set_.get(attribute)
    return value if isinstance(value, str) else None


def _column(item: Item, attribute: str, facts: Facts) -> str | None:
    """The column that is emitted under this name, as a template."""
    renamed = next((column for column, name in item.rename.items() if name == attribute), None)
    column = renamed or (attribute if attribute in facts.columns and attribute not in item.rename else None)
    if column is None or column in item.exclude or (item.include is not None and column not in item.include):
        return None
    return f"{{{column}}}" if not set(column) & set("{}.:") else None
