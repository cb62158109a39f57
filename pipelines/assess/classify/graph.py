"""How the tables of a reading hang together: what is equal to what, and which row belongs to which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from pipelines.assess.schema import Edge, Schema
from pipelines.assess.statements.reading import Check, Link, Reading, Role, Source, Spot, Test

_CARRIED = frozenset({Check.EQUAL, Check.IN, Check.RANGE, Check.PREFIX})
_FIXED = frozenset({Check.EQUAL, Check.IN})

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Tie:
    """Each row of `many` belongs to one row of `one`."""

    many: Source
    one: Source
    edge: Edge


@dataclass(frozen=True)
class ValueJoin:
    """Two tables are joined by columns that are the key of neither."""

    left: Source
    right: Source
    on: str


@dataclass(frozen=True)
class Graph:
    """`tests`: per source, with those that equality carries over from others."""

    sources: tuple[Source, ...]
    tests: dict[Source, tuple[Test, ...]]
    ties: tuple[Tie, ...]
    value_joins: tuple[ValueJoin, ...]

    def neighbours(self, source: Source) -> list[tuple[Tie, Source, bool]]:
        """Each with whether the way there goes down, from one to many."""
        return [
            (tie, tie.many if tie.one is source else tie.one, tie.one is source)
            for tie in self.ties
            if source in (tie.one, tie.many)
        ]

    def components(self) -> list[Graph]:
        """Tables that no join connects are read apart from each other."""
        left, found = list(self.sources), []
        while left:
            group = self._connected(left[0])
            left = [source for source in left if source not in group]
            found.append(self.only([source for source in self.sources if source in group]))
        return found

    def only(self, sources: Sequence[Source]) -> Graph:
        kept = set(sources)
        return Graph(
            tuple(sources),
            {source: self.tests[source] for source in sources},
            tuple(tie for tie in self.ties if {tie.one, tie.many} <= kept),
            tuple(join for join in self.value_joins if {join.left, join.right} <= kept),
        )

    def _connected(self, start: Source) -> set[Source]:
        found, waiting = {start}, [start]
        while waiting:
            source = waiting.pop()
            near = [other for _, other, _ in self.neighbours(source)]
            near += [j.right if j.left is source else j.left for j in self.value_joins if source in (j.left, j.right)]
            waiting += (new := [other for other in near if other not in found])
            found.update(new)
        return found


def graph_of(reading: Reading, schema: Schema, extra: Sequence[Test] = ()) -> Graph:
    """`extra`: tests beside the reading's own, of one alternative."""
    classes = _classes(reading.links)
    tests = _carried([*reading.tests, *extra], classes)
    sources = tuple(reading.sources)
    fixed = {one: {t.spot.column for t in tests[one] if t.check in _FIXED and not t.spot.form} for one in sources}
    ties, value_joins = [], []
    for (left, right), pairs in _pairs(classes).items():
        tie = _tie(left, right, pairs, fixed, schema)
        if tie is not None:
            ties.append(tie)
        elif any({left, right} == {link.left.source, link.right.source} for link in reading.links):
            value_joins.append(ValueJoin(left, right, _on(left, right, pairs)))
    return Graph(sources, tests, tuple(ties), tuple(value_joins))


def _classes(links: Sequence[Link]) -> list[list[Spot]]:
    """Columns that are equal to each other, by whatever chain."""
    classes: list[list[Spot]] = []
    for link in links:
        touched = [one for one in classes if link.left in one or link.right in one]
        merged = [spot for one in touched for spot in one]
        merged += [spot for spot in (link.left, link.right) if spot not in merged]
        classes = [one for one in classes if one not in touched] + [merged]
    return classes


def _carried(tests: Sequence[Test], classes: list[list[Spot]]) -> dict[Source, tuple[Test, ...]]:
    """A test of one column holds for all that are equal to it; not from the other side of an outer join, whose tests
    leave our rows as they are."""
    found: dict[Source, dict[Test, None]] = defaultdict(dict)
    for test in tests:
        found[test.spot.source][test] = None
        if test.check not in _CARRIED or test.spot.form or test.spot.source.role is not Role.MAIN:
            continue
        for spot in next((one for one in classes if test.spot in one), ()):
            found[spot.source][replace(test, spot=spot)] = None
    return defaultdict(tuple, {source: tuple(held) for source, held in found.items()})


def _pairs(classes: list[list[Spot]]) -> dict[tuple[Source, Source], Pairs]:
    found: dict[tuple[Source, Source], Pairs] = defaultdict(list)
    for spots in classes:
        for left, right in combinations(spots, 2):
            if left.source is not right.source:
                swapped = (right.source, left.source) in found
                one, other = (right, left) if swapped else (left, right)
                found[one.source, other.source].append((one.column, other.column))
    return found


def _tie(left: Source, right: Source, pairs: Pairs, fixed: dict[Source, set[str]], schema: Schema) -> Tie | None:
    """By a foreign key, or by the key of either side; columns that are tested for one value help to make up a key."""
    for many, one, turned in ((left, right, pairs), (right, left, [(b, a) for a, b in pairs])):
        declared = next((edge for edge in schema.parents_of(many.facts) if _is(edge, one, turned)), None)
        if declared is not None:
            return Tie(many, one, declared)
    for many, one, turned in ((left, right, pairs), (right, left, [(b, a) for a, b in pairs])):
        joined = {column for _, column in turned}
        reached = joined | fixed[one]
        if any(reached.issuperset(key) and joined.intersection(key) for key in one.facts.keys):
            columns, keys = zip(*turned, strict=True)
            return Tie(many, one, Edge(many.facts, columns, one.facts, keys, declared=False))
    return None


def _is(edge: Edge, one: Source, pairs: Pairs) -> bool:
    wanted = set(zip(edge.child_columns, edge.parent_columns, strict=True))
    return edge.parent is one.facts and wanted <= set(pairs)


def _on(left: Source, right: Source, pairs: Pairs) -> str:
    return " AND ".join(f"{left.facts.name}.{a} = {right.facts.name}.{b}" for a, b in pairs)


def without_mere_parents(graph: Graph, mentioned: set[Source]) -> Graph:
    """A parent of which nothing but its key is named adds nothing to its one child: the child's column says as much.
    `mentioned`: sources that something else is tested or made of."""
    sources = list(graph.sources)
    changed = True
    while changed and len(sources) > 1:
        changed = False
        inside = graph.only(sources)
        for source in _mere_parents(inside, mentioned):
            sources.remove(source)
            changed = True
            break
    return graph.only(sources)


def _mere_parents(graph: Graph, mentioned: set[Source]) -> Iterator[Source]:
    for source in graph.sources:
        near = graph.neighbours(source)
        if len(near) != 1 or source in mentioned or source.role is Role.ABSENT:
            continue
        key = _own_key(near[0][0], source)
        joined = any(source in (join.left, join.right) for join in graph.value_joins)
        named = source.used | {test.spot.column for test in graph.tests[source]}
        if key and not joined and not source.whole and named <= key and not _forms(graph, source):
            yield source


def _own_key(tie: Tie, source: Source) -> set[str]:
    """The columns of the tie, if they find one row of `source`: two mentions of one row are each other's parents."""
    columns = set(tie.edge.parent_columns if tie.one is source else tie.edge.child_columns)
    return columns if tie.one is source or any(columns.issuperset(key) for key in source.facts.keys) else set()


def _forms(graph: Graph, source: Source) -> bool:
    """Tests that are not carried over to the child."""
    return any(test.spot.form or test.check not in _CARRIED for test in graph.tests[source])
