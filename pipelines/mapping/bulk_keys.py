"""Keys of items, the source keys they come from, and the whole item, in Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.canonical import quote
from pipelines.items.canonical_spark import attributes_text
from pipelines.items.encode_spark import Encoded
from pipelines.items.problem_spark import Problem, at, first_problem, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.size import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES
from pipelines.items.sql_text import Column
from pipelines.mapping.bulk_frame import Frame
from pipelines.mapping.bulk_map import Named, attributes_size, first_in, row_attributes, scalar_value
from pipelines.mapping.plan import IndexKey, ItemPlan, KeyAttribute, KeyType, Nulls, RowPlan
from pipelines.mapping.templates_spark import template_text


def key_attributes(item: ItemPlan, frame: Frame) -> list[Named]:
    """In key order; each with the problems of its value, then NULL or empty, then too long."""
    limits = (MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES)
    indexed = {index.attribute: index for index in item.index_keys}
    return [
        Named(key.name, _key_attribute(key, frame, most, indexed.get(key.name)))
        for key, most in zip(item.key, limits, strict=False)
    ]


def key_text(key: Sequence[Named]) -> Column:
    """`{"pk":{"S":"…"},"sk":{"S":"…"}}`; null where the key cannot be built."""
    text = attributes_text([(k.name, F.surely(k.value.fragment)) for k in sorted(key, key=lambda k: k.name)])
    problem = first_in(key)
    return text if problem is None else F.when(~problem.found, text)


def source_key_text(item: ItemPlan, frame: Frame) -> Column:
    """`{"order_id":"6"}`; null where a value of the primary key has no text in a template."""
    pairs: list[Column] = []
    problems: list[Problem | None] = []
    for column in item.source_key:
        type = frame.type_of(column)
        rendered = template_text(type, frame.physical(column))
        pairs.append(F.concat(F.lit(f"{quote(column)}:"), rendered.quoted))
        problems.append(rendered.problem)
    commas = [piece for pair in pairs for piece in (F.lit(","), pair)][1:]
    text = F.concat(F.lit("{"), *commas, F.lit("}"))
    problem = first_problem(problems)
    return text if problem is None else F.when(~problem.found, text)


def whole_item(item: ItemPlan, frame: Frame, key: Sequence[Named]) -> Encoded:
    """The item as `{"name":value,…}`, key attributes included, and the first problem: the key's, then by name."""
    indexed = {index.attribute: index for index in item.index_keys}
    attributes = [
        _index_key(named, indexed[named.name]) if named.name in indexed else named
        for named in row_attributes(_nulls_left_out(frame, indexed), depth=0)
    ]
    # a key attribute that is NULL is a problem of its own
    keyed = [replace(named, value=replace(named.value, fragment=F.surely(named.value.fragment))) for named in key]
    everything = sorted([*keyed, *attributes], key=lambda named: named.name)
    text = attributes_text([(named.name, named.value.fragment) for named in everything])
    problem = first_problem([first_in(key), first_in(attributes)])
    return Encoded(text, attributes_size(everything), problem=problem)


def _key_attribute(key: KeyAttribute, frame: Frame, most: int, index: IndexKey | None) -> Encoded:
    encoded = scalar_value(frame, key.value, depth=0)
    problems = [
        encoded.problem,
        problem_when(
            encoded.fragment.isNull() | _is_empty(encoded, key.type),
            RejectReason.KEY_NULL_OR_EMPTY,
            F.lit("a key attribute is NULL or empty"),
        ),
        _too_long(encoded, most, RejectReason.KEY_TOO_LONG),
    ]
    if index is not None:
        problems.append(_too_long(encoded, index.max_bytes, RejectReason.INDEX_KEY_TOO_LONG))
    problem = first_problem(problems)
    assert problem is not None
    return replace(encoded, problem=at(key.name, problem))


def _index_key(named: Named, index: IndexKey) -> Named:
    """Left out where it is empty: the index is sparse."""
    encoded = named.value
    too_long = at(named.name, _too_long(encoded, index.max_bytes, RejectReason.INDEX_KEY_TOO_LONG))
    there = ~_is_empty(encoded, index.type)
    kept = replace(
        encoded,
        fragment=F.when(there, encoded.fragment),
        size=F.when(there, encoded.size),
        problem=first_problem([encoded.problem, too_long]),
    )
    return Named(named.name, kept)


def _nulls_left_out(frame: Frame, indexed: dict[str, IndexKey]) -> Frame:
    """An index key is never an explicit NULL."""
    attributes = tuple(
        replace(attribute, nulls=Nulls.ABSENT) if attribute.name in indexed else attribute
        for attribute in frame.row.attributes
    )
    row: RowPlan = replace(frame.row, attributes=attributes)
    return replace(frame, row=row)


def _is_empty(encoded: Encoded, type: KeyType) -> Column:
    return F.lit(False) if type is KeyType.N else encoded.size == 0


def _too_long(encoded: Encoded, most: int, reason: RejectReason) -> Problem:
    detail = F.concat(encoded.size.cast("string"), F.lit(f" bytes, {most} at most"))
    return problem_when(encoded.size > most, reason, detail)
