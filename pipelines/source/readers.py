"""How many sessions read a snapshot at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pipelines.errors import UsageError
from pipelines.settings import optional

READERS = "CROSSOVER_READERS"
MAXIMUM = 16
UNASKED_MAXIMUM = 4  # each one keeps a core of the database server busy too


def reader_count(environment: Mapping[str, str] = os.environ) -> int:
    """CROSSOVER_READERS, 1 to 16; where it is not set, one for each core that this process may use, 4 at most.

    Raises UsageError, naming the variable.
    """
    text = optional(READERS, environment)
    if text is None:
        return min(len(os.sched_getaffinity(0)), UNASKED_MAXIMUM)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:3]) <= MAXIMUM:
        raise UsageError(f"{READERS}={text}: give a whole number from 1 to {MAXIMUM}")
    return int(text)
