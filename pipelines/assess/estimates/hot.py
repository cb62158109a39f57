"""Partitions that would be asked for more than one partition gives: 1,000 write and 3,000 read units a second. Pure.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.assess.design import Answer, DesignWarning, WarningKind
from pipelines.assess.estimates.measured import Measured, TypeMeasured
from pipelines.assess.estimates.reads import answer_units
from pipelines.assess.estimates.writes import holdings, write_units_of
from pipelines.assess.patterns import Patterns
from pipelines.assess.schema import Facts, Schema
from pipelines.mapping.plan import ColumnValue, ConstantValue, Placeholder, TemplateValue, Value

PARTITION_WRITES = 1_000.0
PARTITION_READS = 3_000.0

MANY = 1_000
"""Items in one partition from which on a partition key that never differs is told, whatever the load is."""


_TIME = "the partition key is a time: all that is new goes to one"


@dataclass(frozen=True)
class _Partition:
    """A partition key: of the table, or of an index. `share`: of its items, that the largest partition holds; `why`
    in words."""

    about: str
    item_type: str
    index: str | None
    share: float
    why: str
    is_constant: bool


def hot_partitions(
    measured: Measured, schema: Schema, patterns: Patterns, answers: tuple[Answer, ...]
) -> Iterator[DesignWarning]:
    writes = _writes(measured, schema, patterns)
    reads = _reads(measured, schema, patterns, answers)
    for one in measured.types.values():
        facts = schema.find(one.plan.root.table.ref.table, one.plan.root.table.ref.schema_name)
        for partition in _partitions(one, measured, facts):
            write = writes.get(one.plan.name, 0.0) * partition.share
            read = reads.get((one.plan.name, partition.index), 0.0) * partition.share
            items = one.items * partition.share
            busy = write > PARTITION_WRITES or read > PARTITION_READS
            if busy or (partition.is_constant and items > MANY):
                yield _warning(partition, write, read, items)


def _warning(partition: _Partition, write: float, read: float, items: float) -> DesignWarning:
    asked = f"{write:,.0f} write and {read:,.0f} read units a second" if write or read else f"{items:,.0f} items"
    return DesignWarning(
        kind=WarningKind.HOT_PARTITION,
        about=partition.about,
        text=f"{partition.why}: {asked} in one partition, which gives 1,000 and 3,000 a second",
        evidence={
            "share": round(partition.share, 6),
            "write_units_per_second": round(write, 2),
            "read_units_per_second": round(read, 2),
            "items": round(items, 1),
        },
    )


def _writes(measured: Measured, schema: Schema, patterns: Patterns) -> dict[str, float]:
    """Units a second by item type, as far as they are known."""
    held = tuple(holdings(measured))
    found: dict[str, float] = {}
    for pattern in patterns.patterns:
        for name, units in write_units_of(pattern, held, schema).items():
            found[name] = found.get(name, 0.0) + units * (pattern.load.calls_per_second or 0.0)
    return found


def _reads(
    measured: Measured, schema: Schema, patterns: Patterns, answers: tuple[Answer, ...]
) -> dict[tuple[str, str | None], float]:
    by_id = {one.pattern: one for one in answers if one.is_served}
    found: dict[tuple[str, str | None], float] = {}
    for pattern in patterns.patterns:
        answer = by_id.get(pattern.id)
        if answer is None or not answer.reads:
            continue
        units = answer_units(answer.reads, pattern, measured, schema) / len(answer.reads)
        for read in answer.reads:
            place = (read.item_type, read.index)
            found[place] = found.get(place, 0.0) + units * (pattern.load.calls_per_second or 0.0)
    return found


def _partitions(one: TypeMeasured, measured: Measured, facts: Facts | None) -> Iterator[_Partition]:
    name = one.plan.name
    yield from _partition(name, name, None, one.plan.key[0].value, facts)
    by_name = {attribute.name: attribute.value for attribute in one.plan.root.attributes}
    by_name |= {key.name: key.value for key in one.plan.key}
    for index, spec in measured.tables[one.plan.table].indexes.items():
        value = by_name.get(spec.partition_key.name)
        if value is not None and one.sizes.indexes[index].share:
            yield from _partition(f"{name}/{index}", name, index, value, facts)


def _partition(about: str, name: str, index: str | None, value: Value, facts: Facts | None) -> Iterator[_Partition]:
    match value:
        case ConstantValue():
            yield _Partition(about, name, index, 1.0, "the partition key never differs", True)
        case TemplateValue(template=template):
            placeholders = template.placeholders
            if not placeholders:
                yield _Partition(about, name, index, 1.0, "the partition key never differs", True)
            elif all(one.format is not None and one.format.strftime is not None for one in placeholders):
                yield _Partition(about, name, index, 1.0, _TIME, False)
            else:
                yield _shared(about, name, index, [_share(one, facts) for one in placeholders], placeholders[0].column)
        case ColumnValue(column=column, path=path):
            yield _shared(about, name, index, [_most_common(column, facts) if not path else None], column)


def _shared(about: str, name: str, index: str | None, shares: list[float | None], column: str) -> _Partition:
    """At most the least of its columns' shares; where none is known nothing is said of it."""
    share = min((share for share in shares if share is not None), default=0.0)
    return _Partition(about, name, index, share, f"{share:.1%} of the items share one value of {column}", False)


def _share(one: Placeholder, facts: Facts | None) -> float | None:
    if one.path:
        return None
    if one.format is not None and one.format.modulus is not None:
        return max(1.0 / one.format.modulus, _most_common(one.column, facts) or 0.0)
    return _most_common(one.column, facts)


def _most_common(column: str, facts: Facts | None) -> float | None:
    """A unique column has each value once; of others pg_stats tells, if any is common."""
    if facts is None or not facts.rows:
        return None
    if (column,) in facts.keys:
        return 1.0 / facts.rows
    found = facts.statistics(column)
    if found is None:
        return None
    if found.common:
        return found.common[0]
    return min((1 - found.null_share) / found.distinct, 1.0) if found.distinct else None
