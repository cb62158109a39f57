"""Whether an item that holds one table's row would hold the rows of another, and in which form."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipelines.assess.classify.graph import Graph, Tie
from pipelines.assess.patterns import Embed, Join
from pipelines.assess.schema import Edge
from pipelines.assess.statements.reading import Source

LIST_BYTES = 100 << 10
"""What a list in an item may take: a quarter of the 400 KB of an item, since estimates err and lists grow."""


@dataclass(frozen=True)
class Step:
    tie: Tie
    to: Source
    down: bool  # from one row to many


@dataclass(frozen=True)
class Route:
    """From the anchor to another source. `sideways`: up to a parent and down again, to rows that are not its own."""

    steps: tuple[Step, ...]

    @property
    def sideways(self) -> bool:
        ups = [not step.down for step in self.steps]
        return any(step.down and any(ups[:index]) for index, step in enumerate(self.steps))


def routes(graph: Graph, anchor: Source) -> dict[Source, Route]:
    """To every source that ties reach; sideways only where there is no other way."""
    found = {anchor: Route(())}
    for allowed in (False, True):
        waiting = deque(found)
        while waiting:
            source = waiting.popleft()
            for tie, to, down in graph.neighbours(source):
                route = Route((*found[source].steps, Step(tie, to, down)))
                if to not in found and (allowed or not route.sideways):
                    found[to] = route
                    waiting.append(to)
    del found[anchor]
    return found


def embed_of(anchor: Source, route: Route, columns: tuple[str, ...] | None) -> Embed:
    """`columns`: of the far table, that the statement uses; None for all."""
    rows, most = _product(route, "children"), _product(route, "children_most")
    last = route.steps[-1]
    form = "list" if last.down else "map"
    if any(step.down for step in route.steps) and not fits(last.to, most):
        form = "items"
    return Embed(
        path=(anchor.facts.name, *(step.to.facts.name for step in route.steps)),
        joins=tuple(_join(step) for step in route.steps),
        columns=columns,
        on=str(last.tie.edge),
        form=form,
        rows=rows,
        rows_most=most,
    )


def _join(step: Step) -> Join:
    edge = step.tie.edge
    columns, others = edge.parent_columns, edge.child_columns
    if step.down:
        columns, others = others, columns
    return Join(table=step.to.facts.name, columns=columns, others=others, down=step.down)


def fits(source: Source, rows_most: float | None) -> bool:
    """Of the columns that the statement uses. What is not known is taken to fit."""
    size = source.facts.bytes_of(None if source.whole else source.used)
    return rows_most is None or size is None or rows_most * size <= LIST_BYTES


def _product(route: Route, what: str) -> float | None:
    """Of the steps down; a step up keeps the number."""
    product = 1.0
    for step in route.steps:
        rows: float | None = getattr(step.tie.edge, what) if step.down else 1.0
        if rows is None:
            return None
        product *= rows
    return round(product, 2)


def said(edge: Edge) -> str:
    """A join as messages name it."""
    return str(edge) if edge.declared else f"{edge}, which no foreign key declares"
