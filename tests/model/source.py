"""The source database in small: root rows that embed a parent and own children, and what transactions do to them.

Every operation writes values of its own (`stamp`, the transaction's number), so that any two states of an item differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

V = TypeVar("V")

Content = tuple[int, ...]
"""What an item holds: shape of the mapping, the row's own value, its parent's value, its children's."""


class Row(NamedTuple):
    key: int
    own: int
    parent: int


class Tables(NamedTuple):
    """Committed rows. A child is (root, value). None: there is no such row."""

    rows: tuple[Row | None, ...]
    children: tuple[tuple[int, int] | None, ...] = ()
    parents: tuple[int, ...] = (0,)


class Touched(NamedTuple):
    """What an operation's triggers see: roots of the rows it wrote, keys the roots had before, parents changed."""

    roots: tuple[int, ...] = ()
    old_keys: tuple[tuple[int, int], ...] = ()
    parents: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    locks: frozenset[str] = frozenset()


NOTHING = Touched()


@dataclass(frozen=True)
class Insert:
    row: int
    key: int
    parent: int = 0

    def touches(self, tables: Tables) -> Touched:
        if tables.rows[self.row]:
            return NOTHING
        return Touched((self.row,), locks=frozenset({f"row {self.row}"}))

    def apply(self, tables: Tables, stamp: int) -> Tables:
        return tables if tables.rows[self.row] else with_row(tables, self.row, Row(self.key, stamp, self.parent))


@dataclass(frozen=True)
class Update:
    row: int

    def touches(self, tables: Tables) -> Touched:
        return Touched((self.row,), locks=frozenset({f"row {self.row}"})) if tables.rows[self.row] else NOTHING

    def apply(self, tables: Tables, stamp: int) -> Tables:
        row = tables.rows[self.row]
        return with_row(tables, self.row, row._replace(own=stamp)) if row else tables


@dataclass(frozen=True)
class ChangeKey:
    row: int
    key: int

    def touches(self, tables: Tables) -> Touched:
        row = tables.rows[self.row]
        return Touched((self.row,), ((self.row, row.key),), locks=frozenset({f"row {self.row}"})) if row else NOTHING

    def apply(self, tables: Tables, stamp: int) -> Tables:
        row = tables.rows[self.row]
        return with_row(tables, self.row, row._replace(key=self.key)) if row else tables


@dataclass(frozen=True)
class Relink:
    """The row embeds another parent from now on."""

    row: int
    parent: int

    def touches(self, tables: Tables) -> Touched:
        return Touched((self.row,), locks=frozenset({f"row {self.row}"})) if tables.rows[self.row] else NOTHING

    def apply(self, tables: Tables, stamp: int) -> Tables:
        row = tables.rows[self.row]
        return with_row(tables, self.row, row._replace(parent=self.parent)) if row else tables


@dataclass(frozen=True)
class Delete:
    """With its children, by the foreign key's ON DELETE CASCADE."""

    row: int

    def touches(self, tables: Tables) -> Touched:
        row = tables.rows[self.row]
        return Touched((self.row,), ((self.row, row.key),), locks=frozenset({f"row {self.row}"})) if row else NOTHING

    def apply(self, tables: Tables, stamp: int) -> Tables:
        children = tuple(None if child and child[0] == self.row else child for child in tables.children)
        return with_row(tables, self.row, None)._replace(children=children)


@dataclass(frozen=True)
class PutChild:
    """Inserts a child, or changes its value."""

    child: int
    root: int

    def touches(self, tables: Tables) -> Touched:
        known = tables.rows[self.root] is not None
        return Touched((self.root,), locks=frozenset({f"child {self.child}"})) if known else NOTHING

    def apply(self, tables: Tables, stamp: int) -> Tables:
        known = tables.rows[self.root] is not None
        return with_child(tables, self.child, (self.root, stamp)) if known else tables


@dataclass(frozen=True)
class MoveChild:
    child: int
    root: int

    def touches(self, tables: Tables) -> Touched:
        child = tables.children[self.child]
        if not child or tables.rows[self.root] is None or child[0] == self.root:
            return NOTHING
        return Touched((child[0], self.root), left=(child[0],), locks=frozenset({f"child {self.child}"}))

    def apply(self, tables: Tables, stamp: int) -> Tables:
        child = tables.children[self.child]
        known = child and tables.rows[self.root] is not None
        return with_child(tables, self.child, (self.root, child[1])) if known and child else tables


@dataclass(frozen=True)
class DeleteChild:
    child: int

    def touches(self, tables: Tables) -> Touched:
        child = tables.children[self.child]
        return Touched((child[0],), locks=frozenset({f"child {self.child}"})) if child else NOTHING

    def apply(self, tables: Tables, stamp: int) -> Tables:
        return with_child(tables, self.child, None)


@dataclass(frozen=True)
class ChangeParent:
    """A change that reaches items through other rows."""

    parent: int

    def touches(self, tables: Tables) -> Touched:
        return Touched(parents=(self.parent,), locks=frozenset({f"parent {self.parent}"}))

    def apply(self, tables: Tables, stamp: int) -> Tables:
        return tables._replace(parents=replaced(tables.parents, self.parent, stamp))


Operation = Insert | Update | ChangeKey | Relink | Delete | PutChild | MoveChild | DeleteChild | ChangeParent


@dataclass(frozen=True)
class Transaction:
    """`replica`: its session runs with `session_replication_role = replica`."""

    name: str
    operations: tuple[Operation, ...]
    replica: bool = False


def replaced(values: tuple[V, ...], at: int, value: V) -> tuple[V, ...]:
    return (*values[:at], value, *values[at + 1 :])


def with_row(tables: Tables, at: int, row: Row | None) -> Tables:
    return tables._replace(rows=replaced(tables.rows, at, row))


def with_child(tables: Tables, at: int, child: tuple[int, int] | None) -> Tables:
    return tables._replace(children=replaced(tables.children, at, child))


def content_of(tables: Tables, row: int, shape: int) -> Content | None:
    """The item that the mapping makes of a row, None where there is no row."""
    image = tables.rows[row]
    if image is None:
        return None
    children = [child[1] if child and child[0] == row else 0 for child in tables.children]
    return (shape, image.own, tables.parents[image.parent], *children)


def holder_of(tables: Tables, key: int) -> int | None:
    """The source row that has this DynamoDB key now."""
    return next((at for at, row in enumerate(tables.rows) if row and row.key == key), None)
