"""The closed set of verdicts on one key."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The names are those of `Verdicts` and stand in the differences dataset."""

    MATCH = "match"
    ACCEPTED = "accepted"
    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    MISMATCH = "mismatch"
    MISSING = "missing"
    STALE = "stale"
    EXTRA = "extra"
    AHEAD = "ahead"
    FOREIGN = "foreign"
    UNMAPPED = "unmapped"
    REJECTED = "rejected"
    EXPIRED = "expired"


WRONG = (
    Verdict.MISMATCH,
    Verdict.MISSING,
    Verdict.STALE,
    Verdict.EXTRA,
    Verdict.AHEAD,
    Verdict.FOREIGN,
    Verdict.UNMAPPED,
)
"""One of these, and the stores are not consistent."""

UNDECIDED = (Verdict.PENDING, Verdict.IN_FLIGHT)
"""One of these, and they are not known to be."""
