"""What has become of the commits, in plain numbers that only grow, for whoever watches them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.deliver.outcome import Delivered
from pipelines.dualwrite.waiting import Reason
from pipelines.target.write_verdict import Verdict

WAIT_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True)
class Counts:
    """Of this process. `commits`: those that touched items, and those that did not ask because the way was closed.
    `left_to_relay`: of them, those of which something was left, by the reason.

    Of items: `delivered`, `superseded` (by something newer) and `conflicts`, as the relay counts them. `waits`: commits
    by how long they waited, one number for each of WAIT_BOUNDS_SECONDS (up to it) and one for those beyond.
    """

    commits: int = 0
    delivered: int = 0
    superseded: int = 0
    conflicts: int = 0
    left_to_relay: Mapping[Reason, int] = field(default_factory=dict)
    waits: tuple[int, ...] = (0,) * (len(WAIT_BOUNDS_SECONDS) + 1)
    waited_seconds: float = 0.0


class Tally:
    """Of several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._left: Counter[Reason] = Counter()
        self._waits = [0] * (len(WAIT_BOUNDS_SECONDS) + 1)
        self._waited_seconds = 0.0

    def commit(self, left: Reason | None, waited_seconds: float | None = None) -> None:
        """`left`: why something of it was left to the relay."""
        with self._lock:
            self._counts["commits"] += 1
            if left is not None:
                self._left[left] += 1
            if waited_seconds is not None:
                self._waits[bisect_left(WAIT_BOUNDS_SECONDS, waited_seconds)] += 1
                self._waited_seconds += waited_seconds

    def items(self, delivered: Delivered) -> None:
        verdicts = [one.verdicts[0] for one in delivered.results if one.verdicts]
        with self._lock:
            self._counts["superseded"] += verdicts.count(Verdict.SUPERSEDED)
            self._counts["delivered"] += sum(one.settled and one is not Verdict.SUPERSEDED for one in verdicts)
            self._counts["conflicts"] += sum(Verdict.CONFLICT in one.verdicts for one in delivered.results)

    def snapshot(self) -> Counts:
        with self._lock:
            return Counts(
                **self._counts,
                left_to_relay=dict(self._left),
                waits=tuple(self._waits),
                waited_seconds=self._waited_seconds,
            )
