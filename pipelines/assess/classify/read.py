"""The class of a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from pipelines.assess.classify.aggregates import with_aggregates
from pipelines.assess.classify.anchor import Question
from pipelines.assess.classify.graph import Graph, graph_of, without_mere_parents
from pipelines.assess.classify.verdict import Verdict, not_for_dynamodb, outside, together
from pipelines.assess.patterns import Alternative, PatternClass
from pipelines.assess.schema import Schema
from pipelines.assess.statements.reader import read_query
from pipelines.assess.statements.reading import Reading, Source, Test

_BRANCHES = 8
"""More ways of an OR than this are no longer so many reads."""


def classify_query(schema: Schema, tree: exp.Expr) -> Verdict:
    """Of a SELECT, or of several that UNION combines."""
    branches = list(_branches(tree))
    if len(branches) == 1:
        return classify_reading(schema, read_query(schema, branches[0]))
    if any(not isinstance(one, exp.Union) for one in tree.find_all(exp.SetOperation)):
        kind = "EXCEPT" if tree.find(exp.Except) else "INTERSECT"
        return not_for_dynamodb(f"{kind} compares whole results", Alternative.KEEP_IN_RDS)
    verdicts = [classify_reading(schema, read_query(schema, branch, around=tree)) for branch in branches]
    found = together(verdicts)
    once = found.once or any(one.args.get("distinct") for one in tree.find_all(exp.Union))
    return replace(found, once=once, reason=f"UNION of {len(verdicts)} reads: {found.reason}")


def classify_reading(schema: Schema, reading: Reading) -> Verdict:
    if reading.outside:
        name = reading.outside[0]
        return outside(f"{name} was not assessed: another schema's, the system's or a temporary table")
    if not reading.sources:
        return outside("it reads no table by name; what its functions read is not seen")
    table = reading.sources[0].facts.name
    if reading.recursive:
        return not_for_dynamodb(
            f"recursive walk over {table}: keep each row's path in its item", Alternative.PRECOMPUTE, table
        )
    if reading.combined:
        return not_for_dynamodb("UNION, INTERSECT or EXCEPT within the query", Alternative.KEEP_IN_RDS, table)
    found = with_aggregates(reading, found_by(schema, reading))
    reason = found.reason + ("; FOR UPDATE becomes a condition of the write" if reading.locks else "")
    if reading.offset and found.pattern is not PatternClass.NOT_FOR_DYNAMODB:
        reason += "; OFFSET becomes the last key of the page before"
    return replace(
        found,
        reason=reason,
        once=found.once or reading.distinct,
        locks=reading.locks,
        limit=found.limit or reading.limit,
    )


def found_by(schema: Schema, reading: Reading) -> Verdict:
    """How the rows themselves are found, whatever is made of them."""
    graph = without_mere_parents(graph_of(reading, schema), _mentioned(reading))
    parts = [_part(schema, reading, part) for part in graph.components()]
    if len(parts) == 1:
        return parts[0]
    found = together(parts)
    return replace(found, reason=f"{len(parts)} reads that no join connects: {found.reason}")


def _part(schema: Schema, reading: Reading, graph: Graph) -> Verdict:
    plain = Question(schema, reading, graph).best()
    here = set(graph.sources)
    choices = [
        choice for choice in reading.alternatives if any(t.spot.source in here for group in choice for t in group)
    ]
    if not choices or _is_served(plain):
        return plain
    if len(choices) > 1 or len(choices[0]) > _BRANCHES:
        return not_for_dynamodb("OR over different columns: ad-hoc filter", Alternative.KEEP_IN_RDS, plain.table)
    found = [_under(schema, reading, here, choices[0], group) for group in choices[0]]
    last = together(found)
    return replace(last, once=True, reason=f"OR: {len(found)} reads: {last.reason}")


def _under(
    schema: Schema, reading: Reading, here: set[Source], taken: list[list[Test]], group: Sequence[Test]
) -> Verdict:
    graph = graph_of(reading, schema, group)
    return Question(schema, reading, graph.only([one for one in graph.sources if one in here]), taken).best()


def _is_served(found: Verdict) -> bool:
    """By a key: what else is asked is a filter."""
    return bool(found.keys) and found.pattern in (
        PatternClass.POINT_READ,
        PatternClass.PARTITION_READ,
        PatternClass.RANGE_READ,
    )


def _mentioned(reading: Reading) -> set[Source]:
    """Sources that something is asked of beside tests and joins."""
    found = {source for hurdle in reading.hurdles for source in hurdle.sources}
    found |= {one.spot.source for one in reading.aggregates if one.spot is not None}
    found |= {test.spot.source for choice in reading.alternatives for group in choice for test in group}
    return found | {spot.source for spot in (*reading.order, *reading.grouped_by) if spot is not None}


def _branches(tree: exp.Expr) -> Iterator[exp.Expr]:
    match tree:
        case exp.Subquery() if isinstance(tree.this, exp.Query) and tree.args.get("with_") is None:
            yield from _branches(tree.this)
        case exp.SetOperation():
            yield from _branches(tree.this)
            yield from _branches(tree.expression)
        case _:
            yield tree
