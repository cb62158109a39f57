"""The capture form of the compiled mapping: which changed rows touch which items.

A row of a root's table, or of an embed whose `on` names the root's source key, says itself which item it touches:
its trigger appends the root's source key to the log. Any other row of an embed reaches items through rows that it
does not know: its trigger leaves a mark, the values that it is (and was) joined by, and the roots are found later.

    order              ── root               orders         → log   order, {"order_id": order_id}
    └─ lines           ── names the root     order_items    → log   order, {"order_id": order_id}
       └─ product      ── does not           products       → mark  order, lines.product, [product_id]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Literal

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Relation, Table, TableRef
from pipelines.mapping.plan import EmbedPlan, ItemPlan, MigrationPlan, PathColumn, RowPlan, walk
from pipelines.mapping.predicate import columns_of

Mode = Literal["ledger", "version", "none"]

_BLIND: dict[Relation, str] = {
    Relation.VIEW: "a view: its rows change without a trigger of its own",
    Relation.MATERIALIZED_VIEW: "a materialised view: REFRESH fires no trigger",
    Relation.FOREIGN: "a foreign table: its rows change in another database",
}


@dataclass(frozen=True)
class KeyPart:
    """A column of the root's source key, and the changed row's own column that holds its value."""

    root_column: str
    column: str
    type: SourceType


@dataclass(frozen=True)
class Log:
    """The row says which item it touches. `key` is in the order of the root's source key.

    `left`: of a root, the columns that the item's key is made of, unless those of the source key are enough: where
    one of `watched` changes or the row goes, the item's old key cannot be found in the source any more.
    """

    item_type: str
    key: tuple[KeyPart, ...]
    left: tuple[tuple[str, SourceType], ...] = ()
    watched: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[tuple[str, SourceType], ...]:
        return (*((part.column, part.type) for part in self.key), *self.left)


@dataclass(frozen=True)
class Mark:
    """The row reaches items through others. `path`: the names of the embeds from the root to the row's own; `link`:
    the columns of its `on`, in order."""

    item_type: str
    path: tuple[str, ...]
    link: tuple[tuple[str, SourceType], ...]

    @property
    def values(self) -> tuple[tuple[str, SourceType], ...]:
        return self.link


@dataclass(frozen=True)
class Effect:
    """What a change of one of `columns` (in the table's order) does; an insert and a delete always do it."""

    touch: Log | Mark
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TableCapture:
    """One source table with all that its rows touch."""

    table: Table
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class ItemMode:
    """By what an item type's states are ordered: by the ledger, by a column of its root, or by nothing; and why not by
    the ledger, which captures none of the changes of such a type."""

    item_type: str
    mode: Mode
    reason: str = ""


@dataclass(frozen=True)
class CapturePlan:
    migration: str
    mapping_hash: str
    tables: tuple[TableCapture, ...]
    modes: tuple[ItemMode, ...]

    def captured(self, item_type: str) -> bool:
        return any(one.item_type == item_type and one.mode == "ledger" for one in self.modes)


def compile_capture(plan: MigrationPlan, blind: Mapping[TableRef, str] | None = None) -> CapturePlan:
    """`blind`: tables whose rows can change without their triggers, with the reason, beside those that are no tables.

    An item type that uses one such table has no ledger at all: versions that miss some changes order nothing.
    """
    modes = tuple(_mode(item, blind or {}) for item in plan.items)
    captured = [item for item, one in zip(plan.items, modes, strict=True) if one.mode == "ledger"]
    tables: dict[Table, dict[Log | Mark, set[str]]] = {}
    for item in captured:
        for row, touch in _touches(item):
            tables.setdefault(row.table, {}).setdefault(touch, set()).update(row.columns)
    return CapturePlan(
        plan.name,
        plan.mapping_hash,
        tuple(TableCapture(table, _effects(table, touches)) for table, touches in tables.items()),
        modes,
    )


def _mode(item: ItemPlan, blind: Mapping[TableRef, str]) -> ItemMode:
    if item.version is not None:
        return ItemMode(item.name, "version", f"the mapping names its column `{item.version}`")
    for row in walk(item.root):
        reason = _BLIND.get(row.table.relation) or blind.get(row.table.ref)
        if reason is not None:
            return ItemMode(item.name, "none", f"{row.table.ref} is {reason}")
    if any(path for path, _ in _key_columns(item)):
        return ItemMode(item.name, "none", "its key uses a column of an embedded row, whose old value would be lost")
    for _, touch in _touches(item):
        for column, type in touch.values:
            if not type.utf8:
                return ItemMode(item.name, "none", f"`{column}` is a text that may be no UTF-8 (SQL_ASCII)")
    return ItemMode(item.name, "ledger")


def _effects(table: Table, touches: Mapping[Log | Mark, set[str]]) -> tuple[Effect, ...]:
    return tuple(Effect(touch, _in_order(table, used)) for touch, used in touches.items())


def _touches(item: ItemPlan) -> Iterator[tuple[RowPlan, Log | Mark]]:
    root = item.root
    yield root, root_touch(item)
    for embed in root.embeds:
        key = _root_key(embed, item)
        yield embed.row, _mark(item, (embed.name,), embed) if key is None else Log(item.name, key)
        yield from _below(item, (embed.name,), embed)


def root_touch(item: ItemPlan) -> Log:
    """What a row of the root's table touches: its own item."""
    root = item.root
    key = tuple(KeyPart(name, name, root.type_of(name)) for name in item.source_key)
    made_of = {column for _, column in _key_columns(item)}
    if made_of <= set(item.source_key):
        return Log(item.name, key)
    filtered = set() if root.where is None else columns_of(root.where)
    return Log(
        item.name,
        key,
        left=tuple((column.name, column.type) for column in root.table.columns if column.name in made_of),
        watched=_in_order(root.table, made_of | filtered | set(item.source_key)),
    )


def _key_columns(item: ItemPlan) -> list[PathColumn]:
    """The columns that the item's key is made of."""
    return [column for attribute in item.key for column in attribute.value.columns]


def _in_order(table: Table, names: Set[str]) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name in names)


def _below(item: ItemPlan, path: tuple[str, ...], outer: EmbedPlan) -> Iterator[tuple[RowPlan, Log | Mark]]:
    for embed in outer.row.embeds:
        yield embed.row, _mark(item, (*path, embed.name), embed)
        yield from _below(item, (*path, embed.name), embed)


def _mark(item: ItemPlan, path: tuple[str, ...], embed: EmbedPlan) -> Mark:
    return Mark(item.name, path, tuple((own, embed.row.type_of(own)) for own, _ in embed.on))


def _root_key(embed: EmbedPlan, item: ItemPlan) -> tuple[KeyPart, ...] | None:
    """The root's source key in the embed's own columns; None where it is not whole, or could have another text."""
    own_by_outer = {outer: own for own, outer in embed.on}
    parts: list[KeyPart] = []
    for column in item.source_key:
        own = own_by_outer.get(column)
        if own is None or not _same_text(embed.row.type_of(own), item.root.type_of(column)):
            return None
        parts.append(KeyPart(column, own, embed.row.type_of(own)))
    return tuple(parts)


def _same_text(own: SourceType, outer: SourceType) -> bool:
    """Whether values that are joined have one text in a source key; char(4) and char(6) pad it differently."""
    return own.kind is outer.kind and (own.kind is not Kind.CHAR or own.name == outer.name)
