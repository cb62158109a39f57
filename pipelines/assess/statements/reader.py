"""Lays a query flat into a Reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlglot import exp

from pipelines.assess.schema import Schema
from pipelines.assess.statements.conditions import Conditions
from pipelines.assess.statements.outputs import Outputs
from pipelines.assess.statements.parse import Parsed, parse
from pipelines.assess.statements.reading import Check, Link, Reading, Role, Source, Spot, Test
from pipelines.assess.statements.scope import Columns, Scope, identifier

WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)


def read_query(schema: Schema, node: exp.Expr, around: exp.Expr | None = None) -> Reading:
    """`around`: a statement whose WITH names queries for this one. Raises RecursionError where it nests too deeply."""
    reader = _reader(schema, around)
    reader.query(node, None, Role.MAIN)
    return reader.reading


def read_write(
    schema: Schema, target: exp.Table, froms: Sequence[exp.Expr], where: exp.Expr, around: exp.Expr
) -> Reading:
    """The rows that an UPDATE, DELETE or MERGE changes: its target comes first, if it was assessed."""
    reader = _reader(schema, around)
    scope = Scope()
    for relation in (target, *froms):
        reader.relation(relation, scope, Role.MAIN)
    reader.conditions(scope, Role.MAIN).add(where)
    return reader.reading


def _reader(schema: Schema, around: exp.Expr | None) -> Reader:
    reader = Reader(schema, Reading())
    if around is not None:
        reader.add_named(around)
    return reader


@dataclass
class Reader:
    schema: Schema
    reading: Reading
    named: dict[str, exp.Expr | None] = field(default_factory=dict)  # of WITH; None for what has no table's rows

    def query(self, node: exp.Expr, around: Scope | None, role: Role, *, within: bool = False) -> Columns:
        """`within`: for a condition or a value, so that its order and its limit are of no weight."""
        before = dict(self.named)
        self.add_named(node)
        match node:
            case exp.Subquery():
                found = self.query(node.this, around, role, within=within)
            case exp.Select():
                found = self._select(node, around, role, within=within)
            case exp.SetOperation():
                self.reading.combined = True
                found = self.query(node.this, around, role, within=within)
                self.query(node.expression, around, role, within=within)
            case exp.Table():
                found = Columns(stars=[one for one in (self._table(node, role),) if one is not None])
            case _:
                found = Columns()
        self.named = before
        return found

    def within(self, node: exp.Expr, scope: Scope, role: Role) -> Columns:
        before = len(self.reading.sources)
        found = self.query(node, scope, role, within=True)
        for source in self.reading.sources[before:]:
            source.semi = True
        return found

    def conditions(self, scope: Scope, role: Role) -> Conditions:
        return Conditions(self, scope, role, self.reading)

    def relation(self, node: exp.Expr, scope: Scope, role: Role) -> None:
        """One of FROM, with what is joined to it."""
        name = identifier(node.args["alias"].this) if node.args.get("alias") is not None else ""
        match node:
            case exp.Table() if isinstance(node.this, exp.Identifier):
                scope.names[name or identifier(node.this)] = self._table(node, role)
            case exp.Subquery() if isinstance(node.unnest(), exp.Table):  # FROM (a JOIN b …)
                self.relation(node.this, scope, role)
            case exp.Subquery():
                scope.names[name] = _renamed(self.query(node.this, scope, role), node)
            case exp.Lateral() if isinstance(node.this, exp.Subquery):
                scope.names[name] = _renamed(self.query(node.this, scope, role), node)
            case exp.Paren():
                self.relation(node.this, scope, role)
            case _:
                scope.names[name] = None
        for join in node.args.get("joins") or ():
            self._join(join, scope, role)

    def add_named(self, node: exp.Expr) -> None:
        """The queries of its WITH."""
        clause = node.args.get("with_")
        if clause is None:
            return
        for one in clause.expressions:
            body = one.this
            name = identifier(one.args["alias"].this)
            if isinstance(body, WRITES):
                self.named[name] = None
                continue
            calls_itself = any(identifier(table.this) == name for table in body.find_all(exp.Table))
            self.named[name] = body
            if clause.args.get("recursive") and calls_itself:
                self.reading.recursive = True

    def _select(self, node: exp.Select, around: Scope | None, role: Role, *, within: bool) -> Columns:
        scope = Scope(around)
        start = node.args.get("from_")
        if start is not None:
            self.relation(start.this, scope, role)
        for join in node.args.get("joins") or ():
            self._join(join, scope, role)
        where = node.args.get("where")
        if where is not None:
            before = len(self.reading.tests)
            self.conditions(scope, role).add(where.this)
            _turn_inner(self.reading.tests[before:], role)
        return Outputs(self, self.reading, scope, role, within).read(node)

    def _join(self, join: exp.Join, scope: Scope, role: Role) -> None:
        before = dict(scope.names)
        sources = len(self.reading.sources)
        side = join.side
        if side in ("RIGHT", "FULL"):
            for source in before.values():
                if isinstance(source, Source) and source.role is Role.MAIN:
                    source.role = Role.OPTIONAL
        outer = side in ("LEFT", "FULL")
        inner_role = Role.OPTIONAL if outer and role is Role.MAIN else role
        self.relation(join.this, scope, inner_role)
        added = {name: one for name, one in scope.names.items() if name not in before}
        for column in self._shared(join, before, added):
            left, right = _find(before, column), _find(added, column)
            if left is not None and right is not None:
                self.reading.links.append(Link(left, right))
        on = join.args.get("on")
        if on is not None:
            of = self.reading.sources[sources:] if side else None
            Conditions(self, scope, inner_role, self.reading, of).add(on)

    def _shared(
        self,
        join: exp.Join,
        before: Mapping[str, Source | Columns | None],
        added: Mapping[str, Source | Columns | None],
    ) -> list[str]:
        """Columns that USING or NATURAL joins by."""
        if join.method == "NATURAL":
            both = [one.facts.columns for one in added.values() if isinstance(one, Source)]
            return [name for columns in both for name in sorted(columns) if _find(before, name) is not None]
        return [identifier(name) for name in join.args.get("using") or ()]

    def _table(self, node: exp.Table, role: Role) -> Source | Columns | None:
        name = identifier(node.this)
        schema = identifier(node.args["db"]) if node.args.get("db") is not None else None
        if schema is None and name in self.named:
            return self._named_query(name, role)
        facts = self.schema.find(name, schema)
        if facts is not None:
            part = name if name != facts.ref.table else ""
            self.reading.sources.append(source := Source(facts, role, part))
            return source
        text = self.schema.view(name, schema)
        definition = _definition(text) if text is not None else None
        if definition is None:
            self.reading.outside.append(name if schema is None else f"{schema}.{name}")
            return None
        return self._apart(definition, role, {})

    def _named_query(self, name: str, role: Role) -> Columns | None:
        body = self.named[name]
        if body is None:
            return None
        return self._apart(body, role, {**self.named, name: None})

    def _apart(self, node: exp.Expr, role: Role, named: dict[str, exp.Expr | None]) -> Columns:
        """A query that sees nothing of the one around it."""
        before, self.named = self.named, named
        found = self.query(node, None, role)
        self.named = before
        return found


def _turn_inner(tests: Sequence[Test], role: Role) -> None:
    """WHERE tests what an outer join has made: rows without the other side do not pass, or, of IS NULL, they alone."""
    for test in tests:
        if role is Role.MAIN and test.spot.source.role is Role.OPTIONAL:
            test.spot.source.role = Role.ABSENT if test.check is Check.NULL else Role.MAIN


@lru_cache(maxsize=4096)
def _definition(text: str) -> exp.Expr | None:
    outcome = parse(text)
    return outcome.tree if isinstance(outcome, Parsed) else None


def _find(names: Mapping[str, Source | Columns | None], column: str) -> Spot | None:
    return Scope(names=dict(names)).bare(column)


def _renamed(columns: Columns, node: exp.Expr) -> Columns:
    """`AS alias (a, b)` names the first columns anew."""
    alias = node.args.get("alias")
    names = [identifier(name) for name in (alias.args.get("columns") or ())] if alias is not None else []
    if not names or columns.stars:
        return columns
    spots = list(columns.named.items())
    renamed = {new: spot for new, (_, spot) in zip(names, spots, strict=False)}
    return Columns(named={**renamed, **dict(spots[len(names) :])})
