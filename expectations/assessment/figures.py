"""Figures as a reader wants them: short, with a unit, and never more exact than they are."""

from __future__ import annotations

import math

from pipelines.assess.summary import told_bytes

UNKNOWN = "not known"

_STEPS = ((86_400, "days", 3), (3_600, "h", 2), (60, "min", 2))
"""Seconds of a unit, its name, and how many of it are wanted before it is used."""

_RATES = ((1, "/s"), (60, " a minute"), (3_600, " an hour"), (86_400, " a day"))


def size(count: float | None) -> str:
    return UNKNOWN if count is None else told_bytes(count)


def signed(count: int) -> str:
    return f"{count:+,}"


def signed_size(count: int) -> str:
    return f"{'-' if count < 0 else '+'}{told_bytes(abs(count))}"


def usd(amount: float | None) -> str:
    if amount is None:
        return UNKNOWN
    if 0 < amount < 0.01:
        return "under $0.01"
    return f"${amount:,.0f}" if amount >= 1_000 else f"${amount:,.2f}"


def share(part: float | None) -> str:
    if part is None:
        return UNKNOWN
    if part in (0, 1):
        return f"{part:.0%}"
    return "under 0.1%" if part < 0.001 else "over 99.9%" if part > 0.999 else f"{part:.1%}"


def number(value: float | None) -> str:
    """Three digits are enough for what is estimated; whole numbers are whole."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return str(value)
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.10f}".rstrip("0").rstrip(".") if abs(value) >= 1e-6 else f"{value:.1e}"


def rate(per_second: float) -> str:
    """`112/s`, or over a time in which there is at least one."""
    length, unit = next((step for step in _RATES if per_second * step[0] >= 1), _RATES[-1])
    return f"{number(per_second * length)}{unit}"


def duration(seconds: float) -> str:
    unit = next(((length, name) for length, name, least in _STEPS if seconds >= length * least), None)
    if unit is None:
        return "under 1 s" if 0 < seconds < 1 else f"{seconds:,.0f} s"
    length, name = unit
    return f"{number(float(f'{seconds / length:.2g}'))} {name}"


def named(name: str, value: float) -> str:
    """A figure of a warning's evidence: what its name ends with says what it is."""
    if name.endswith("bytes"):
        return size(value)
    if name.endswith("share"):
        return share(value)
    return number(value)
