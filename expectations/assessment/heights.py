"""Where the boxes of a layered drawing stand: near what they are connected to, none over another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from expectations.assessment.layers import Bend, Layered, N

_SWEEPS = 8


@dataclass
class _Block:
    """Boxes that touch, and move together: `wish` is the mean of where they would stand."""

    wish: float
    count: int


def tops(drawing: Layered[N], height: dict[N, float], gap: float, bend: float) -> dict[N | Bend[N], float]:
    """The upper edge of each, from 0. `gap`: between two boxes; `bend`: a bend's height, and what it keeps free."""
    tall = {one: height[one] if not isinstance(one, Bend) else bend for layer in drawing.layers for one in layer}
    near: dict[N | Bend[N], list[N | Bend[N]]] = defaultdict(list)
    for route in drawing.routes.values():
        for tail, head in pairwise(route):
            near[tail].append(head)
            near[head].append(tail)
    middle: dict[N | Bend[N], float] = {}
    for layer in drawing.layers:
        for one, top in zip(layer, _placed(layer, tall, (gap, bend), [0.0] * len(layer)), strict=True):
            middle[one] = top + tall[one] / 2
    for sweep in range(_SWEEPS):
        for layer in drawing.layers if sweep % 2 == 0 else drawing.layers[::-1]:
            wishes = [_mean([middle[other] for other in near[one]] or [middle[one]]) - tall[one] / 2 for one in layer]
            for one, top in zip(layer, _placed(layer, tall, (gap, bend), wishes), strict=True):
                middle[one] = top + tall[one] / 2
    edges = {one: at - tall[one] / 2 for one, at in middle.items()}
    highest = min(edges.values(), default=0.0)
    return {one: round(at - highest, 1) for one, at in edges.items()}


def _placed(
    layer: Sequence[N | Bend[N]], tall: dict[N | Bend[N], float], gaps: tuple[float, float], wishes: Sequence[float]
) -> list[float]:
    """In this order, none over another, as near to the wishes as that goes: by least squares (pool adjacent
    violators)."""
    offsets = [0.0]
    for one, following in pairwise(layer):
        is_bend = isinstance(one, Bend) or isinstance(following, Bend)
        offsets.append(offsets[-1] + tall[one] + gaps[is_bend])
    blocks: list[_Block] = []
    for wish, offset in zip(wishes, offsets, strict=False):
        blocks.append(_Block(wish - offset, 1))
        while len(blocks) > 1 and blocks[-2].wish > blocks[-1].wish:
            last = blocks.pop()
            count = blocks[-1].count + last.count
            blocks[-1] = _Block((blocks[-1].wish * blocks[-1].count + last.wish * last.count) / count, count)
    shifts = [block.wish for block in blocks for _ in range(block.count)]
    return [shift + offset for shift, offset in zip(shifts, offsets, strict=False)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
