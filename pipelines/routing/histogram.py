"""Durations on a fixed logarithmic scale, so that those of many processes add up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

_LEAST_SECONDS = 1e-4
_A_DOUBLING = 4  # buckets; a quantile is told no more than 19 per cent too high
_MOST = 88  # the last one is for whatever lasts longer than 400 seconds


def bucket(seconds: float) -> int:
    if seconds <= _LEAST_SECONDS:
        return 0
    return min(math.ceil(math.log2(seconds / _LEAST_SECONDS) * _A_DOUBLING), _MOST)


def quantile(counts: Mapping[int, int], q: float) -> float | None:
    """The upper bound in seconds of the bucket that holds it; None where there is nothing."""
    left = max(1, math.ceil(sum(counts.values()) * q))
    for index in sorted(counts):
        left -= counts[index]
        if left <= 0:
            return _LEAST_SECONDS * math.pow(2, index / _A_DOUBLING)
    return None


def of_document(document: object) -> Counter[int]:
    """Raises ValueError where it is none."""
    if not isinstance(document, dict) or not all(isinstance(one, int) for one in document.values()):
        raise ValueError("no histogram")
    return Counter({int(index): count for index, count in document.items()})
