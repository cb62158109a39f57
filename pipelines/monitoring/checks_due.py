"""How long a schedule's runs are apart at most, by its cron line: what tells a check that is late from one that is due.

A day matches where month, day of the month and day of the week do; where both kinds of day are restricted, one of them
is enough, as cron has it. Changes of a time zone's clock, an hour, are left to the caller's allowance.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIRST_DAY, _LAST_DAY = date(2024, 1, 1), date(2028, 12, 31)  # a leap year's last day of February comes twice
_MINUTES_OF_A_DAY = 24 * 60


def longest_gap_hours(cron: str) -> float | None:
    """None where the line cannot be read (names and numbers, `*`, lists, ranges and steps can), or never comes."""
    try:
        minutes, hours, days, months, weekdays = _fields(cron)
    except ValueError:
        return None
    times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    any_day, any_weekday = (field.startswith("*") for field in (cron.split()[2], cron.split()[4]))

    def runs_on(day: date) -> bool:
        by_day, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        either = by_day and by_weekday if any_day or any_weekday else by_day or by_weekday
        return day.month in months and either

    dates = [day for day in _all_days() if runs_on(day)]
    if len(dates) < 2:
        return None
    between_days = max(later - earlier for earlier, later in pairwise(dates)).days * _MINUTES_OF_A_DAY
    return max(between_days + times[0] - times[-1], *(later - earlier for earlier, later in pairwise(times)), 0) / 60


def _all_days() -> list[date]:
    return [_FIRST_DAY + timedelta(days=n) for n in range((_LAST_DAY - _FIRST_DAY).days + 1)]


def _fields(cron: str) -> tuple[set[int], set[int], set[int], set[int], set[int]]:
    minute, hour, day, month, weekday = cron.lower().split()
    return (
        _values(minute, 0, 59),
        _values(hour, 0, 23),
        _values(day, 1, 31),
        _values(month, 1, 12, _MONTHS),
        {value % 7 for value in _values(weekday, 0, 7, _DAYS)},  # 7 is Sunday, too
    )


def _values(field: str, least: int, greatest: int, names: Sequence[str] = ()) -> set[int]:
    """Raises ValueError."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = least, greatest
        else:
            start = _number(first, least, names)
            end = _number(last, least, names) if dash else greatest if slash else start
        if not least <= start <= end <= greatest:
            raise ValueError(field)
        found |= set(range(start, end + 1, int(step) if slash else 1))
    if not found:  # of a step below 0
        raise ValueError(field)
    return found


def _number(text: str, least: int, names: Sequence[str]) -> int:
    return names.index(text) + least if text in names else int(text)
