"""One query in one process: which stage a call falls under, and what is counted of it. Shared by both forms of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipelines.routing.counters import Counters
from pipelines.routing.options import Options
from pipelines.routing.stage import Setting, Stage, in_share
from pipelines.routing.stages import Stages


@dataclass(frozen=True)
class Asked:
    name: str
    options: Options
    stages: Stages
    counters: Counters
    clock: Callable[[], float] = time.monotonic
    random: random.Random = field(default_factory=random.Random)

    def stage(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Stage:
        """Of this call. Calls outside of the share of `canary` are shadow calls, so that evidence stays fresh; those
        outside of the shadow share ask RDS alone."""
        setting = self.stages.of(self.name)
        if setting.stage in (Stage.RDS, Stage.DYNAMODB):
            return setting.stage
        if setting.stage is Stage.CANARY and self._is_chosen(setting, arguments, named):
            return Stage.CANARY
        if setting.shadow_share == 1 or self.random.random() < setting.shadow_share:
            return Stage.SHADOW
        return Stage.RDS

    def is_noise(self) -> bool:
        return self.random.random() < self.options.noise

    def candidate_first(self) -> bool:
        return self.random.random() < 0.5

    def answered(self, whose: str, seconds: float, *counts: str) -> None:
        self.counters.add(self.name, f"{whose}_answers", *counts, durations=((whose, seconds),))

    def count(self, *counts: str) -> None:
        self.counters.add(self.name, *counts)

    def compare(self, pair: str, rds: Any, other: Any) -> None:
        self.counters.compared(self.name, pair, self.options.differences(rds, other))

    def _is_chosen(self, setting: Setting, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
        if self.options.key is None:
            return self.random.random() < setting.share
        try:
            return in_share(self.options.key(*arguments, **named), setting.share)
        except Exception:  # a key that cannot be told must not fail the call
            self.count("key_errors")
            return False
