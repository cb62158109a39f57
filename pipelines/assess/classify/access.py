"""How one table's rows are found by the tests on its own columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from pipelines.assess.schema import Facts, Schema
from pipelines.assess.statements.reading import Check, Test

PAGE_BYTES = 1 << 20
"""What one Query gives at most (Amazon DynamoDB Developer Guide, "Query")."""

FEW = 20
"""An index whose partition key has fewer values than this puts all load on a few partitions."""


class Way(IntEnum):
    """From best to worst."""

    KEY = 1  # the full primary key
    PARTITION = 2  # a foreign key, or the first columns of the primary key
    UNIQUE = 3  # another unique key
    COLUMN = 4  # equality on other columns
    SPREAD = 5  # a range or an order over all rows
    SPARSE = 6  # IS NULL, IS NOT NULL
    NONE = 7


@dataclass(frozen=True)
class Access:
    """`columns`: what finds the rows; `sort`: what bounds or orders them, `prefixed` where every bound is `LIKE 'x%'`;
    `filters`: tested on what was found."""

    way: Way
    columns: tuple[str, ...] = ()
    sort: str | None = None
    within_range: bool = False
    prefixed: bool = False
    batch: bool = False
    filters: tuple[str, ...] = ()
    note: str = ""


def access(
    facts: Facts, schema: Schema, tests: Sequence[Test], order: Sequence[str], others: Sequence[tuple[str, ...]]
) -> Access:
    """`order`: the table's columns that sort the result; `others`: columns by which the statement joins it to a parent
    without a foreign key."""
    equal = {_named(test): test.check for test in tests if test.check in (Check.EQUAL, Check.IN) and _is_equal(test)}
    plain = {name for name in equal if name in facts.columns}
    way, columns = _best(facts, schema, plain, equal, others)
    ranges = [test.spot.column for test in tests if _is_range(test) and test.spot.column not in columns]
    if way is Way.NONE:
        return _without_equality(tests, ranges, order)
    sort = _sort(facts, columns, ranges, order)
    within_range = bool(ranges) and way in (Way.PARTITION, Way.COLUMN)
    used = {*columns, *([sort] if within_range else [])}
    return Access(
        way,
        columns,
        sort=sort if way is not Way.KEY else None,
        within_range=within_range,
        prefixed=within_range and _is_prefixed(tests, sort),
        batch=any(equal[name] is Check.IN for name in columns),
        filters=tuple(dict.fromkeys(name for test in tests if (name := _named(test)) not in used)),
        note=_note(facts, way, columns),
    )


def _best(
    facts: Facts, schema: Schema, plain: set[str], equal: Mapping[str, Check], others: Sequence[tuple[str, ...]]
) -> tuple[Way, tuple[str, ...]]:
    if facts.identity and plain.issuperset(facts.identity):
        return Way.KEY, facts.identity
    partitions = [key for key in _partitions(facts, schema, others) if plain.issuperset(key)]
    if partitions:
        return Way.PARTITION, min(partitions, key=lambda key: _rows(facts, key))
    unique = next((key for key in facts.keys if plain.issuperset(key)), None)
    if unique is not None:
        return Way.UNIQUE, unique
    if equal:
        return Way.COLUMN, (min(equal, key=lambda name: (facts.index_on(name) is None, _rows(facts, (name,)))),)
    return Way.NONE, ()


def _partitions(facts: Facts, schema: Schema, others: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Foreign keys come first: rows of one parent belong together. Then the first columns of the primary key."""
    yield from (edge.child_columns for edge in schema.parents_of(facts))
    yield from others
    yield from (facts.identity[:length] for length in range(len(facts.identity) - 1, 0, -1))


def _without_equality(tests: Sequence[Test], ranges: list[str], order: Sequence[str]) -> Access:
    filters = tuple(dict.fromkeys(_named(test) for test in tests))
    if ranges:
        sort = next((name for name in order if name in ranges), ranges[0])
        others = tuple(name for name in filters if name != sort)
        prefixed = _is_prefixed(tests, sort)
        return Access(Way.SPREAD, sort=sort, within_range=True, prefixed=prefixed, filters=others)
    if tests and tests[0].check in (Check.NULL, Check.NOT_NULL):
        return Access(Way.SPARSE, (tests[0].spot.column,), sort=next(iter(order), None), filters=filters[1:])
    if order and not tests:
        return Access(Way.SPREAD, sort=order[0])
    return Access(Way.NONE)


def _sort(facts: Facts, columns: tuple[str, ...], ranges: Sequence[str], order: Sequence[str]) -> str | None:
    """A range on the next column of the primary key is the natural one; then one that also orders."""
    following = facts.identity[len(columns) :] if facts.identity[: len(columns)] == columns else ()
    wanted = [name for name in following[:1] if name in ranges]
    wanted += [name for name in order if name in ranges]
    wanted += [*ranges, *(name for name in order if name not in columns)]
    return wanted[0] if wanted else None


def _rows(facts: Facts, columns: tuple[str, ...]) -> float:
    """Fewer are better; where it is not known, all."""
    found = facts.rows_for(columns)
    return float(facts.rows or 0) if found is None else found


def _note(facts: Facts, way: Way, columns: tuple[str, ...]) -> str:
    """What statistics say of it."""
    if way is Way.COLUMN:
        statistics = facts.statistics(columns[0])
        if statistics is not None and statistics.distinct and statistics.distinct < FEW and (facts.rows or 0) > FEW:
            return f"only {statistics.distinct:,.0f} values: shard the index's partition key"
    rows = facts.rows_for(columns) if way in (Way.PARTITION, Way.COLUMN) else None
    return f"about {rows:,.0f} rows each" if rows is not None and rows >= 1.5 else ""


def _is_equal(test: Test) -> bool:
    return test.spot.form != "day"


def _is_range(test: Test) -> bool:
    """Not of a text in another case: where the column itself is sorted, such are not side by side."""
    if test.spot.form == "day":
        return test.check in (Check.RANGE, Check.PREFIX, Check.EQUAL)
    return not test.spot.form and test.check in (Check.RANGE, Check.PREFIX)


def _is_prefixed(tests: Sequence[Test], sort: str | None) -> bool:
    return all(test.check is Check.PREFIX for test in tests if _is_range(test) and test.spot.column == sort)


def _named(test: Test) -> str:
    """`lower(email)`: an attribute of its own."""
    return f"{test.spot.form}({test.spot.column})" if test.spot.form else test.spot.column
