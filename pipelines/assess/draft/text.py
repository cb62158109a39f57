"""The draft as a mapping file, each choice as a comment where it shows."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.assess.design import Choice
from pipelines.assess.draft.embeds import Node
from pipelines.assess.draft.shape import DraftItem, DraftShape, index_name, renamed, sensitive_of, types_of

_WIDTH = 118
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NOT_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def mapping_text(shape: DraftShape, choices: Sequence[Choice], head: Sequence[str]) -> str:
    return "\n".join([*_comment(head, ""), "", *_lines(shape, choices)]) + "\n"


def _lines(shape: DraftShape, choices: Sequence[Choice]) -> Iterator[str]:
    taken = key_attributes(shape)
    yield f"migration: {scalar(shape.migration)}"
    yield f"source: {{schema: {scalar(shape.schema)}}}"
    yield from _comment([f"{one.rule}: {one.reason}" for one in choices if one.about == f"table {shape.table}"], "")
    yield "target:"
    yield "  tables:"
    yield f"    {scalar(shape.table)}:"
    yield f"      partition_key: {{name: {scalar(shape.partition_key)}, type: S}}"
    yield f"      sort_key: {{name: {scalar(shape.sort_key)}, type: S}}"
    yield "      billing: on_demand"
    if shape.slots:
        yield "      indexes:"
    for slot, type in enumerate(shape.slots):
        partition, sort = index_attributes(shape, slot)
        yield f"        {index_name(slot)}:"
        yield f"          partition_key: {{name: {scalar(partition)}, type: S}}"
        yield f"          sort_key: {{name: {scalar(sort)}, type: {type}}}"
    yield "items:"
    for item in shape.items:
        yield ""
        yield from _item(shape, item, choices, taken)


def _item(shape: DraftShape, item: DraftItem, choices: Sequence[Choice], taken: frozenset[str]) -> Iterator[str]:
    own = [one for one in choices if one.about == item.facts.name or one.about.startswith(f"{item.facts.name} index ")]
    yield from _comment([f"{one.rule}: {one.reason}" for one in own], "  ")
    yield f"  {scalar(item.name)}:"
    yield f"    table: {scalar(shape.table)}"
    yield f"    from: {_from(shape, item.facts.ref.schema_name, item.facts.ref.table)}"
    key = {shape.partition_key: item.base.partition, shape.sort_key: item.base.sort}
    yield f"    key: {_flow(key)}"
    if not item.facts.table.primary_key:
        yield f"    source_key: {_list(item.facts.identity)}"
    renames, types = renamed(item.facts, taken), types_of(item.facts, None)
    if renames:
        yield f"    rename: {_flow(renames)}"
    if types:
        yield f"    types: {_flow(types)}"
    if sensitive := list(sensitive_of(item)):
        yield "    # by their names; take out what is none, add what is"
        yield f"    sensitive: {_list([_renamed(name, renames) for name in sensitive])}"
    if item.places:
        yield "    set:"
    for slot, keys in sorted(item.places.items()):
        partition, sort = index_attributes(shape, slot)
        yield f"      {scalar(partition)}: {_quoted(keys.partition)}"
        yield f"      {scalar(sort)}: {_quoted(keys.sort)}"
    if item.nodes:
        yield "    embed:"
    for node in item.nodes:
        yield from _embed(shape, node, choices, (item.facts.name,), "      ")


def _embed(
    shape: DraftShape, node: Node, choices: Sequence[Choice], around: tuple[str, ...], indent: str
) -> Iterator[str]:
    path = (*around, node.facts.name)
    whole = node.facts.name if node.columns is None else ""
    own = [one for one in choices if one.about in (".".join(path), whole) and one.rule in ("embed", "in its parent")]
    yield from _comment([f"{one.rule}: {one.reason}" for one in own], indent)
    yield f"{indent}{scalar(node.name)}:"
    yield f"{indent}  from: {_from(shape, node.facts.ref.schema_name, node.facts.ref.table)}"
    yield f"{indent}  on: {_flow(dict(zip(node.join.columns, node.join.others, strict=True)))}"
    yield f"{indent}  as: {node.shape}"
    if node.join.down and not node.facts.table.primary_key:
        yield f"{indent}  order_by: {_list(node.facts.identity or sorted(node.columns or node.facts.columns))}"
    if node.columns is not None:
        yield f"{indent}  include: {_list(sorted(node.columns))}"
    if types := types_of(node.facts, node.columns):
        yield f"{indent}  types: {_flow(types)}"
    if node.below:
        yield f"{indent}  embed:"
    for below in node.below:
        yield from _embed(shape, below, choices, path, f"{indent}    ")


def key_attributes(shape: DraftShape) -> frozenset[str]:
    slots = (name for slot in range(len(shape.slots)) for name in index_attributes(shape, slot))
    return frozenset({shape.partition_key, shape.sort_key, *slots})


def index_attributes(shape: DraftShape, slot: int) -> tuple[str, str]:
    """Called after the table's own keys, which no column is called."""
    return f"{index_name(slot)}{shape.partition_key}", f"{index_name(slot)}{shape.sort_key}"


def _renamed(path: str, renames: Mapping[str, str]) -> str:
    return renames.get(path, path)


def _from(shape: DraftShape, schema: str, table: str) -> str:
    return scalar(table) if schema == shape.schema else _flow({"schema": schema, "table": table})


def _flow(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{scalar(key)}: {scalar(value)}" for key, value in values.items()) + "}"


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(scalar(value) for value in values) + "]"


def scalar(text: str) -> str:
    """Plain where nobody could take it for anything else."""
    return text if _WORD.fullmatch(text) and text.lower() not in _NOT_TEXT else _quoted(text)


def _quoted(text: str) -> str:
    """In YAML's double quotes; what is not printable by its number."""
    return '"' + "".join(_character(one) for one in text) + '"'


def _character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    if one.isprintable() and ord(one) != 0xFEFF:
        return one
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _comment(texts: Iterable[str], indent: str) -> Iterator[str]:
    for text in texts:
        line = "".join(one if one.isprintable() else " " for one in text)
        for part in textwrap.wrap(line, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {part}"
