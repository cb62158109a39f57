"""Embedded rows joined to the rows around them, whatever the shape.

Children are finished first, innermost first: each becomes a fragment. A to-one map is joined as it is; lists and
sets are grouped by what they match and joined as one fragment. Frames keep one row per enclosing row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.canonical import NULL
from pipelines.items.canonical_spark import quoted
from pipelines.items.encode_spark import Encoded
from pipelines.items.problem_spark import Problem, at, first_problem, no_problem, problem_in, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.size import ELEMENT_OVERHEAD, NESTED_OVERHEAD
from pipelines.items.source_type import Encoding
from pipelines.items.sql_text import Column
from pipelines.mapping.bulk_frame import (
    EmbedNames,
    Frame,
    FreshNames,
    SourceTables,
    read_frame,
    two_parents,
    with_plain_numbers,
)
from pipelines.mapping.bulk_map import NULL_BYTES, row_map, scalar_value
from pipelines.mapping.bulk_order import match_column, sort_keys
from pipelines.mapping.plan import ColumnValue, EmbedPlan, RowPlan, Shape

_SETS = {Encoding.S: "SS", Encoding.N: "NS", Encoding.B: "BS"}


@dataclass(frozen=True)
class Children:
    """Rows that may be embedded: `keys` are the columns they are matched by, none of them null."""

    embed: EmbedPlan
    frame: Frame
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """At most one row per value of `keys`: what an enclosing row takes over."""

    rows: DataFrame
    keys: tuple[str, ...]
    names: EmbedNames
    frame: Frame | None  # of a map, whose columns templates can reach
    ambiguous: str | None


def embedded_frame(row: RowPlan, tables: SourceTables, names: FreshNames, depth: int) -> Frame:
    """The rows with all their embeds joined. `depth`: lists and maps around the row's attributes."""
    frame = read_frame(row, tables, names)
    for embed in row.embeds:
        frame = _join(frame, _finish(embed, frame, tables, names, depth), embed, names)
    return with_plain_numbers(frame, names)


def matched_rows(embed: EmbedPlan, children: Frame, enclosing: Frame, names: FreshNames) -> Children:
    """Children that could match something: NULL matches nothing."""
    keys = tuple(names.next() for _ in embed.on)
    columns = [
        match_column(children.type_of(own), enclosing.type_of(outer), children.physical(own)).alias(key)
        for key, (own, outer) in zip(keys, embed.on, strict=True)
    ]
    return Children(embed, children.with_rows(F.select(children.rows, "*", *columns).dropna(subset=list(keys))), keys)


def enclosing_keys(embed: EmbedPlan, enclosing: Frame, child: RowPlan) -> list[Column]:
    return [
        match_column(enclosing.type_of(outer), child.type_of(own), enclosing.physical(outer)) for own, outer in embed.on
    ]


def ranked(children: Children, name: str) -> DataFrame:
    """With each row's place, from 1, among those that match the same; cut to the limit."""
    embed = children.embed
    order = [key.ordering for key in sort_keys(children.frame, embed.order_by)] or [F.lit(0)]
    rows = F.select(children.frame.rows, "*", F.place(children.keys, order).alias(name))
    return rows if embed.limit is None else rows.where(f"{name} <= {embed.limit}")


def _finish(embed: EmbedPlan, enclosing: Frame, tables: SourceTables, names: FreshNames, depth: int) -> Finished:
    inner = depth + (1 if embed.shape is Shape.MAP else 2)
    children = matched_rows(embed, embedded_frame(embed.row, tables, names, inner), enclosing, names)
    if embed.shape is Shape.MAP:
        return _finish_map(children, names, depth)
    return _finish_many(children, names, depth)


def _join(frame: Frame, finished: Finished, embed: EmbedPlan, names: FreshNames) -> Frame:
    mine = [names.next() for _ in embed.on]
    columns = enclosing_keys(embed, frame, embed.row)
    left = F.select(frame.rows, "*", *(column.alias(name) for column, name in zip(columns, mine, strict=True)))
    equal = [F.col(outer) == F.col(own) for outer, own in zip(mine, finished.keys, strict=True)]
    rows = left.join(finished.rows, F.condition(*equal), "left").drop(*mine, *finished.keys)
    reachable = dict(frame.columns)
    if finished.frame is not None:
        flags = () if finished.ambiguous is None else (finished.ambiguous,)
        for (path, column), known in finished.frame.columns.items():
            reachable[(embed.name, *path), column] = replace(known, ambiguous=flags + known.ambiguous)
    return replace(frame, rows=rows, columns=reachable, embeds={**frame.embeds, embed.name: finished.names})


