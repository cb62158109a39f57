"""Scopes: the items and embeds of a mapping with their tables found and their columns' encodings settled.

A scope stands for one RowPlan to be. Templates reach from a scope down into its `as: map` embeds and mark there
which columns they use, so all scopes of an item exist before the first value is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.items.encode import default_encoding, encodings_of
from pipelines.items.source_type import Encoding, SourceType
from pipelines.mapping.catalog import Catalog, Column, Table, TableRef
from pipelines.mapping.model import Embed, Item, Mapping
from pipelines.mapping.origin import Path, listed, nearest
from pipelines.mapping.plan import Nulls, Shape
from pipelines.mapping.problems import Problems


@dataclass
class Scope:
    """`path` is the body's place in the file. `types` holds what `types` asks for, own and from enclosing bodies, and
    `type_paths` where. `used`, and `encoded`, the columns whose encoding was asked for, grow while values are compiled.
    An embed whose table is unknown is not among `children`."""

    body: Item | Embed
    path: Path
    table: Table
    nulls: Nulls
    types: dict[str, Encoding] = field(default_factory=dict)
    children: dict[str, Scope] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    type_paths: dict[str, Path] = field(default_factory=dict)
    encoded: set[str] = field(default_factory=set)

    @property
    def emits_columns(self) -> bool:
        """False where the row is joined for a template only."""
        return not (isinstance(self.body, Embed) and (self.body.hidden or self.body.value is not None))

    def use(self, column: str) -> None:
        self.used.add(column)

    def encoding(self, column: Column) -> Encoding:
        self.encoded.add(column.name)
        return self.types.get(column.name) or default_encoding(column.type)

    def unused_types(self) -> list[tuple[str, Path]]:
        """Columns with a type whose encoding nobody has asked for so far, and where the type stands."""
        return [(name, path) for name, path in self.type_paths.items() if name not in self.encoded]

    def unknown_column(self, name: str) -> str:
        """The message for a column that is not there."""
        names = [column.name for column in self.table.columns]
        hint = nearest(name, names) or f"; its columns: {listed(names)}"
        return f"no column `{name}` in {self.table.ref}{hint}"

    def in_order(self, names: set[str]) -> tuple[str, ...]:
        return tuple(column.name for column in self.table.columns if column.name in names)


@dataclass(frozen=True)
class Scopes:
    """Makes scopes; every problem goes to `problems`."""

    mapping: Mapping
    catalog: Catalog
    problems: Problems

    def build(self, body: Item | Embed, path: Path, nulls: Nulls, types: dict[str, TypedColumn]) -> Scope | None:
        """None where the table is unknown. `types`: what enclosing bodies ask for, by the path from here."""
        ref = body.from_.ref(self.mapping.source.schema_)
        table = self.catalog.table(ref)
        if table is None:
            self.problems.add((*path, "from"), self._unknown_table(ref))
            return None
        scope = Scope(body, path, table, body.nulls or nulls)
        inner = self._types(scope, types)
        for name, embed in body.embed.items():
            child = self.build(embed, (*path, "embed", name), scope.nulls, inner.get(name, {}))
            if child is not None:
                scope.children[name] = child
        return scope

    def _unknown_table(self, ref: TableRef) -> str:
        names = [table.ref.table for table in self.catalog.tables if table.ref.schema_name == ref.schema_name]
        return (
            f"no table `{ref}` that this user can see{nearest(ref.table, names)}; names are exact, and another "
            "schema is written {schema: .., table: ..}"
        )

    def _types(self, scope: Scope, outer: dict[str, TypedColumn]) -> dict[str, dict[str, TypedColumn]]:
        """Settles the scope's own types; returns those that belong to its embeds."""
        own = {
            name: TypedColumn(Encoding(type), (*scope.path, "types", name)) for name, type in scope.body.types.items()
        }
        for name in own.keys() & outer.keys():
            self.problems.add(own[name].path, "given here and by an enclosing item; keep one")
        inner: dict[str, dict[str, TypedColumn]] = {}
        for name, typed in (outer | own).items():
            embed, dot, rest = name.partition(".")
            column = scope.table.column(name)
            if column is not None:
                self._check_pair(column, typed)
                scope.types[name], scope.type_paths[name] = typed.encoding, typed.path
            elif dot and embed in scope.body.embed:
                inner.setdefault(embed, {})[rest] = typed
            else:
                self.problems.add(typed.path, scope.unknown_column(name))
        return inner

    def _check_pair(self, column: Column, typed: TypedColumn) -> None:
        if typed.encoding not in encodings_of(column.type):
            self.problems.add(
                typed.path,
                f"`{typed.encoding}` is not possible for {column.type.name}; {allowed_encodings(column.type)}",
            )


@dataclass(frozen=True)
class TypedColumn:
    """One entry of `types`, and its place in the file."""

    encoding: Encoding
    path: Path


def allowed_encodings(type: SourceType) -> str:
    """`allowed: N, S, text`; the default of arrays has no name to ask for."""
    named = sorted(encoding for encoding in encodings_of(type) if encoding is not Encoding.LIST)
    return f"allowed: {listed(named)}"


def needs_a_type(type: SourceType) -> bool:
    """A type that Crossover does not know: the mapping must say that its text is wanted."""
    return not type.known or (type.element is not None and not type.element.known)


def is_map(scope: Scope, name: str) -> bool:
    embed = scope.body.embed.get(name)
    return embed is not None and embed.as_ is Shape.MAP
