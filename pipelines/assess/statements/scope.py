"""Which column a name means: of the tables and queries of FROM, then of the query around."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from pipelines.assess.statements.reading import Source, Spot


@dataclass
class Columns:
    """What a query within puts out: names to columns; `stars`: whole tables or queries."""

    named: dict[str, Spot | None] = field(default_factory=dict)
    stars: list[Source | Columns] = field(default_factory=list)

    def find(self, name: str) -> Spot | None:
        if name in self.named:
            return self.named[name]
        return next((spot for star in self.stars if (spot := _within(star, name)) is not None), None)

    def has(self, name: str) -> bool:
        return name in self.named or self.find(name) is not None

    def only(self) -> Spot | None:
        """Its one column."""
        return next(iter(self.named.values())) if len(self.named) == 1 and not self.stars else None


@dataclass
class Scope:
    """`names`: aliases of FROM to what they stand for; None for what is no table, a function's rows."""

    around: Scope | None = None
    names: dict[str, Source | Columns | None] = field(default_factory=dict)
    outputs: dict[str, Spot | None] = field(default_factory=dict)  # names of SELECT, for ORDER BY and GROUP BY

    def column(self, node: exp.Column) -> Spot | None:
        name = identifier(node.this)
        table = node.args.get("table")
        scope: Scope | None = self
        while scope is not None:
            found = scope._named(identifier(table), name) if table is not None else scope.bare(name)
            if found is not None:
                return found
            scope = scope.around
        return None

    def _named(self, table: str, name: str) -> Spot | None:
        return _within(self.names.get(table), name)

    def bare(self, name: str) -> Spot | None:
        return next((spot for one in self.names.values() if (spot := _within(one, name)) is not None), None)


def _within(of: Source | Columns | None, name: str) -> Spot | None:
    match of:
        case Source():
            return Spot(of, name) if name in of.facts.columns else None
        case Columns():
            return of.find(name)
    return None


def identifier(node: object) -> str:
    """As PostgreSQL reads it: lower case unless quoted."""
    if isinstance(node, exp.Identifier):
        return str(node.this) if node.args.get("quoted") else str(node.this).lower()
    return str(node).lower()
