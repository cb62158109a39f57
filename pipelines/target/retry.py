"""How long and how often to try again: exponential, with full jitter, bounded.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """`attempts` in a row without any progress, about 40 seconds of waiting with these values."""

    attempts: int = 12
    first_delay_seconds: float = 0.05
    longest_delay_seconds: float = 20.0

    def delay_seconds(self, failures: int, random_number: random.Random) -> float:
        """How long to wait after the `failures`-th failure in a row, 1 for the first."""
        ceiling = min(self.longest_delay_seconds, self.first_delay_seconds * 2 ** (failures - 1))
        return random_number.uniform(0.0, ceiling)
