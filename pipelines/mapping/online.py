"""The online form of the compiled mapping: one item from the rows that belong to it, in plain Python.

Must give what the bulk form (`pipelines.mapping.bulk`) gives for the same rows. Both follow these rules.

**An embed's rows**: those that pass its `where`, matched by `on` (NULL matches nothing), in `order_by`, then cut to
`limit`. An `as: map` embed that is left with two rows is *ambiguous*.

**The first problem** of a root row is its reject; attributes are judged in this order, each to its end:

1. the key's attributes, in key order: the value, then NULL or empty, then too long for the table's key, then too
   long for an index that uses it too;
2. the root's attributes by name (code points): the value, then too long for an index key;
3. the item as a whole: over 400 KB;
4. its version, where a column of the root is to tell it: there is none.

A value's own problems: a template's placeholders left to right (all of them: a problem wins over a NULL before it);
a path that meets an ambiguous map, MAP_WITH_TWO_PARENTS at the attribute that wanted it; an embed's elements in
their order, each as 2 above, depth first; a set's members in their order, then NULL or duplicate members in it.
An ambiguous hidden map that nothing asks for is no problem.

`attribute` is the path to the problem, `lines[2].price`; a set's members have no place, so its path is the set's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from pipelines.items.canonical import attributes_of, digest, quote
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.size import (
    MAX_ITEM_BYTES,
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    canonical_size,
    value_size,
)
from pipelines.mapping.assemble import (
    Build,
    Node,
    attribute_builder,
    column_builder,
    template_builder,
    within,
)
from pipelines.mapping.outcome import Absent, Assembled, Outcome, Rejected, Rejection
from pipelines.mapping.plan import Attribute, ColumnValue, ItemPlan, KeyAttribute, Nulls
from pipelines.mapping.row_version import NO_VERSION, row_version
from pipelines.mapping.source_row import SourceRow
from pipelines.mapping.templates import template_text

EMPTY = frozenset({'{"S":""}', '{"B":""}'})
MAX_UTF8_BYTES = 4  # of one character


class ItemAssembler:
    """One item type, bound once, for many rows. Pure."""

    def __init__(self, item: ItemPlan) -> None:
        self._item = item
        self._indexed = {key.attribute: key for key in item.index_keys}
        self._key = [
            (attribute, self._key_builder(attribute, limit))
            for attribute, limit in zip(item.key, (MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES), strict=False)
        ]
        self._attributes = [(attribute.name, self._attribute_builder(attribute)) for attribute in item.root.attributes]

    def assemble(self, root: Node | None) -> Outcome:
        """`root` is None where no row has the source key, or the root's `where` does not hold for it."""
        if root is None:
            return Absent()
        try:
            keys = {attribute.name: _required(attribute, build, root) for attribute, build in self._key}
        except Rejection as problem:
            return self._rejected(None, problem)
        key = attributes_of(keys)
        try:
            item = attributes_of(keys | self._fragments(root))
        except Rejection as problem:
            return self._rejected(key, problem)
        outcome = self._within_size(key, item)
        if isinstance(outcome, Assembled) and row_version(self._item, root.row) is None:
            return Rejected(self._item.table, key, RejectReason.NO_VERSION, None, None, NO_VERSION)
        return outcome

    def _fragments(self, root: Node) -> dict[str, str]:
        fragments = ((name, within(name, build, root)) for name, build in self._attributes)
        return {name: fragment for name, fragment in fragments if fragment is not None}

    def _within_size(self, key: str, item: str) -> Outcome:
        size = canonical_size(item)
        if size > MAX_ITEM_BYTES:
            detail = f"{size} bytes, {MAX_ITEM_BYTES} at most"
            return Rejected(self._item.table, key, RejectReason.ITEM_TOO_LARGE, None, size, detail)
        return Assembled(self._item.table, key, item, digest(item), size)

    def _rejected(self, key: str | None, problem: Rejection) -> Rejected:
        return Rejected(self._item.table, key, problem.reason, problem.attribute, None, problem.detail)

    def _key_builder(self, attribute: KeyAttribute, most: int) -> Build:
        index = self._indexed.get(attribute.name)
        value = attribute.value
        build = column_builder(value, 0, None) if isinstance(value, ColumnValue) else template_builder(value)

        def build_key(node: Node) -> str | None:
            fragment = build(node)
            if fragment is None or fragment in EMPTY:
                raise Unrepresentable(RejectReason.KEY_NULL_OR_EMPTY, "a key attribute is NULL or empty")
            _check_length(fragment, most, RejectReason.KEY_TOO_LONG)
            if index is not None:
                _check_length(fragment, index.max_bytes, RejectReason.INDEX_KEY_TOO_LONG)
            return fragment

        return build_key

    def _attribute_builder(self, attribute: Attribute) -> Build:
        index = self._indexed.get(attribute.name)
        if index is None:
            return attribute_builder(attribute, self._item.root, depth=0)
        build = attribute_builder(replace(attribute, nulls=Nulls.ABSENT), self._item.root, depth=0)

        def build_index_key(node: Node) -> str | None:
            fragment = build(node)
            if fragment is None or fragment in EMPTY:
                return None
            _check_length(fragment, index.max_bytes, RejectReason.INDEX_KEY_TOO_LONG)
            return fragment

        return build_index_key


def assemble(item: ItemPlan, root: Node | None) -> Outcome:
    """`ItemAssembler(item).assemble(root)`, for one row."""
    return ItemAssembler(item).assemble(root)


def source_key_of(item: ItemPlan, row: SourceRow) -> str | None:
    """The row's primary key as a record's `source_key`; None where a value has no text in a template."""
    texts: list[tuple[str, str]] = []
    for column in item.source_key:
        type = item.root.type_of(column)
        try:
            text = template_text(type, row.value(column), row.raw(column, type))
        except Unrepresentable:
            return None
        if text is None:
            return None
        texts.append((column, text))
    return source_key_text(texts)


def source_key_text(texts: Iterable[tuple[str, str]]) -> str:
    """`{"order_id":"6"}` of (column, template text) in key order."""
    return "{" + ",".join(f"{quote(column)}:{quote(text)}" for column, text in texts) + "}"


def _required(attribute: KeyAttribute, build: Build, root: Node) -> str:
    fragment = within(attribute.name, build, root)
    assert fragment is not None  # _key_builder refuses it
    return fragment


def _check_length(fragment: str, most: int, reason: RejectReason) -> None:
    if len(fragment) * MAX_UTF8_BYTES <= most:
        return
    size = value_size(json.loads(fragment))
    if size > most:
        raise Unrepresentable(reason, f"{size} bytes, {most} at most")
