"""Which differences a repair can be asked for."""

from __future__ import annotations

from pipelines.judging.verdict import Verdict

ASKABLE = (
    Verdict.MISMATCH,
    Verdict.MISSING,
    Verdict.STALE,
    Verdict.EXTRA,
    Verdict.AHEAD,
    Verdict.FOREIGN,  # left alone unless it is named
)
