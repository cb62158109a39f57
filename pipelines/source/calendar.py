"""PostgreSQL's ISO texts of dates and timestamps of any year, as microseconds since 1970 and back."""

from __future__ import annotations

import re
from datetime import date

from pipelines.items.source_type import Kind

DAY = 86_400_000_000

_EPOCH = date(1970, 1, 1).toordinal()
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400  # the Gregorian calendar repeats itself

FIRST = (date.min.toordinal() - _EPOCH) * DAY
LAST = (date.max.toordinal() - _EPOCH + 1) * DAY - 1
"""0001-01-01 and the last microsecond of 9999-12-31."""

# 4714-11-24 BC, 294277-01-01 and 5874898-01-01 (PostgreSQL, src/include/datatype/timestamp.h)
_LEAST = -2_440_588 * DAY
_BEYOND = {Kind.DATE: 2_145_042_906 * DAY, Kind.TIMESTAMP: 106_762_940 * DAY, Kind.TIMESTAMPTZ: 106_762_940 * DAY}
_INFINITE = ("infinity", "-infinity")

_TEXT = re.compile(
    r"(\d{4,7})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
    r"(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?"
    r"( BC)?",
    re.ASCII,
)


def instant_of(text: str, kind: Kind) -> int | None:
    """Microseconds since 1970 (of a timestamp without zone: as if in UTC); None where the text is none of `kind`."""
    match = _TEXT.fullmatch(text)
    if match is None or (match[4] is None) != (kind is Kind.DATE) or (match[8] is None) == (kind is Kind.TIMESTAMPTZ):
        return None
    year = 1 - int(match[1]) if match[9] else int(match[1])
    days = _days(year, int(match[2]), int(match[3]))
    clock = _clock(match)
    if days is None or clock is None or int(match[1]) == 0:
        return None
    return days * DAY + clock - _offset(match[8])


def is_stored(text: str, kind: Kind) -> bool:
    """Whether PostgreSQL has such a value, and this is a text of it; of a timestamp with time zone, in UTC."""
    instant = instant_of(text, kind)
    if instant is None or (kind is Kind.TIMESTAMPTZ and not text.removesuffix(" BC").endswith(("Z", "+00"))):
        return text in _INFINITE
    return _LEAST <= instant < _BEYOND[kind]


def text_of(instant: int, kind: Kind) -> str:
    """As PostgreSQL prints it in UTC."""
    days, clock = divmod(instant, DAY)
    cycles, ordinal = divmod(days + _EPOCH - 1, _CYCLE_DAYS)
    day = date.fromordinal(ordinal + 1)
    year = day.year + cycles * _CYCLE_YEARS
    text = f"{year if year > 0 else 1 - year:04d}-{day.month:02d}-{day.day:02d}"
    if kind is not Kind.DATE:
        seconds, micros = divmod(clock, 1_000_000)
        fraction = f".{micros:06d}".rstrip("0") if micros else ""
        text += f" {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
    if kind is Kind.TIMESTAMPTZ:
        text += "+00"
    return text if year > 0 else f"{text} BC"


def _days(year: int, month: int, day: int) -> int | None:
    cycles, within = divmod(year - 1, _CYCLE_YEARS)
    try:
        return date(within + 1, month, day).toordinal() + cycles * _CYCLE_DAYS - _EPOCH
    except ValueError:
        return None


def _clock(match: re.Match[str]) -> int | None:
    if match[4] is None:
        return 0
    hours, minutes, seconds = int(match[4]), int(match[5]), int(match[6])
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + int((match[7] or "").ljust(6, "0"))


def _offset(zone: str | None) -> int:
    if zone in (None, "Z"):
        return 0
    assert zone is not None
    digits = zone[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return seconds * 1_000_000 * (-1 if zone[0] == "-" else 1)
