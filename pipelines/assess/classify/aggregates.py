"""Queries that make something new of their rows: sums, counts, groups, ranks. DynamoDB makes nothing."""

from __future__ import annotations

from dataclasses import replace

from pipelines.assess.classify.verdict import Verdict, not_for_dynamodb
from pipelines.assess.patterns import Alternative, PatternClass
from pipelines.assess.statements.outputs import COLLECTORS
from pipelines.assess.statements.reading import Reading

_SERVED = frozenset({PatternClass.POINT_READ, PatternClass.PARTITION_READ, PatternClass.RANGE_READ})
_EXTREMES = frozenset({"min", "max"})


def with_aggregates(reading: Reading, found: Verdict) -> Verdict:
    """`found`: how the rows themselves are read."""
    names = sorted({one.name for one in reading.aggregates if one.name not in COLLECTORS})
    if reading.windows:
        return _aggregation(reading, found, "window function")
    if names and not reading.grouped and not reading.having and (single := _single(reading, found, names)):
        return single
    if names:
        return _aggregation(reading, found, f"aggregation ({', '.join(names)})")
    if (reading.grouped or reading.distinct) and not _is_located(found) and found.pattern not in _SERVED:
        return _aggregation(reading, found, "GROUP BY" if reading.grouped else "DISTINCT")
    return found


def _single(reading: Reading, found: Verdict, names: list[str]) -> Verdict | None:
    """Aggregates that one read answers: whether an item is there, and the first or last of a partition."""
    lists = any(embed.form != "map" for embed in found.embeds)
    if names == ["count"] and found.pattern is PatternClass.POINT_READ and not lists and not found.batch:
        return replace(found, reason=f"{found.reason}: whether it is there")
    first = reading.aggregates[0]
    extreme = len(reading.aggregates) == 1 and first.name in _EXTREMES and first.spot is not None and not first.within
    if not extreme or first.spot is None or lists or found.pattern not in _SERVED or first.spot.column in found.filters:
        return None
    if first.spot.source.facts.name != found.table or found.sort not in (None, first.spot.column):
        return None
    end = "first" if first.name == "min" else "last"
    return replace(
        found, sort=first.spot.column, limit=True, reason=f"{found.reason}: the {end} by {first.spot.column}"
    )


def _aggregation(reading: Reading, found: Verdict, what: str) -> Verdict:
    """What a key finds, and one result for all rows, can be kept as an attribute; the rest is for other systems."""
    table = found.table or reading.sources[0].facts.name
    if found.pattern is PatternClass.NOT_FOR_DYNAMODB and found.alternative is Alternative.KEEP_IN_RDS:
        return not_for_dynamodb(f"{what} of {table} under an ad-hoc filter", Alternative.KEEP_IN_RDS, table)
    by = f" by {', '.join(found.keys)}" if found.keys else ""
    if _is_located(found) or not (reading.grouped or reading.tests or reading.windows or reading.distinct):
        reason = f"{what} of {table}{by}: keep the result, maintained by writers"
        return not_for_dynamodb(reason, Alternative.PRECOMPUTE, table)
    reason = f"{what} over many rows of {table}: stream them to where analytics are run"
    return not_for_dynamodb(reason, Alternative.STREAM_OUT, table)


def _is_located(found: Verdict) -> bool:
    return bool(found.keys) and found.pattern is not PatternClass.NOT_FOR_DYNAMODB
