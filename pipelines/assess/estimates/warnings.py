"""Warnings that follow from what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.assess.design import Answer, DesignWarning, WarningKind
from pipelines.assess.estimates.children import inner_group
from pipelines.assess.estimates.hot import hot_partitions
from pipelines.assess.estimates.lossy import lossy_types
from pipelines.assess.estimates.measured import Groups, Measured, TypeMeasured
from pipelines.assess.estimates.writes import holdings
from pipelines.assess.patterns import Patterns
from pipelines.assess.schema import Facts, Schema
from pipelines.items.reject import RejectReason
from pipelines.items.size import MAX_ITEM_BYTES
from pipelines.mapping.plan import Attribute, EmbedPlan, EmbedValue, Shape

NEAR = 0.5
"""Of 400 KB: items that are so large already may pass it."""

WIDE = 100
"""Items that one write touches, at the most, from which on it is told."""


def size_warnings(
    measured: Measured, schema: Schema, patterns: Patterns, answers: tuple[Answer, ...]
) -> tuple[DesignWarning, ...]:
    """Sizes, lists without an end, partitions that are hot, fan-out, types that lose something, rejects."""
    return (
        *_sizes(measured),
        *_lists(measured, schema),
        *hot_partitions(measured, schema, patterns, answers),
        *_fan_out(measured, schema),
        *lossy_types(measured.plan, schema),
        *_rejects(measured),
    )


def _sizes(measured: Measured) -> Iterator[DesignWarning]:
    for one in measured.types.values():
        too_large = one.rejects.get(RejectReason.ITEM_TOO_LARGE, 0)
        largest = one.sizes.max_bytes
        figures = {"max_bytes": largest, "p99_bytes": one.sizes.p99_bytes, "limit_bytes": MAX_ITEM_BYTES}
        if too_large:
            text = f"{too_large:,} of {one.sampled:,} sampled items are over 400 KB, which DynamoDB refuses"
            yield _warning(WarningKind.ITEM_SIZE, one.plan.name, text, **figures, too_large=too_large)
        elif one.sampled and largest > MAX_ITEM_BYTES * NEAR:
            text = f"the largest sampled item has {largest:,} bytes, of 409,600 that it may have"
            yield _warning(WarningKind.ITEM_SIZE, one.plan.name, text, **figures)


def _lists(measured: Measured, schema: Schema) -> Iterator[DesignWarning]:
    for one in measured.types.values():
        for embed, path in _unlimited(one):
            children = measured.groups.get(inner_group(embed))
            facts = schema.find(embed.row.table.ref.table, embed.row.table.ref.schema_name)
            if children is None or facts is None:
                continue
            about = ".".join((one.plan.name, *path))
            yield from _list(about, embed, children, facts)


def _list(about: str, embed: EmbedPlan, children: Groups, facts: Facts) -> Iterator[DesignWarning]:
    row_bytes = _element_bytes(embed, facts)
    largest = children.most * row_bytes
    growth = facts.evidence.growth
    grows = growth is not None and (growth.rows or 0) > 0
    if largest <= MAX_ITEM_BYTES * NEAR and not grows:
        return
    figures = {
        "children_mean": round(children.mean, 2),
        "children_most": children.most,
        "row_bytes": round(row_bytes, 1),
        **({"children_p99": children.p99} if children.p99 is not None else {}),
    }
    most = f"{children.most:,.0f} rows of {facts.name}"
    told = f"a list without a limit: one parent has {most}{'' if children.exact else ' at the most'}"
    if largest > MAX_ITEM_BYTES * NEAR:
        kind = WarningKind.ITEM_SIZE if largest > MAX_ITEM_BYTES else WarningKind.UNBOUNDED_LIST
        text = f"{told}, about {largest / 1024:,.0f} KB of the 400 KB of an item; give a limit, or items of their own"
        yield _warning(kind, about, text, **figures)
    if grows and growth is not None:
        text = f"{told}, and {facts.name} grows: {growth.rows:,} rows in {growth.days:.1f} days"
        yield _warning(WarningKind.UNBOUNDED_LIST, about, text, **figures, grown_rows=float(growth.rows or 0))


def _unlimited(one: TypeMeasured) -> Iterator[tuple[EmbedPlan, tuple[str, ...]]]:
    """Lists and sets of the item itself that hold all rows there are."""
    for embed in one.plan.root.embeds:
        if embed.shape is not Shape.MAP and embed.limit is None and not embed.hidden:
            yield embed, (embed.name,)


def _element_bytes(embed: EmbedPlan, facts: Facts) -> float:
    """Of one row in the list, by the statistics: what it shows of its own columns, and a few bytes around them."""
    if embed.value is not None:
        shown = [column for path, column in embed.value.columns if not path]
        return sum(found.average_bytes for name in shown if (found := facts.statistics(name)) is not None) + 1.0
    shown = [column for attribute in embed.row.attributes for column in _columns(attribute)]
    return (facts.bytes_of(shown) or 0.0) + 4.0 + len(shown) if shown else 4.0


def _columns(attribute: Attribute) -> Iterator[str]:
    value = attribute.value
    if isinstance(value, EmbedValue):
        return
    columns = getattr(value, "columns", ())
    yield from (column for path, column in columns if not path)


def _fan_out(measured: Measured, schema: Schema) -> Iterator[DesignWarning]:
    for holding in holdings(measured):
        if not holding.goes_down or holding.most is None or holding.most < WIDE:
            continue
        ref = holding.row.table.ref
        facts = schema.find(ref.table, ref.schema_name)
        if facts is None:
            continue
        units = holding.most * holding.type.sizes.write_units
        text = (
            f"a row of {facts.name} is in up to {holding.most:,.0f} items, {holding.items or 0:,.1f} on average: an "
            f"update of what they hold of it writes them all, {units:,.0f} write units"
        )
        yield _warning(
            WarningKind.FAN_OUT,
            holding.about,
            text,
            items_mean=round(holding.items or 0.0, 2),
            items_most=holding.most,
            write_units_most=round(units, 1),
            updates=float(facts.evidence.activity.updates),
        )


def _rejects(measured: Measured) -> Iterator[DesignWarning]:
    for one in measured.types.values():
        for reason, count in sorted(one.rejects.items(), key=lambda found: -found[1]):
            if reason is RejectReason.ITEM_TOO_LARGE:
                continue
            text = f"{count:,} of {one.sampled:,} sampled rows can be no item: {reason.value}"
            yield _warning(WarningKind.REJECTS, one.plan.name, text, rejected=count, sampled=one.sampled)


def _warning(kind: WarningKind, about: str, text: str, **evidence: float) -> DesignWarning:
    return DesignWarning(kind=kind, about=about, text=text, evidence=dict(evidence))
