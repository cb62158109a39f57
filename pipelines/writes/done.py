"""What came of a switch's steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """`blocked_seconds`: for how long neither store took the group's writes, None where it was never fenced."""

    blocked_seconds: float | None
    notes: tuple[str, ...] = ()
