"""What the processes of this benchmark tell each other, a JSON object on a line."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Sent:
    items: int
    cpu_seconds: float


@dataclass(frozen=True)
class Served:
    requests: int
    items: int
    sampled: int
    wrong: int  # sampled items that are not as they should be, and answers that could not be given


def say(said: Sent | Served) -> None:
    sys.stdout.write(json.dumps(asdict(said)) + "\n")
    sys.stdout.flush()


def say_cost(send: Callable[[], int]) -> None:
    """`send` returns the number of items."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    items = send()
    after = resource.getrusage(resource.RUSAGE_SELF)
    say(Sent(items, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
