"""What a row's map holds: every attribute as a fragment with its size and its problem, and all of them together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.canonical import EMPTY_LIST, NULL
from pipelines.items.canonical_spark import attributes_text
from pipelines.items.encode_spark import Encoded, encode
from pipelines.items.problem_spark import Problem, at, first_problem, problem_in
from pipelines.items.size import ELEMENT_OVERHEAD, NESTED_OVERHEAD, value_size
from pipelines.items.sql_text import Column
from pipelines.mapping.bulk_frame import Frame
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    ConstantValue,
    EmbedValue,
    Nulls,
    Shape,
    TemplateValue,
    Value,
)
from pipelines.mapping.templates_spark import render

NULL_BYTES = 1


@dataclass(frozen=True)
class Named:
    """One attribute; its problem already carries the path from here, `lines[2].price`."""

    name: str
    value: Encoded


def row_attributes(frame: Frame, depth: int) -> list[Named]:
    """Sorted by name. `depth` is the number of lists and maps around each value."""
    return [_named(frame, attribute, depth) for attribute in frame.row.attributes]


def row_map(frame: Frame, depth: int) -> Encoded:
    """The row as `{"M":{…}}`; `depth` is the number of lists and maps around the map itself."""
    named = row_attributes(frame, depth + 1)
    fragment = F.concat(F.lit('{"M":'), attributes_text([(a.name, a.value.fragment) for a in named]), F.lit("}"))
    return Encoded(fragment, attributes_size(named, ELEMENT_OVERHEAD) + NESTED_OVERHEAD, problem=first_in(named))


def first_in(named: Sequence[Named]) -> Problem | None:
    return first_problem([attribute.value.problem for attribute in named])


def attributes_size(named: Sequence[Named], overhead: int = 0) -> Column:
    """Bytes of names and values of the attributes that are there, and `overhead` for each."""
    fixed = [len(attribute.name.encode()) + overhead for attribute in named]
    sizes = [F.coalesce(one.value.size + more, F.lit(0)) for one, more in zip(named, fixed, strict=True)]
    return F.total([F.lit(0), *sizes])


def scalar_value(frame: Frame, value: Value, depth: int) -> Encoded:
    """A value that is not an embed's; its problem has no path yet."""
    match value:
        case ColumnValue():
            physical = frame.physical(value.column, value.path)
            encoded = encode(value.type, value.encoding, physical.value, physical.raw, depth, physical.plain)
            return replace(encoded, problem=first_problem([physical.problem, encoded.problem]))
        case TemplateValue():
            rendered = render(value.template, frame.placeholder)
            return Encoded(rendered.fragment, F.octets(rendered.text), rendered.text, rendered.problem)
        case ConstantValue():
            return Encoded(F.lit(value.fragment), F.lit(value_size(json.loads(value.fragment))))
        case EmbedValue():
            raise TypeError("an embed is no scalar")


def null_as_value(frame: Frame, value: Value, encoded: Encoded) -> Encoded:
    """An explicit NULL where the source has one."""
    if isinstance(value, ColumnValue):
        physical = frame.physical(value.column, value.path)
        is_null = physical.value.isNull()
        is_null = is_null if physical.raw is None else is_null & physical.raw.isNull()
    else:
        is_null = encoded.fragment.isNull()
    return replace(
        encoded,
        fragment=F.when(is_null, F.lit(NULL)).otherwise(encoded.fragment),
        size=F.when(is_null, F.lit(NULL_BYTES)).otherwise(encoded.size),
    )


def _named(frame: Frame, attribute: Attribute, depth: int) -> Named:
    if isinstance(attribute.value, EmbedValue):
        return Named(attribute.name, _embedded(frame, attribute.value.embed, attribute.name))
    encoded = scalar_value(frame, attribute.value, depth)
    if attribute.nulls is Nulls.NULL:
        encoded = null_as_value(frame, attribute.value, encoded)
    found = encoded.problem
    return Named(attribute.name, encoded if found is None else replace(encoded, problem=at(attribute.name, found)))


def _embedded(frame: Frame, embed: str, attribute: str) -> Encoded:
    names = frame.embeds[embed]
    found = None if names.problem is None else problem_in(F.col(names.problem))
    if found is not None:
        joint = "." if frame.row.embed(embed).shape is Shape.MAP else ""
        found = at(attribute, found, joint)
    fragment, size = F.col(names.fragment), F.col(names.size)
    if frame.row.embed(embed).shape is Shape.LIST:
        fragment, size = F.coalesce(fragment, F.lit(EMPTY_LIST)), F.coalesce(size, F.lit(NESTED_OVERHEAD))
    return Encoded(fragment, size, problem=found)
