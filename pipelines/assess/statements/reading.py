"""What a query reads, taken apart: its tables, how they are joined, what is tested, and what is made of the rows.

Queries within queries (derived tables, CTEs, views, EXISTS, IN, scalar ones) are laid flat: their tables stand beside
the others, and how each takes part is its `role`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.assess.schema import Facts


class Role(StrEnum):
    MAIN = "main"  # its rows, or their absence, decide which rows come out
    OPTIONAL = "optional"  # the other side of an outer join, a query for one value
    ABSENT = "absent"  # NOT EXISTS, NOT IN


class Check(StrEnum):
    EQUAL = "="
    IN = "IN"
    RANGE = "range"
    PREFIX = "prefix"
    NULL = "IS NULL"
    NOT_NULL = "IS NOT NULL"


class Beyond(StrEnum):
    """Tests that no key answers."""

    SEARCH = "text search"
    PATTERN_UNKNOWN = "a pattern of LIKE that the statement does not show"
    FUNCTION = "a function of a column"
    JSON = "a look into JSON or an array"
    UNEQUAL = "a negated comparison"
    COLUMNS = "a comparison of columns"
    OR = "OR over different columns"
    TIE = "the further columns of a row comparison"
    QUERY = "a comparison with a query's result"
    OTHER = "an expression"


@dataclass(eq=False)
class Source:
    """One mention of a table. `used`: its columns that are put out, or sorted or grouped by; `part`: the partition that
    was named instead of the table, else empty; `semi`: named by a condition, which takes no row twice."""

    facts: Facts
    role: Role
    part: str = ""
    semi: bool = False
    used: set[str] = field(default_factory=set)
    whole: bool = False  # all columns are put out


@dataclass(frozen=True)
class Spot:
    """A column of one mention. `form`: "" for itself, else what is made of it: lower, upper, day."""

    source: Source
    column: str
    form: str = ""

    def __str__(self) -> str:
        name = f"{self.source.facts.name}.{self.column}"
        return f"{self.form}({name})" if self.form else name


@dataclass(frozen=True)
class Test:
    spot: Spot
    check: Check


@dataclass(frozen=True)
class Link:
    """Two columns are equal."""

    left: Spot
    right: Spot


@dataclass(frozen=True)
class Hurdle:
    """A test that no key answers, of these columns."""

    beyond: Beyond
    spots: tuple[Spot, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(dict.fromkeys(spot.source for spot in self.spots))


@dataclass(frozen=True)
class Aggregate:
    """`spot`: the column that it is of, where it is of one."""

    name: str
    spot: Spot | None
    within: bool  # in a query within the query


@dataclass
class Reading:
    """`alternatives`: each a choice of several groups of tests, one of which must hold; `falling`: of each of `order`
    whether it is DESC."""

    sources: list[Source] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    hurdles: list[Hurdle] = field(default_factory=list)
    alternatives: list[list[list[Test]]] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    order: list[Spot | None] = field(default_factory=list)
    falling: list[bool] = field(default_factory=list)
    grouped_by: list[Spot | None] = field(default_factory=list)
    grouped: bool = False
    having: bool = False
    distinct: bool = False
    windows: bool = False
    combined: bool = False  # a UNION, INTERSECT or EXCEPT within
    recursive: bool = False
    limit: bool = False
    offset: bool = False
    locks: bool = False
    outside: list[str] = field(default_factory=list)  # tables that were not assessed
