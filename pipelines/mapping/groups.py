"""Item types that change their master together: those that read a source table in common, whether as root or in an
embed, directly or through others (docs/protocol.md, rule 15)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.mapping.catalog import TableRef
from pipelines.mapping.plan import ItemPlan, MigrationPlan, walk

_NAME_BYTES = 200  # part of sort keys of DynamoDB's, 1,024 bytes
_HASH_DIGITS = 12


@dataclass(frozen=True)
class Group:
    """`name`: its item types in the mapping's order, joined by `+`; where that is long, its beginning and a hash.
    `tables`: sorted, those that one of them reads."""

    item_types: tuple[str, ...]
    tables: tuple[TableRef, ...]

    @property
    def name(self) -> str:
        name = "+".join(self.item_types)
        if len(name.encode()) <= _NAME_BYTES:
            return name
        begins = name.encode()[: _NAME_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
        return f"{begins}~{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}"


def groups_of(plan: MigrationPlan) -> tuple[Group, ...]:
    """In the order of their first item types. Every item type is in one."""
    parts: list[tuple[list[ItemPlan], set[TableRef]]] = []
    for item in plan.items:
        tables = {row.table.ref for row in walk(item.root)}
        joined = [part for part in parts if part[1] & tables]
        items = [one for part in joined for one in part[0]]
        parts = [part for part in parts if part not in joined]
        parts.append(([*items, item], tables.union(*(part[1] for part in joined))))
    order = {item.name: place for place, item in enumerate(plan.items)}
    named = [(sorted((item.name for item in items), key=order.__getitem__), tables) for items, tables in parts]
    named.sort(key=lambda part: order[part[0][0]])
    return tuple(Group(tuple(names), tuple(sorted(tables, key=str))) for names, tables in named)


def group_of(groups: Iterable[Group], item_type: str) -> Group | None:
    """None where the mapping has no such item type."""
    return next((group for group in groups if item_type in group.item_types), None)


def named_group(groups: Sequence[Group], name: str) -> Group | None:
    """By its own name, or by that of one of its item types."""
    return next((group for group in groups if group.name == name), None) or group_of(groups, name)
