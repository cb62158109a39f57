"""A directed graph in layers, so that edges run from one layer to later ones: Sugiyama's method.

Cycles are broken (Eades, Lin and Smyth), layers are those of the longest path, edges over several layers are given a
place in each, and the order within a layer is that of the neighbours' means, the best of some sweeps. Equal graphs
give equal drawings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

N = TypeVar("N", bound=Hashable)

_SWEEPS = 12


@dataclass(frozen=True)
class Bend(Generic[N]):
    """Where an edge passes a layer in which it neither begins nor ends."""

    tail: N
    head: N
    layer: int


@dataclass(frozen=True)
class Layered(Generic[N]):
    """`layers`: from left to right, each from top to bottom; `routes`: of each pair of connected nodes, the earlier
    layer's first, what it passes, itself and the other included."""

    layers: tuple[tuple[N | Bend[N], ...], ...]
    routes: dict[tuple[N, N], tuple[N | Bend[N], ...]]


def layered(nodes: Sequence[N], edges: Iterable[tuple[N, N]], most: int) -> Layered[N]:
    """`most`: nodes of a layer, beside bends. Edges to a node itself are left out; the order of `nodes` decides
    wherever nothing else does."""
    ahead = _acyclic(nodes, edges)
    level = _levels(nodes, ahead, most)
    layers: list[list[N | Bend[N]]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for node in nodes:
        layers[level[node]].append(node)
    routes: dict[tuple[N, N], tuple[N | Bend[N], ...]] = {}
    for tail, head in ahead:
        bends = [Bend(tail, head, layer) for layer in range(level[tail] + 1, level[head])]
        for bend in bends:
            layers[bend.layer].append(bend)
        routes[tail, head] = (tail, *bends, head)
    ordered = _ordered(layers, [pair for route in routes.values() for pair in pairwise(route)])
    return Layered(tuple(map(tuple, ordered)), routes)


def _acyclic(nodes: Sequence[N], edges: Iterable[tuple[N, N]]) -> list[tuple[N, N]]:
    """Each pair of connected nodes once, without a cycle."""
    pairs = list(dict.fromkeys((tail, head) for tail, head in edges if tail != head))
    place = {node: number for number, node in enumerate(_feedback_order(nodes, pairs))}
    return list(dict.fromkeys(pair if place[pair[0]] < place[pair[1]] else (pair[1], pair[0]) for pair in pairs))


def _feedback_order(nodes: Sequence[N], pairs: Sequence[tuple[N, N]]) -> list[N]:
    """An order against which few edges run: sinks last, sources first, else who has most more heads than tails."""
    after: dict[N, set[N]] = {node: set() for node in nodes}
    before: dict[N, set[N]] = {node: set() for node in nodes}
    for tail, head in pairs:
        after[tail].add(head)
        before[head].add(tail)
    left = dict.fromkeys(nodes)
    first: list[N] = []
    last: list[N] = []
    while left:
        sink = next((node for node in left if not after[node]), None)
        source = next((node for node in left if not before[node]), None) if sink is None else None
        taken = sink if sink is not None else source
        if taken is None:
            taken = max(left, key=lambda node: len(after[node]) - len(before[node]))
        (first if sink is None else last).append(taken)
        del left[taken]
        for node in after.pop(taken):
            before[node].discard(taken)
        for node in before.pop(taken):
            after[node].discard(taken)
    return first + last[::-1]


def _levels(nodes: Sequence[N], edges: Sequence[tuple[N, N]], most: int) -> dict[N, int]:
    after: dict[N, list[N]] = defaultdict(list)
    for tail, head in edges:
        after[tail].append(head)
    order = _topological(nodes, edges)
    level = dict.fromkeys(nodes, 0)
    for node in order:
        for head in after[node]:
            level[head] = max(level[head], level[node] + 1)
    for node in reversed(order):  # nearer to those that it leads to
        if after[node]:
            level[node] = min(level[head] for head in after[node]) - 1
    return _split(nodes, level, most)


def _topological(nodes: Sequence[N], edges: Sequence[tuple[N, N]]) -> list[N]:
    waiting = dict.fromkeys(nodes, 0)
    after: dict[N, list[N]] = defaultdict(list)
    for tail, head in edges:
        waiting[head] += 1
        after[tail].append(head)
    ready = [node for node in nodes if not waiting[node]]
    for node in ready:  # grows meanwhile
        for head in after[node]:
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return ready


def _split(nodes: Sequence[N], level: dict[N, int], most: int) -> dict[N, int]:
    """A layer of more than `most` becomes several: no node of a layer is connected to another."""
    members: dict[int, list[N]] = defaultdict(list)
    for node in nodes:
        members[level[node]].append(node)
    parts = [list(part) for number in sorted(members) for part in _even(members[number], most)]
    return {node: number for number, part in enumerate(parts) for node in part}


def _even(members: Sequence[N], most: int) -> Iterator[Sequence[N]]:
    parts = -(-len(members) // most)
    length = -(-len(members) // parts)
    for start in range(0, len(members), length):
        yield members[start : start + length]


def _ordered(layers: list[list[N | Bend[N]]], pairs: list[tuple[N | Bend[N], N | Bend[N]]]) -> list[list[N | Bend[N]]]:
    back: dict[N | Bend[N], list[N | Bend[N]]] = defaultdict(list)
    ahead: dict[N | Bend[N], list[N | Bend[N]]] = defaultdict(list)
    for tail, head in pairs:
        back[head].append(tail)
        ahead[tail].append(head)
    best, fewest = layers, _crossings(layers, ahead)
    for sweep in range(_SWEEPS):
        layers = [*layers]
        neighbours = ahead if sweep % 2 else back
        for number in range(len(layers) - 1, -1, -1) if sweep % 2 else range(len(layers)):
            layers[number] = _by_means(layers, number, neighbours)
        crossings = _crossings(layers, ahead)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _by_means(
    layers: Sequence[Sequence[N | Bend[N]]], number: int, neighbours: dict[N | Bend[N], list[N | Bend[N]]]
) -> list[N | Bend[N]]:
    """Those without neighbours keep their place."""
    place = {node: where for layer in layers for where, node in enumerate(layer)}

    def mean(node: N | Bend[N]) -> float:
        found = neighbours.get(node)
        return sum(place[one] for one in found) / len(found) if found else float(place[node])

    return sorted(layers[number], key=mean)


def _crossings(layers: Sequence[Sequence[N | Bend[N]]], ahead: dict[N | Bend[N], list[N | Bend[N]]]) -> int:
    total = 0
    for layer, following in pairwise(layers):
        place = {node: where for where, node in enumerate(following)}
        ends = [where for node in layer for where in sorted(place[one] for one in ahead.get(node, ()))]
        total += sum(earlier > later for number, later in enumerate(ends) for earlier in ends[:number])
    return total
