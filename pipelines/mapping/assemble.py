"""From rows to fragments: a plan's attributes, each bound once to a function of a row and of what it embeds.

The rules, and the order in which problems are found, stand in `pipelines.mapping.online`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.items.canonical import EMPTY_LIST, NULL, binary_set, list_of, number_set, quote, string, string_set
from pipelines.items.encode import encoder
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import Encoding, SourceType
from pipelines.mapping.outcome import Rejection
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    ConstantValue,
    EmbedPlan,
    EmbedValue,
    Nulls,
    Placeholder,
    RowPlan,
    Shape,
    TemplateValue,
)
from pipelines.mapping.source_row import SourceRow, in_order, match_text
from pipelines.mapping.templates import render

Build = Callable[["Node"], str | None]
"""A row's value as a canonical fragment; None where the attribute is absent. Raises Rejection or Unrepresentable."""

MatchKey = tuple[str, ...]
"""The texts (`match_text`) of the columns of an embed's `on`, in its order."""


@dataclass(frozen=True, eq=False)
class EmbeddedRows:
    """What one embed found for all enclosing rows together: its rows, in order and cut to the limit, by what they
    match; and what its own embeds found for them."""

    enclosing: tuple[tuple[str, SourceType], ...]
    by_match: Mapping[MatchKey, Sequence[SourceRow]]
    embeds: Mapping[str, EmbeddedRows]

    def of(self, row: SourceRow) -> list[Node]:
        key = match_key(row, self.enclosing)
        return [] if key is None else [Node(found, self.embeds) for found in self.by_match.get(key, ())]


@dataclass(frozen=True, eq=False)
class Node:
    """One row and, for each of its embeds by name, where its embedded rows are found."""

    row: SourceRow
    embeds: Mapping[str, EmbeddedRows]

    def embedded(self, name: str) -> list[Node]:
        return self.embeds[name].of(self.row)

    def through(self, path: tuple[str, ...]) -> Node | None:
        """The row at the end of a path of `as: map` embeds; None where one has no row.

        Raises Rejection (MAP_WITH_TWO_PARENTS) where one is ambiguous.
        """
        node: Node | None = self
        for name in path:
            if node is None:
                return None
            node = single(node.embedded(name))
        return node


def match_key(row: SourceRow, columns: Sequence[tuple[str, SourceType]]) -> MatchKey | None:
    """None where a column is NULL: it matches nothing."""
    texts = [match_text(row, column, type) for column, type in columns]
    key = tuple(text for text in texts if text is not None)
    return key if len(key) == len(texts) else None


def embedded_rows(embed: EmbedPlan, rows: Iterable[SourceRow]) -> dict[MatchKey, list[SourceRow]]:
    """The embed's rows that passed its `where`, by what they match, in order, cut to the limit."""
    columns = own_columns(embed)
    by_match: dict[MatchKey, list[SourceRow]] = {}
    for row in in_order(rows, embed.order_by):
        key = match_key(row, columns)
        if key is None:
            continue
        matched = by_match.setdefault(key, [])
        if embed.limit is None or len(matched) < embed.limit:
            matched.append(row)
    return by_match


def own_columns(embed: EmbedPlan) -> tuple[tuple[str, SourceType], ...]:
    """The columns of `on` in the embedded table."""
    return tuple((own, embed.row.type_of(own)) for own, _ in embed.on)


def enclosing_columns(embed: EmbedPlan, enclosing: RowPlan) -> tuple[tuple[str, SourceType], ...]:
    return tuple((outer, enclosing.type_of(outer)) for _, outer in embed.on)


def single(nodes: Sequence[Node]) -> Node | None:
    if len(nodes) > 1:
        raise Rejection(RejectReason.MAP_WITH_TWO_PARENTS, "`as: map` matched more than one row")
    return nodes[0] if nodes else None


def attribute_builder(attribute: Attribute, row: RowPlan, depth: int) -> Build:
    """`depth`: the number of lists and maps around the attribute's value."""
    value = attribute.value
    match value:
        case ColumnValue():
            return column_builder(value, depth, NULL if attribute.nulls is Nulls.NULL else None)
        case TemplateValue():
            return template_builder(value)
        case ConstantValue():
            return lambda _: value.fragment
        case EmbedValue():
            return _embed_builder(row.embed(value.embed), depth)


