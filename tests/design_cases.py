"""What a person makes of each statement of the two workloads: which values it asks for, which of the items' attributes
are its rows, and what is left to the reader. Keyed by the line on which the statement begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.design_reads import Bounds, Item, Values

Row = dict[str, Any]
Came = Sequence[Sequence[Item]]
"""Of each read of the answer, its items."""

Tests = Mapping[str, Callable[[Row, Values], bool]]


def first(came: Came) -> Iterable[Row]:
    return came[0]


def on(*path: str) -> Callable[[Came], Iterable[Row]]:
    """The items of the first read, each once for every element that lies below these attributes, maps or lists, with
    its columns as `attribute.column`."""
    return lambda came: [row for item in came[0] for row in _below(item, path)]


def _below(item: Item, path: Sequence[str]) -> Iterable[Row]:
    if not path:
        return [item]
    held = item[path[0]]
    return [
        {**item, **{f"{path[0]}.{name}": value for name, value in row.items()}}
        for part in (held if isinstance(held, list) else [held])
        for row in _below(part, path[1:])
    ]


@dataclass(frozen=True)
class Case:
    """`literals`: of those that stand in the statement, the name of the value; `own`: the values as they stand there.
    `others`: SQL of further values, by their names. `none`: why `own` finds nothing in these databases.
    `known`: what the reads are told, `own` unless given; one for each key of a list. `tests`: what `left` may name as
    a filter; `order`: columns of ORDER BY, `-` for DESC; `out`: the columns that are put out, those of the SQL unless
    given; `sql`: of a row of PostgreSQL's, what to compare; `finds`: of a write, the SELECT before its WHERE."""

    own: Values
    literals: Mapping[str, str] = field(default_factory=dict)
    others: str = ""
    none: str = ""
    known: Callable[[Values], Sequence[Values]] = lambda values: [values]
    bounds: Callable[[Values], Bounds] | None = None
    rows: Callable[[Came], Iterable[Row]] = first
    tests: Tests = field(default_factory=dict)
    order: tuple[str, ...] = ()
    limit: int | None = None
    out: tuple[str, ...] | None = None
    finish: Callable[[list[Row]], list[Row]] = lambda rows: rows
    sql: Callable[[tuple[Any, ...]], tuple[Any, ...]] = lambda row: row
    finds: str = ""


def each(name: str, column: str) -> Callable[[Values], Sequence[Values]]:
    """One key for each value of the list `name`."""
    return lambda values: [{column: one} for one in values[name]]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def together(came: Came) -> Iterable[Row]:
    """What any of the reads finds."""
    return [item for items in came for item in items]
