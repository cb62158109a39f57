"""From what was measured to Estimates. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.assess.design import Answer, Estimates, PatternEstimate, TypeEstimate
from pipelines.assess.estimates.measured import Measured, TypeMeasured
from pipelines.assess.estimates.money import UTILISATION, backfills, money, nightly, stored_bytes
from pipelines.assess.estimates.reads import answer_units
from pipelines.assess.estimates.writes import holdings, write_units_of
from pipelines.assess.patterns import Pattern, Patterns
from pipelines.assess.schema import Schema
from pipelines.target.prices import GIB, Tag


def estimate(measured: Measured, schema: Schema, patterns: Patterns, answers: Sequence[Answer], tag: Tag) -> Estimates:
    """`answers`: of the patterns; what is not served is not read, and costs nothing here; writes cost all the same."""
    served = {one.pattern: one for one in answers if one.is_served}
    by_pattern = tuple(_patterns(measured, schema, patterns, served))
    unserved = sum(not one.is_served for one in answers)
    own, indexes = stored_bytes(measured.types.values())
    return Estimates(
        region=tag.region,
        prices_as_of=tag.as_of.isoformat(),
        types=tuple(type_estimate(one) for one in measured.types.values()),
        patterns=by_pattern,
        gigabytes=own / GIB,
        index_gigabytes=indexes / GIB,
        money=money(by_pattern, (own + indexes) / GIB, tag.prices),
        backfills=backfills(measured, tag.prices),
        nightly=nightly(measured.types.values(), tag.prices),
        notes=tuple(_notes(measured, patterns, by_pattern, unserved, tag)),
    )


def type_estimate(one: TypeMeasured) -> TypeEstimate:
    sizes = one.sizes
    return TypeEstimate(
        item_type=one.plan.name,
        table=one.plan.table,
        items=one.rows,
        items_exact=one.exact,
        sampled=one.sampled,
        rejected=one.rejected,
        mean_bytes=sizes.mean_bytes,
        p50_bytes=sizes.p50_bytes,
        p99_bytes=sizes.p99_bytes,
        max_bytes=sizes.max_bytes,
        index_bytes=sizes.index_bytes,
        write_units=sizes.write_units,
    )


def _patterns(
    measured: Measured, schema: Schema, patterns: Patterns, served: dict[str, Answer]
) -> Iterator[PatternEstimate]:
    held = tuple(holdings(measured))
    for pattern in patterns.patterns:
        answer = served.get(pattern.id)
        if answer is None and not pattern.writes:
            continue
        read = answer_units(answer.reads, pattern, measured, schema) if answer is not None else 0.0
        write = sum(write_units_of(pattern, held, schema).values())
        yield PatternEstimate(
            pattern=pattern.id,
            read_units=read,
            write_units=write,
            read_units_per_second=_per_second(pattern, read),
            write_units_per_second=_per_second(pattern, write),
        )


def _per_second(pattern: Pattern, units: float) -> float | None:
    calls = pattern.load.calls_per_second
    return None if calls is None else calls * units


def _notes(
    measured: Measured, patterns: Patterns, costed: Sequence[PatternEstimate], unserved: int, tag: Tag
) -> Iterator[str]:
    if tag.note is not None:
        yield tag.note
    yield from measured.notes
    if patterns.window_seconds is None:
        yield "calls a second are not known, so there is no monthly cost of requests: give a log with times"
    elif costed:
        yield (
            f"provisioned capacity is {UTILISATION:.0%} used by the average of "
            f"{patterns.window_seconds / 3600:.1f} hours; peaks are not known, and need auto scaling or more"
        )
    if unserved:
        yield f"reads of {unserved} patterns are not in the cost, for no key answers them"
