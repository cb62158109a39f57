"""What somebody is to be told of a migration, and what tells it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

News = Mapping[str, str]
"""One JSON object: migration, job, event and message; dagster_run_id, run_id and report where there are such. It has
no value and no key of a row."""


class Event(StrEnum):
    FAILED = "failed"  # a run, or its verdict could not be looked up
    INCONSISTENT = "inconsistent"  # a verification found the stores unequal
    MISSED = "missed"  # the nightly verification has not ended by its time
    RECOVERED = "recovered"  # what was one of these is good again


class Channel(Protocol):
    """Shared by threads."""

    def tell(self, news: News) -> None:
        """Tries again where that can help, and has an end within 40 seconds: the daemon waits for a sensor for 60.
        Raises CrossoverError, in one line and without an address that is a secret."""
