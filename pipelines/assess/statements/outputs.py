"""What a SELECT makes of its rows: columns, aggregates, groups, order."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from pipelines.assess.statements.conditions import Within
from pipelines.assess.statements.reading import Aggregate, Reading, Role, Source, Spot
from pipelines.assess.statements.scope import Columns, Scope, identifier

COLLECTORS = frozenset({"array_agg", "json_agg", "jsonb_agg", "string_agg", "json_object_agg", "jsonb_object_agg"})
"""They keep all rows, as an item's list does."""

_AGGREGATES = COLLECTORS | {"bool_or", "bool_and", "every", "json_arrayagg", "regr_slope", "xmlagg", "range_agg"}
_AGGREGATE_NODES = (exp.AggFunc, exp.JSONArrayAgg, exp.JSONObjectAgg, exp.JSONBObjectAgg)
_NAMES = {
    "jsonarrayagg": "json_agg",
    "groupconcat": "string_agg",
    "arrayagg": "array_agg",
    "jsonobjectagg": "json_object_agg",
    "jsonbobjectagg": "jsonb_object_agg",
}


@dataclass(frozen=True)
class Outputs:
    queries: Within
    reading: Reading
    scope: Scope
    role: Role
    within: bool

    def read(self, node: exp.Select) -> Columns:
        columns = Columns()
        for expression in node.expressions:
            self._put_out(expression, columns)
        self._groups(node)
        if not self.within:
            self._order(node)
        self.reading.locks |= bool(node.args.get("locks"))
        return columns

    def _put_out(self, expression: exp.Expr, columns: Columns) -> None:
        inner = expression.this if isinstance(expression, exp.Alias) else expression
        if _is_star(inner):
            columns.stars += self._stars(inner)
            return
        spot = self.scope.column(inner) if isinstance(inner, exp.Column) else None
        name = identifier(expression.args["alias"]) if isinstance(expression, exp.Alias) else inner.output_name.lower()
        if isinstance(inner, exp.Column) and not isinstance(expression, exp.Alias):
            name = identifier(inner.this)
        columns.named[name or f"?{len(columns.named)}"] = spot
        self.scope.outputs.setdefault(name, spot)
        self._visit(inner)

    def _stars(self, node: exp.Expr) -> list[Source | Columns]:
        if isinstance(node, exp.Column):
            found = [self.scope.names.get(identifier(node.args["table"]))]
        else:
            found = list(self.scope.names.values())
        known = [one for one in found if one is not None]
        if not self.within:
            for one in known:
                _use_whole(one)
        return known

    def _visit(self, node: exp.Expr) -> None:
        """Marks the columns, and finds aggregates, windows and queries, in an expression that is put out."""
        match node:
            case exp.Query():
                self.queries.within(node, self.scope, self._role_of_value())
                return
            case exp.Exists():
                self.queries.within(node.this, self.scope, self._role_of_value())
                return
            case exp.Column() if not isinstance(node.this, exp.Star):
                self._use(self.scope.column(node))
            case exp.Column():
                self._stars(node)
            case exp.Window():
                self.reading.windows = True
                for part in (*node.this.iter_expressions(), *(node.args.get("partition_by") or ())):
                    self._visit(part)
                return
            case _ if (name := _aggregate(node)) is not None:
                argument = node.this if isinstance(node.this, exp.Column) else None
                spot = self.scope.column(argument) if argument is not None and not _is_star(argument) else None
                self.reading.aggregates.append(Aggregate(name, spot, self.within))
        for child in node.iter_expressions():
            self._visit(child)

    def _role_of_value(self) -> Role:
        """`SELECT EXISTS (…)` without FROM reads nothing but what is within."""
        return Role.OPTIONAL if self.scope.names or self.role is not Role.MAIN else Role.MAIN

    def _use(self, spot: Spot | None) -> None:
        if spot is not None and not self.within:
            spot.source.used.add(spot.column)

    def _groups(self, node: exp.Select) -> None:
        group = node.args.get("group")
        if group is not None:
            self.reading.grouped = True
            self.reading.grouped_by += [self._sorted_by(node, one) for one in group.expressions]
            if any(group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets")):
                self.reading.grouped_by.append(None)
        if node.args.get("having") is not None:
            self.reading.having = True
            self._visit(node.args["having"].this)
        if node.args.get("distinct") is not None and not self.within:
            self.reading.distinct = True

    def _order(self, node: exp.Select) -> None:
        order = node.args.get("order")
        for one in order.expressions if order is not None else ():
            spot = self._sorted_by(node, one.this)
            self.reading.order.append(spot)
            self.reading.falling.append(bool(one.args.get("desc")))
            self._use(spot)
            if spot is None:
                self._visit(one.this)
        self.reading.limit |= node.args.get("limit") is not None
        self.reading.offset |= node.args.get("offset") is not None

    def _sorted_by(self, node: exp.Select, by: exp.Expr) -> Spot | None:
        """A column, a name or a position of SELECT."""
        if isinstance(by, exp.Literal) and not by.is_string:
            position = int(by.this) - 1 if str(by.this).isdecimal() else -1
            by = node.expressions[position] if 0 <= position < len(node.expressions) else by
            by = by.this if isinstance(by, exp.Alias) else by
        if not isinstance(by, exp.Column):
            return None
        name = identifier(by.this)
        if by.args.get("table") is None and name in self.scope.outputs:
            return self.scope.outputs[name]
        return self.scope.column(by)


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def _use_whole(of: Source | Columns) -> None:
    if isinstance(of, Source):
        of.whole = True
        return
    for spot in of.named.values():
        if spot is not None:
            spot.source.used.add(spot.column)
    for star in of.stars:
        _use_whole(star)


def _aggregate(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        name = str(node.this).lower()
        return name if name in _AGGREGATES else None
    if isinstance(node, _AGGREGATE_NODES):
        name = type(node).__name__.lower()
        return _NAMES.get(name, name)
    return None
