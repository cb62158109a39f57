"""The database as a picture: tables as boxes with their keys, foreign keys as lines. Geometry only, in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from expectations.assessment.cells import CELL, fit
from expectations.assessment.er_graph import Shown
from expectations.assessment.heights import tops
from expectations.assessment.layers import Bend, Layered, layered
from expectations.assessment.table_names import Role, shown_name
from expectations.display import visible
from pipelines.assess.evidence import Evidence, ForeignKey, TableEvidence
from pipelines.mapping.catalog import Table, TableRef

ROW = 19
HEAD = 27
BOX = 200
_BETWEEN = 70  # two layers
_GAP = 22  # two boxes of a layer
_BEND = 10
_MARGIN = 14
_LOOP = 26
_MOST_ROWS = 7
_MOST_IN_LAYER = 9
_MARKS = 6  # cells before a column's name, for PK and FK

_CELLS = int((BOX - 20) / CELL)


@dataclass(frozen=True)
class KeyRow:
    """A column of a box. `mark`: `PK`, `FK`, `UK`, or two of them."""

    name: str
    mark: str
    y: float


@dataclass(frozen=True)
class Box:
    """`name` is cut to the box, `title` is whole; `more`: columns that it does not show."""

    name: str
    title: str
    role: str
    x: float
    y: float
    height: float
    rows: tuple[KeyRow, ...]
    more: int
    more_y: float


@dataclass(frozen=True)
class Line:
    """`path` leads from the parent to the child; at the child's end stands a crow's foot, at the parent's a bar."""

    path: str
    foot: str
    bar: str
    title: str


@dataclass(frozen=True)
class ErPicture:
    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    words: str
    box_width: int = BOX
    head: int = HEAD


def er_picture(evidence: Evidence, shown: Shown, roles: Mapping[TableRef, Role]) -> ErPicture:
    """`roles`: of the tables, by the mapping that is shown first; of those that it leaves out nothing."""
    nodes = sorted(shown.tables, key=str)
    plans = {ref: _Plan.of(evidence, ref, shown.keys) for ref in nodes}
    edges = [(key.parent, key.table) for key in sorted(shown.keys, key=lambda key: (str(key.table), key.name))]
    drawing = layered(nodes, edges, _MOST_IN_LAYER)
    at = _Places(drawing, tops(drawing, {ref: plan.height for ref, plan in plans.items()}, _GAP, _BEND))
    boxes = tuple(_box(evidence, plans[ref], at, roles) for ref in nodes)
    lines = tuple(_line(evidence, key, plans, at) for key in shown.keys)
    width = max((box.x + BOX for box in boxes), default=0.0) + _MARGIN + _LOOP
    height = max((box.y + box.height for box in boxes), default=0.0) + _MARGIN
    words = (
        f"{len(boxes):,} tables and {len(lines):,} foreign keys between them; the list below says the same in words."
    )
    return ErPicture(width, height, boxes, lines, words)


@dataclass(frozen=True)
class _Plan:
    """What stands in a box, before it has a place."""

    table: Table
    facts: TableEvidence
    columns: tuple[tuple[str, str], ...]
    more: int

    @classmethod
    def of(cls, evidence: Evidence, ref: TableRef, keys: Sequence[ForeignKey]) -> _Plan:
        table = evidence.catalog.table(ref)
        assert table is not None
        facts = next(one for one in evidence.tables if one.ref == ref)
        marked = list(_marked(table, facts, keys))
        shown = marked if len(marked) <= _MOST_ROWS else marked[: _MOST_ROWS - 1]
        return cls(table, facts, tuple(shown), len(table.columns) - len(shown))

    @property
    def height(self) -> float:
        return HEAD + ROW * (len(self.columns) + bool(self.more)) + 6

    def row_of(self, column: str) -> float:
        """The middle of its row, from the box's upper edge; of one that is not shown, the last row's."""
        names = [name for name, _ in self.columns]
        number = names.index(column) if column in names else len(names)
        return HEAD + ROW * min(number, max(len(names) + bool(self.more) - 1, 0)) + ROW / 2 + 2


def _marked(table: Table, facts: TableEvidence, keys: Sequence[ForeignKey]) -> Iterator[tuple[str, str]]:
    """The key's columns in its order, then those of foreign keys, then those of other unique keys."""
    foreign = [column for key in keys if key.table == table.ref for column in key.columns]
    unique = [column for columns in facts.unique_keys for column in columns]
    for name in dict.fromkeys((*table.primary_key, *foreign, *unique)):
        marks = [mark for mark, of in (("PK", table.primary_key), ("FK", foreign), ("UK", unique)) if name in of]
        yield name, " ".join(marks[:2])