def _finish_map(children: Children, names: FreshNames, depth: int) -> Finished:
    embed, frame = children.embed, children.frame
    value = Encoded(F.lit(None).cast("string"), F.lit(None).cast("int")) if embed.hidden else row_map(frame, depth)
    named = EmbedNames(names.next(), names.next(), None if value.problem is None else names.next())
    ambiguous = None if _at_most_one(embed) else names.next()
    reach = [name for known in frame.columns.values() for name in known.names]
    columns = [value.fragment.alias(named.fragment), value.size.alias(named.size)]
    if value.problem is not None and named.problem is not None:
        columns.append(value.problem.column.alias(named.problem))
    rows = children.frame.rows
    if embed.limit is not None:
        rows = ranked(children, names.next())
    rows = F.select(rows, *map(F.col, (*children.keys, *dict.fromkeys(reach))), *columns)
    if ambiguous is None:
        return Finished(rows, children.keys, named, frame, None)
    return _one_of_several(Finished(rows, children.keys, named, frame, ambiguous), names)


def _one_of_several(finished: Finished, names: FreshNames) -> Finished:
    """Groups what may match twice; any of the rows, for the row around is rejected if it wants the map."""
    assert finished.ambiguous is not None
    found = names.next()
    others = [name for name in finished.rows.columns if name not in finished.keys]
    one = F.call("first", F.struct(*(F.col(name).alias(name) for name in others)))
    several = F.call("count", F.lit(1)) > 1
    rows = F.grouped(finished.rows, finished.keys, one.alias(found), several.alias(finished.ambiguous))
    inner = problem_in(F.col(found)[finished.names.problem]) if finished.names.problem else None
    problem = first_problem([two_parents(F.col(finished.ambiguous)), inner])
    assert problem is not None
    named = replace(finished.names, problem=finished.names.problem or names.next())
    rows = F.select(
        rows,
        *map(F.col, (*finished.keys, finished.ambiguous)),
        *(F.col(found)[name].alias(name) for name in others if name != named.problem),
        problem.column.alias(named.problem or ""),
    )
    return replace(finished, rows=rows, names=named)


def _at_most_one(embed: EmbedPlan) -> bool:
    key = embed.row.table.primary_key
    return embed.limit == 1 or (bool(key) and set(key) <= {own for own, _ in embed.on})


def _finish_many(children: Children, names: FreshNames, depth: int) -> Finished:
    keys = sort_keys(children.frame, children.embed.order_by)
    rows, order = children.frame.rows, [key.column for key in keys]
    placed = children.embed.limit is not None or any(key.descending for key in keys)
    if placed:
        place = names.next()
        rows, order = ranked(children, place), [F.col(place)]
    element = _element(children, depth)
    member, size = names.next(), names.next()
    rows = F.select(
        rows,
        *map(F.col, children.keys),
        _member(order, element).alias(member),
        element.size.alias(size),
    )
    if not placed:
        rows = _side_by_side(rows, children.keys)
    grouped, members = _gather(rows, children.keys, F.col(member), F.col(size), names)
    whole = _set(children, members, element) if children.embed.shape is Shape.SET else _list(members, element)
    return _finished(children, grouped, whole, names)


@dataclass(frozen=True)
class _Members:
    """All elements of one enclosing row, sorted. `size`: their bytes. `bad`: how many have a problem."""

    elements: Column
    size: Column
    bad: Column

    @property
    def first_bad(self) -> Column:
        """From 1; 0 where none has a problem."""
        bad = F.transform(self.elements["problem"], lambda found: found.isNotNull())
        return F.call("array_position", bad, F.lit(True)).cast("int")

    @property
    def problem(self) -> Problem:
        """Of the first that has one. Nearly always none has, and the elements are not looked through."""
        place = F.when(self.first_bad > 0, self.first_bad)
        found = F.call("try_element_at", self.elements["problem"], place)
        return problem_in(F.when(self.bad > 0, found))


