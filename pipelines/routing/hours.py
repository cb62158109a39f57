"""The hours that counts are kept by, as the control table's keys name them: `2026-11-29T17`, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def hour_name(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H")


def hour_begin(name: str) -> datetime:
    """Raises ValueError where it names no hour. Without strptime, which imports a module when it is first called: see
    lifetime.py."""
    found = datetime.fromisoformat(f"{name}:00+00:00")
    if hour_name(found) != name:
        raise ValueError(name)
    return found


def hours_back(kind: str, now: datetime, hours: int) -> tuple[str, str]:
    """The first and the last sort key of rows of that kind, of this hour and those before it, `hours` in all."""
    return f"{kind}#{hour_name(now - timedelta(hours=hours - 1))}", f"{kind}#{hour_name(now)}~"
