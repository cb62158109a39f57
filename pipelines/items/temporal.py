"""Dates and timestamps as texts of fixed width, which sort as the times do, and as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_ZONE_AT = len("2026-11-24T08:55:13.123456")


def fixed_text(value: date) -> str:
    """`2026-11-24`, `2026-11-24T08:55:13.123456`, and with a `Z` where the value has a zone."""
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:_ZONE_AT] + "Z"


def day_text(value: date) -> str:
    """`2026-11-24`, the day in UTC."""
    return in_utc(value).date().isoformat() if isinstance(value, datetime) else value.isoformat()


def epoch_seconds(value: date) -> int:
    """Whole seconds since 1970-01-01 UTC, rounded down; a date is its midnight."""
    return _since_epoch(value) // _SECOND


def epoch_millis(value: date) -> int:
    return _since_epoch(value) // _MILLISECOND


def epoch_micros(value: date) -> int:
    return _since_epoch(value) // _MICROSECOND


def in_utc(value: datetime) -> datetime:
    """The same instant in UTC, without a zone."""
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _since_epoch(value: date) -> timedelta:
    if isinstance(value, datetime):
        return in_utc(value) - _EPOCH
    return timedelta(days=value.toordinal() - _EPOCH_DAY)