def column_builder(value: ColumnValue, depth: int, on_null: str | None) -> Build:
    """`on_null`: what a NULL gives. An empty set is no NULL: it gives None."""
    encode = encoder(value.type, value.encoding, depth)

    def build(node: Node) -> str | None:
        owner = node.through(value.path) if value.path else node
        if owner is None:
            return on_null
        column, raw = owner.row.value(value.column), owner.row.raw(value.column, value.type)
        return on_null if column is None and raw is None else encode(column, raw)

    return build


def template_builder(value: TemplateValue) -> Build:
    def build(node: Node) -> str | None:
        text = template_text_of(value, node)
        return None if text is None else string(text)

    return build


def template_text_of(value: TemplateValue, node: Node) -> str | None:
    def lookup(placeholder: Placeholder) -> tuple[object | None, str | None]:
        owner = node.through(placeholder.path)
        if owner is None:
            return None, None
        return owner.row.value(placeholder.column), owner.row.raw(placeholder.column, placeholder.type)

    return render(value.template, lookup)


def map_builder(row: RowPlan, depth: int) -> Callable[[Node], str]:
    """The row's attributes as `{"name":value,…}`; `depth` is that of their values."""
    builders = [
        (attribute.name, f"{quote(attribute.name)}:", attribute_builder(attribute, row, depth))
        for attribute in row.attributes
    ]

    def build(node: Node) -> str:
        pairs: list[str] = []
        for name, prefix, attribute in builders:
            fragment = within(name, attribute, node)
            if fragment is not None:
                pairs.append(prefix + fragment)
        return "{" + ",".join(pairs) + "}"

    return build


def within(step: str, build: Build, node: Node) -> str | None:
    """What `build` gives; its problem told from one map or list further out."""
    try:
        return build(node)
    except Unrepresentable as refusal:
        raise Rejection.of(refusal, step) from None
    except Rejection as problem:
        raise problem.inside(step) from None


def _embed_builder(embed: EmbedPlan, depth: int) -> Build:
    match embed.shape:
        case Shape.LIST:
            return _list_builder(embed, depth)
        case Shape.SET:
            return _set_builder(embed)
        case Shape.MAP:
            return _map_embed_builder(embed, depth)


def _map_embed_builder(embed: EmbedPlan, depth: int) -> Build:
    attributes = map_builder(embed.row, depth + 1)

    def build(node: Node) -> str | None:
        child = single(node.embedded(embed.name))
        return None if child is None else f'{{"M":{attributes(child)}}}'

    return build


def _list_builder(embed: EmbedPlan, depth: int) -> Build:
    element = _element_builder(embed, depth + 1)

    def build(node: Node) -> str:
        children = node.embedded(embed.name)
        if not children:
            return EMPTY_LIST
        return list_of([within(f"[{n}]", element, child) or NULL for n, child in enumerate(children)])

    return build


def _element_builder(embed: EmbedPlan, depth: int) -> Build:
    match embed.value:
        case None:
            attributes = map_builder(embed.row, depth + 1)
            return lambda node: f'{{"M":{attributes(node)}}}'
        case ColumnValue() as value:
            return column_builder(value, depth, None)
        case TemplateValue() as value:
            return template_builder(value)


def _set_builder(embed: EmbedPlan) -> Build:
    member = _element_builder(embed, 0)
    build_set = _set_of(embed)

    def build(node: Node) -> str | None:
        fragments = [member(child) for child in node.embedded(embed.name)]
        present = [_content(fragment) for fragment in fragments if fragment is not None]
        if len(present) != len(fragments):
            raise Rejection(RejectReason.SET_NULL_OR_DUPLICATE, "a set has a NULL")
        return build_set(present) if present else None

    return build


def _set_of(embed: EmbedPlan) -> Callable[[list[str]], str]:
    encoding = embed.value.encoding if isinstance(embed.value, ColumnValue) else Encoding.S
    match encoding:
        case Encoding.N:
            return number_set
        case Encoding.B:
            return binary_set
        case _:
            return string_set


def _content(fragment: str) -> str:
    """What a scalar S, N or B holds."""
    ((_, content),) = json.loads(fragment).items()
    return str(content)