def _gather(
    rows: DataFrame, keys: tuple[str, ...], member: Column, size: Column, names: FreshNames
) -> tuple[DataFrame, _Members]:
    elements, total, bad = names.next(), names.next(), names.next()
    grouped = F.grouped(
        rows,
        keys,
        F.call("sort_array", F.call("collect_list", member)).alias(elements),
        F.call("sum", size).cast("int").alias(total),
        F.call("count", member["problem"]).alias(bad),
    )
    return grouped, _Members(F.col(elements), F.col(total), F.col(bad))


def _member(order: Sequence[Column], element: Encoded) -> Column:
    return F.struct(
        *(column.alias(f"o{n}") for n, column in enumerate(order)),
        element.fragment.alias("fragment"),
        *([] if element.text is None else [element.text.alias("text")]),
        (no_problem() if element.problem is None else element.problem.column).alias("problem"),
    )


def _side_by_side(rows: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Those that share the keys behind one another: then they are gathered without a buffer for each key, from
    values that a generated projection made. An aggregate would interpret the expressions that are written in it."""
    return rows.repartition(*keys).sortWithinPartitions(*keys)


def _finished(children: Children, grouped: DataFrame, whole: Encoded, names: FreshNames) -> Finished:
    named = EmbedNames(names.next(), names.next(), None if whole.problem is None else names.next())
    columns = [whole.fragment.alias(named.fragment), whole.size.alias(named.size)]
    if whole.problem is not None and named.problem is not None:
        columns.append(whole.problem.column.alias(named.problem))
    return Finished(F.select(grouped, *map(F.col, children.keys), *columns), children.keys, named, None, None)


def _element(children: Children, depth: int) -> Encoded:
    value = children.embed.value
    if value is None:
        return row_map(children.frame, depth + 1)
    if children.embed.shape is Shape.SET:
        return scalar_value(children.frame, value, 0)
    return replace(_null_where_absent(scalar_value(children.frame, value, depth + 1)), text=None)


def _null_where_absent(encoded: Encoded) -> Encoded:
    """A list keeps the place of an element that is NULL, or an empty set."""
    return replace(
        encoded,
        fragment=F.coalesce(encoded.fragment, F.lit(NULL)),
        size=F.coalesce(encoded.size, F.lit(NULL_BYTES)),
    )


def _list(members: _Members, element: Encoded) -> Encoded:
    elements = members.elements
    fragment = F.concat(F.lit('{"L":['), F.concat_ws(",", elements["fragment"]), F.lit("]}"))
    size = members.size + F.call("size", elements) * ELEMENT_OVERHEAD + NESTED_OVERHEAD
    if element.problem is None:
        return Encoded(fragment, size)
    index = F.concat(F.lit("["), (members.first_bad - 1).cast("string"), F.lit("]"))
    return Encoded(fragment, size, problem=at(index, members.problem))


def _set(children: Children, members: _Members, element: Encoded) -> Encoded:
    value = children.embed.value
    kind = _SETS[value.encoding if isinstance(value, ColumnValue) else Encoding.S]
    texts = F.call("sort_array", members.elements["text"])
    spelled = F.transform(texts, quoted) if kind == "SS" else F.transform(texts, _in_quotes)
    fragment = F.concat(F.lit(f'{{"{kind}":['), F.concat_ws(",", spelled), F.lit("]}"))
    has_null = F.call("array_contains", F.transform(members.elements["fragment"], lambda m: m.isNull()), F.lit(True))
    repeated = F.call("size", F.call("array_distinct", texts)) < F.call("size", texts)
    problems = [
        problem_when(has_null, RejectReason.SET_NULL_OR_DUPLICATE, F.lit("a set has a NULL")),
        problem_when(repeated, RejectReason.SET_NULL_OR_DUPLICATE, F.lit("a set has a member twice")),
    ]
    if element.problem is not None:
        problems.insert(0, members.problem)
    return Encoded(fragment, members.size, problem=first_problem(problems))


def _in_quotes(text: Column) -> Column:
    return F.concat(F.lit('"'), text, F.lit('"'))