class _Places:
    def __init__(self, drawing: Layered[TableRef], top: dict[TableRef | Bend[TableRef], float]) -> None:
        self._drawing = drawing
        self._top = top
        self._layer = {one: number for number, layer in enumerate(drawing.layers) for one in layer}

    def x(self, one: TableRef | Bend[TableRef]) -> float:
        return _MARGIN + self._layer[one] * (BOX + _BETWEEN)

    def y(self, one: TableRef | Bend[TableRef]) -> float:
        return _MARGIN + self._top[one]

    def bends(self, parent: TableRef, child: TableRef) -> list[tuple[float, float, float]]:
        """Left edge, right edge and height of each layer that a line passes, from the parent on."""
        forwards = self._drawing.routes.get((parent, child))
        route = forwards or self._drawing.routes[child, parent][::-1]
        passed = [(self.x(one), self.x(one) + BOX, self.y(one) + _BEND / 2) for one in route[1:-1]]
        return passed if forwards else [(right, left, y) for left, right, y in passed]

    def is_before(self, one: TableRef, other: TableRef) -> bool:
        return self._layer[one] < self._layer[other]


def _box(evidence: Evidence, plan: _Plan, at: _Places, roles: Mapping[TableRef, Role]) -> Box:
    ref = plan.table.ref
    name = shown_name(ref, evidence)
    rows = "rows not known" if plan.facts.rows is None else f"{plan.facts.rows:,} rows"
    role = roles.get(ref, Role.LEFT_OUT) if roles else None
    return Box(
        name=fit(name, _CELLS),
        title=f"{visible(name)}: {rows}" + (f", {role}" if role else ""),
        role=role.name.lower() if role else "",
        x=at.x(ref),
        y=at.y(ref),
        height=plan.height,
        rows=tuple(
            KeyRow(fit(column, _CELLS - _MARKS), mark, HEAD + ROW * number + ROW / 2 + 6)
            for number, (column, mark) in enumerate(plan.columns)
        ),
        more=plan.more,
        more_y=HEAD + ROW * len(plan.columns) + ROW / 2 + 6,
    )


def _line(evidence: Evidence, key: ForeignKey, plans: Mapping[TableRef, _Plan], at: _Places) -> Line:
    title = visible(key_words(evidence, key))
    start = at.y(key.parent) + HEAD / 2
    end = at.y(key.table) + plans[key.table].row_of(key.columns[0])
    if key.table == key.parent:
        x = at.x(key.table) + BOX
        path = f"M{x} {start}C{x + _LOOP * 1.6} {start} {x + _LOOP * 1.6} {end} {x} {end}"
        return Line(path, _foot(x, end, 1), _bar(x, start, 1), title)
    forwards = at.is_before(key.parent, key.table)
    side = 1 if forwards else -1
    x, last = (at.x(key.parent) + BOX, at.x(key.table)) if forwards else (at.x(key.parent), at.x(key.table) + BOX)
    points = [(x, start)]
    for near, far, y in at.bends(key.parent, key.table):
        points += [(near, y), (far, y)]
    points.append((last, end))
    return Line(_curve(points), _foot(last, end, -side), _bar(x, start, side), title)


def key_words(evidence: Evidence, key: ForeignKey) -> str:
    """`orders (customer_id) → customers (customer_id)`."""
    child, parent = shown_name(key.table, evidence), shown_name(key.parent, evidence)
    return f"{child} ({', '.join(key.columns)}) → {parent} ({', '.join(key.parent_columns)})"


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Level at both ends of each gap between two layers, straight through a layer."""
    (x, y), *others = points
    parts = [f"M{x} {y}"]
    for number, (to_x, to_y) in enumerate(others):
        if number % 2:
            parts.append(f"H{to_x}")
        else:
            middle = (x + to_x) / 2
            parts.append(f"C{middle} {y} {middle} {to_y} {to_x} {to_y}")
        x, y = to_x, to_y
    return "".join(parts)


def _foot(x: float, y: float, side: int) -> str:
    return f"M{x} {y - 5}L{x + 9 * side} {y}L{x} {y + 5}"


def _bar(x: float, y: float, side: int) -> str:
    return f"M{x + 6 * side} {y - 5}V{y + 5}"
