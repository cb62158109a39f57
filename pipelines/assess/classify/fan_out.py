"""Items that one written row touches, under each way in which it could be embedded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.assess.patterns import FanOut, WriteKind
from pipelines.assess.schema import Edge, Facts, Schema

AT_MOST = 100
"""Embeds that are listed; the widest come first."""


@dataclass(frozen=True)
class _Reach:
    """`items` of the last table of `path` that one row of the first reaches; None where it is not known."""

    path: tuple[Facts, ...]
    items: float | None
    most: float | None

    def up(self, edge: Edge) -> _Reach:
        """To the rows' parents, each of which holds them in a list. Several rows may have one parent."""
        return self._on(edge.parent, edge.parents, 1.0)

    def down(self, edge: Edge) -> _Reach:
        """To the rows' children, each of which holds its parent as a map."""
        return self._on(edge.child, edge.children, edge.children_most)

    def _on(self, to: Facts, items: float | None, most: float | None) -> _Reach:
        known = to.rows if to.rows is not None else None
        return _Reach((*self.path, to), _times(self.items, items, known), _times(self.most, most, known))


def fan_out(schema: Schema, facts: Facts, kind: WriteKind) -> tuple[FanOut, ...]:
    """A row that is new has no children, so that none of them holds it."""
    start = _Reach((facts,), 1.0, 1.0)
    found = list(_ups(schema, start))
    if kind is not WriteKind.INSERT:
        found += _downs(schema, start)
    found.sort(key=lambda reach: -(reach.items or 0.0))
    return tuple(_told(reach) for reach in found[:AT_MOST])


def _ups(schema: Schema, start: _Reach) -> Iterator[_Reach]:
    """In a list of its parent, and with that in its parent's parent."""
    for edge in schema.parents_of(start.path[-1]):
        yield (reach := start.up(edge))
        yield from (reach.up(above) for above in schema.parents_of(edge.parent))


def _downs(schema: Schema, start: _Reach) -> Iterator[_Reach]:
    """As a map in its children; with these in a list of their other parents; and in its children's children."""
    for edge in schema.children_of(start.path[-1]):
        yield (reach := start.down(edge))
        yield from (reach.up(other) for other in schema.parents_of(edge.child) if other is not edge)
        yield from (reach.down(below) for below in schema.children_of(edge.child))


def _times(one: float | None, other: float | None, at_most: int | None) -> float | None:
    """No more items than there are."""
    if one is None or other is None:
        return None
    product = one * other
    return product if at_most is None else min(product, float(at_most))


def _told(reach: _Reach) -> FanOut:
    return FanOut(
        path=tuple(facts.name for facts in reach.path),
        items=None if reach.items is None else round(reach.items, 2),
        items_most=None if reach.most is None else round(reach.most, 2),
    )
