"""Embeds: what joins them, their order, and which keys go with which shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.items.canonical import MAX_DEPTH
from pipelines.items.source_type import TEXTS, Encoding, Kind, SourceType
from pipelines.mapping.catalog import Column
from pipelines.mapping.compile_template import Templates
from pipelines.mapping.model import Embed
from pipelines.mapping.origin import Path
from pipelines.mapping.plan import ColumnValue, OrderTerm, Shape, TemplateValue
from pipelines.mapping.problems import Problems
from pipelines.mapping.scope import Scope

UNORDERED = frozenset({Kind.JSON, Kind.ARRAY, Kind.OTHER})
"""Kinds without an order that Python, Spark and PostgreSQL share; ties are broken by their texts nevertheless."""

_EXACT_NUMBERS = frozenset({Kind.INTEGER, Kind.NUMERIC})

_MEMBER_ENCODINGS = frozenset({Encoding.S, Encoding.N, Encoding.B})


@dataclass(frozen=True)
class Embeds:
    """Checks and compiles all of an embed but its row. `scope` is the embed's, `outer` the enclosing one."""

    scope: Scope
    outer: Scope
    problems: Problems

    @property
    def embed(self) -> Embed:
        assert isinstance(self.scope.body, Embed)
        return self.scope.body

    def check_keys(self) -> None:
        """Keys that have no effect on an embed of this shape are refused."""
        for key, message in self._misplaced():
            self.problems.add((*self.scope.path, key), message)

    def _misplaced(self) -> Iterator[tuple[str, str]]:
        embed = self.embed
        if embed.as_ is Shape.MAP:
            for key, given in (("limit", embed.limit), ("order_by", embed.order_by), ("value", embed.value)):
                if given:
                    yield key, "has no meaning for `as: map`, which holds one row; take it out"
        elif embed.hidden:
            yield "hidden", f"only an `as: map` can be hidden, this is a {embed.as_}; take it out"
        if embed.as_ is Shape.SET and embed.value is None:
            yield "as", "a set needs `value`, the template of its members"
        if not self.scope.emits_columns:
            yield from self._unseen()

    def _unseen(self) -> Iterator[tuple[str, str]]:
        body = self.embed
        why = "`hidden`" if body.hidden else "`value`"
        given = (("include", body.include), ("exclude", body.exclude), ("rename", body.rename), ("set", body.set_))
        for key, names in given:
            if names:
                yield key, f"has no effect beside {why}; take it out"
        for name, embed in body.embed.items():
            if embed.as_ is not Shape.MAP:
                yield "embed", f"`{name}` cannot be seen beside {why}; only maps are of use to a template"

    def depth(self, outer: int) -> int:
        """Of the embed's attributes, or elements, where the enclosing row's have `outer` lists and maps around them."""
        wrapped_twice = self.embed.as_ is Shape.LIST and self.embed.value is None
        depth = outer + (2 if wrapped_twice else 1)
        if self.scope.emits_columns and outer < MAX_DEPTH <= depth:
            self.problems.add(self.scope.path, f"over {MAX_DEPTH} levels of lists and maps, more than DynamoDB holds")
        return depth

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Marks the columns of both sides as used."""
        found: list[tuple[str, str]] = []
        for inner_name, outer_name in self.embed.on.items():
            path = (*self.scope.path, "on", inner_name)
            inner, outer = self._known(self.scope, inner_name, path), self._known(self.outer, outer_name, path)
            if inner is not None and outer is not None:
                self._check_pair(inner.type, outer.type, path)
                found.append((inner_name, outer_name))
        return tuple(found)

    def _known(self, scope: Scope, name: str, path: Path) -> Column | None:
        column = scope.table.column(name)
        if column is None:
            self.problems.add(path, scope.unknown_column(name))
        else:
            scope.use(name)
        return column

    def _check_pair(self, inner: SourceType, outer: SourceType, path: Path) -> None:
        if inner.kind in UNORDERED and inner.kind is outer.kind:
            self.problems.add(path, f"{inner.name} cannot be joined on; use numbers, texts, uuids or dates")
        elif loose := next((type for type in (inner, outer) if not type.exact), None):
            self.problems.add(
                path,
                f"PostgreSQL finds texts of {loose.name} equal that are not the same, so a join on them would lose "
                "rows; join on another column",
            )
        elif not _joinable(inner.kind, outer.kind):
            self.problems.add(path, f"{inner.name} and {outer.name} cannot be joined; both must be of one kind of type")

    def order(self) -> tuple[OrderTerm, ...]:
        """A total order: what is asked for, then the primary key."""
        if self.embed.as_ is Shape.MAP:
            return ()
        terms = {term.column: term for term in self._asked()}
        for name in self._ties(bool(terms)):
            column = self.scope.table.column(name)
            if column is not None and name not in terms:
                self.scope.use(name)
                terms[name] = OrderTerm(name, column.type, descending=False)
        return tuple(terms.values())

    def _asked(self) -> Iterator[OrderTerm]:
        seen: set[str] = set()
        for n, written in enumerate(self.embed.order_by):
            path = (*self.scope.path, "order_by", n)
            descending = written.startswith("-") and self.scope.table.column(written) is None
            column = self._known(self.scope, written[1:] if descending else written, path)
            if column is None:
                continue
            if column.name in seen:
                self.problems.add(path, f"`{column.name}` stands here twice; keep one")
            if column.type.kind in UNORDERED:
                self.problems.add(path, f"{column.type.name} has no order; use another column")
            seen.add(column.name)
            yield OrderTerm(column.name, column.type, descending)

    def _ties(self, ordered: bool) -> tuple[str, ...]:
        """Without a primary key, all that is read decides: rows that are equal in it are equal elements."""
        table = self.scope.table
        if table.primary_key:
            return table.primary_key
        needs_order = self.embed.as_ is Shape.LIST or self.embed.limit is not None
        if needs_order and not ordered:
            self.problems.add(
                self.scope.path,
                f"{table.ref} has no primary key, so its rows have no order; give `order_by`",
            )
        return self.scope.in_order(self.scope.used)

    def value(self) -> ColumnValue | TemplateValue | None:
        if self.embed.value is None:
            return None
        path = (*self.scope.path, "value")
        value = Templates(self.problems).value(self.scope, self.embed.value, path)
        if self.embed.as_ is Shape.SET and isinstance(value, ColumnValue) and value.encoding not in _MEMBER_ENCODINGS:
            self.problems.add(
                path,
                f"`{value.column}` would be {value.encoding}; the members of a set are S, N or B: give a type",
            )
        return value


def _joinable(inner: Kind, outer: Kind) -> bool:
    """Whole and exact numbers are equal by value, texts, enums and uuids by text; all else joins its own kind."""
    pair = {inner, outer}
    return inner is outer or pair <= _EXACT_NUMBERS or pair <= TEXTS
