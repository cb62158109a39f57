"""What a seed draws for one disturbed backfill: which mode, which faults, and when it is killed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults import Fault

MODES = ("cold", "live")


@dataclass(frozen=True)
class Kill:
    """SIGKILL `seconds` after so many requests of an attempt, or after so many buckets that it has finished."""

    requests: int | None
    accounts: int | None
    seconds: float


@dataclass(frozen=True)
class BackfillPlan:
    """`share`: of the requests that meet a fault. `written_before`: so many newer items are in the tables when a live
    one begins."""

    mode: str
    share: float
    faults: tuple[Fault, ...]
    kills: tuple[Kill, ...]
    written_before: int


def drawn(seed: int, items: int, buckets: int) -> BackfillPlan:
    """The same for the same seed. `items`: about so many are to be written."""
    dice = random.Random(f"backfill {seed}")
    return BackfillPlan(
        mode=dice.choices(MODES, (1, 2))[0],
        share=dice.uniform(0.05, 0.3),
        faults=tuple(dice.sample(tuple(Fault), dice.randint(5, len(Fault)))),
        kills=tuple(_kill(dice, items, buckets) for _ in range(dice.choice((1, 1, 2, 3)))),
        written_before=dice.choice((0, 5, items // 25)),
    )


def _kill(dice: random.Random, items: int, buckets: int) -> Kill:
    seconds = dice.choice((0.0, 0.0, dice.uniform(0.0, 0.05)))
    if dice.random() < 0.3:
        return Kill(None, dice.randint(1, buckets), seconds)
    return Kill(dice.randint(1, items // 40), None, seconds)
