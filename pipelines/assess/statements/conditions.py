"""Conditions of WHERE and ON, taken apart into tests, links and what no key answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

from sqlglot import exp

from pipelines.assess.statements.reading import Beyond, Check, Hurdle, Link, Reading, Role, Source, Spot, Test
from pipelines.assess.statements.scope import Columns, Scope
from pipelines.assess.statements.shape import wildcard_kind
from pipelines.items.source_type import Kind

_RANGES = (exp.GT, exp.GTE, exp.LT, exp.LTE)
_DAY = frozenset({"DATE"})
_SEARCHES = (exp.ILike, exp.RegexpLike, exp.RegexpILike, exp.SimilarTo, exp.MatchAgainst, exp.StrPosition)
_JSON = (
    exp.JSONExtract,
    exp.JSONExtractScalar,
    exp.JSONBExtract,
    exp.JSONBExtractScalar,
    exp.JSONBContains,
    exp.ArrayContainsAll,
    exp.ArrayOverlaps,
)


class Within(Protocol):
    """Reads a query that stands in a condition."""

    def within(self, node: exp.Expr, scope: Scope, role: Role) -> Columns: ...


@dataclass(frozen=True)
class Conditions:
    """Adds to `out`. `of`: the sources whose tests count, where the others' do not: ON of an outer join."""

    queries: Within
    scope: Scope
    role: Role
    out: Reading
    of: Collection[Source] | None = None

    def add(self, node: exp.Expr) -> None:
        match node:
            case exp.Paren():
                self.add(node.this)
            case exp.And():
                for operand in node.flatten():
                    self.add(operand)
            case exp.Or():
                self._or(node)
            case exp.Not():
                self._not(node.this)
            case exp.Exists():
                self.queries.within(node.this, self.scope, self.role)
            case exp.In():
                self._in(node, self.role)
            case exp.Between():
                self._compare(node.this, Check.RANGE, node.args["low"], node.args["high"])
            case exp.EQ():
                self._equal(node)
            case exp.Like():
                self._like(node)
            case exp.Is():
                self._is(node)
            case exp.Column():
                self._compare(node, Check.EQUAL)
            case _ if isinstance(node, _RANGES):
                self._range(node)
            case _:
                self._hurdle(_beyond(node), node)

    def _equal(self, node: exp.EQ) -> None:
        left, right = node.this, node.expression
        if isinstance(right, exp.Any):
            self._any(left, right)
        elif isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            for one, other in zip(left.expressions, right.expressions, strict=False):
                self.add(exp.EQ(this=one, expression=other))
        elif isinstance(right, exp.Query):
            self._semi_join([left], right, self.role)
        elif isinstance(left, exp.Query):
            self._semi_join([right], left, self.role)
        elif self._spot(left) is None:
            self._compare(right, Check.EQUAL, left)
        else:
            self._compare(left, Check.EQUAL, right)

    def _any(self, left: exp.Expr, right: exp.Any) -> None:
        values = right.this.unnest()
        if isinstance(right.this, exp.Query):
            self._semi_join([left], right.this, self.role)
        elif self._columns(values):
            self._hurdle(Beyond.JSON, right, left)
        else:
            self._compare(left, Check.IN)

    def _range(self, node: exp.Expr) -> None:
        left, right = node.this, node.expression
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            ties = (*left.expressions[1:], *right.expressions[1:])
            self._hurdles(Beyond.TIE, [spot for one in ties for spot in self._columns(one)])
            left, right = left.expressions[0], right.expressions[0]
        if self._spot(left) is None:
            left, right = right, left
        self._compare(left, Check.RANGE, right)

    def _compare(self, node: exp.Expr, check: Check, *values: exp.Expr) -> None:
        spot = self._spot(node)
        others = [one for value in values for one in self._columns(value)]
        if spot is None and not self._columns(node) and not others:
            return  # of values alone
        if any(value.find(exp.Query) for value in values):
            self._hurdle(Beyond.QUERY, node, *values)
        elif spot is None:
            self._hurdle(_beyond(node), node, *values)
        elif others:
            self._compare_columns(spot, check, values[0], others)
        elif self._counts(spot):
            self.out.tests.append(Test(spot, check))

    def _compare_columns(self, spot: Spot, check: Check, value: exp.Expr, others: list[Spot]) -> None:
        other = self._spot(value)
        plain = other is not None and not other.form and not spot.form
        if check is Check.EQUAL and plain and other is not None and other.source is not spot.source:
            self.out.links.append(Link(spot, other))
        else:
            self._hurdles(Beyond.COLUMNS, [spot, *others])

    def _in(self, node: exp.In, role: Role) -> None:
        left = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
        query = node.args.get("query")
        if query is not None:
            self._semi_join(left, query, role)
        elif any(self._columns(value) for value in node.expressions):
            self._hurdle(Beyond.COLUMNS, node)
        else:
            for one in left:
                self._compare(one, Check.IN)

    def _semi_join(self, left: list[exp.Expr], query: exp.Expr, role: Role) -> None:
        """`column IN (SELECT other …)` joins the two."""
        found = self.queries.within(query, self.scope, role)
        rights = list(found.named.values()) if not found.stars else [None]
        for one, right in zip(left, rights, strict=False):
            spot = self._spot(one)
            if spot is not None and right is not None:
                self.out.links.append(Link(spot, right))
            elif spot is not None:
                self._hurdles(Beyond.QUERY, [spot])

    def _like(self, node: exp.Like) -> None:
        kind = wildcard_kind(node.expression)
        if self._spot(node.this) is None or kind == "infix":
            self._hurdle(Beyond.SEARCH, node)
        elif kind == "unknown":
            self._hurdle(Beyond.PATTERN_UNKNOWN, node)
        else:
            self._compare(node.this, Check.PREFIX if kind == "prefix" else Check.EQUAL, node.expression)

    def _is(self, node: exp.Is) -> None:
        if isinstance(node.expression, exp.Null):
            self._compare(node.this, Check.NOT_NULL if node.args.get("negate") else Check.NULL)
        elif isinstance(node.expression, exp.Boolean) and not node.args.get("negate"):
            self._compare(node.this, Check.EQUAL)
        else:
            self._hurdle(Beyond.UNEQUAL, node)

    def _not(self, inner: exp.Expr) -> None:
        match inner.unnest():
            case exp.Column() as column:
                self._compare(column, Check.EQUAL)
            case exp.Exists() as exists:
                self.queries.within(exists.this, self.scope, Role.ABSENT)
            case exp.In() as listed if listed.args.get("query") is not None:
                self._in(listed, Role.ABSENT)
            case exp.Is() as test if isinstance(test.expression, exp.Null):
                self._compare(test.this, Check.NULL if test.args.get("negate") else Check.NOT_NULL)
            case exp.Not() as twice:
                self.add(twice.this)
            case other:
                self._hurdle(Beyond.UNEQUAL, other)

    def _or(self, node: exp.Or) -> None:
        groups = [self._branch(branch) for branch in node.flatten()]
        known = [group for group in groups if group]
        if len(known) < len(groups):
            self._hurdle(Beyond.OR, node)
        elif (spot := _same_column(known)) is not None:
            self.out.tests.append(Test(spot, Check.IN))
        else:
            self.out.alternatives.append(known)

    def _branch(self, node: exp.Expr) -> list[Test] | None:
        """Its tests; None where there is more to it than tests."""
        if node.find(exp.Query):
            return None
        found = replace(self, out=Reading())
        found.add(node)
        out = found.out
        return None if out.links or out.hurdles or out.alternatives else out.tests

    def _spot(self, node: exp.Expr) -> Spot | None:
        match node:
            case exp.Paren():
                return self._spot(node.this)
            case exp.Column() if not isinstance(node.this, exp.Star):
                return self.scope.column(node)
            case exp.Cast():
                return self._cast(node)
            case exp.Lower() | exp.Upper():
                return self._formed(node.this, type(node).__name__.lower())
            case exp.TimestampTrunc() | exp.DateTrunc():
                return self._formed(node.this, "day")
        return None

    def _cast(self, node: exp.Cast) -> Spot | None:
        """A cast keeps what a column says, but of a time it keeps the day alone."""
        spot = self._spot(node.this)
        if spot is None or spot.form or node.to.this.value not in _DAY:
            return spot
        column = spot.source.facts.table.column(spot.column)
        return spot if column is not None and column.type.kind is Kind.DATE else replace(spot, form="day")

    def _formed(self, node: exp.Expr, form: str) -> Spot | None:
        spot = self._spot(node)
        return replace(spot, form=form) if spot is not None and not spot.form else None

    def _columns(self, node: exp.Expr) -> list[Spot]:
        found = (self.scope.column(column) for column in node.find_all(exp.Column))
        return [spot for spot in found if spot is not None]

    def _counts(self, spot: Spot) -> bool:
        return self.of is None or spot.source in self.of

    def _hurdle(self, beyond: Beyond, *nodes: exp.Expr) -> None:
        """Queries within are read as well: their tables belong to the statement."""
        for node in nodes:
            for query in _queries(node):
                self.queries.within(query, self.scope, Role.OPTIONAL)
        self._hurdles(beyond, [spot for node in nodes for spot in self._columns(node)])

    def _hurdles(self, beyond: Beyond, spots: list[Spot]) -> None:
        counted = tuple(dict.fromkeys(spot for spot in spots if self._counts(spot)))
        if counted:
            self.out.hurdles.append(Hurdle(beyond, counted))


def _queries(node: exp.Expr) -> list[exp.Expr]:
    """The outermost ones."""
    if isinstance(node, exp.Query):
        return [node]
    return [query for child in node.iter_expressions() for query in _queries(child)]


def _same_column(groups: list[list[Test]]) -> Spot | None:
    """The one column that every branch compares with a value, and does nothing else."""
    tests = [test for group in groups for test in group]
    if len(tests) > len(groups) or any(test.check not in (Check.EQUAL, Check.IN) for test in tests):
        return None
    return tests[0].spot if len({test.spot for test in tests}) == 1 else None


def _beyond(node: exp.Expr) -> Beyond:
    if isinstance(node, exp.NEQ | exp.NullSafeNEQ):
        return Beyond.UNEQUAL
    if node.find(*_SEARCHES):
        return Beyond.SEARCH
    if node.find(*_JSON):
        return Beyond.JSON
    return Beyond.FUNCTION if node.find(exp.Func) else Beyond.OTHER
