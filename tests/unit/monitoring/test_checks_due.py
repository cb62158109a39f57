"""How far a schedule's runs are apart, and the alarm that is made of it."""

from __future__ import annotations

import pytest

from pipelines.mapping.checks_model import Checks
from pipelines.monitoring.alarms import Watched, alarms, not_watched
from pipelines.monitoring.checks_due import longest_gap_hours

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("0 2 * * *", 24),
        ("*/15 * * * *", 0.25),
        ("0 */6 * * *", 6),
        ("0 9-17 * * *", 16),
        ("0 2 * * mon-fri", 72),
        ("30 2,14 * * *", 12),
        ("0 0 * * 7", 168),
        ("0 0 * * 0", 168),
        ("0 0 1 * *", 744),
        ("0 0 1 * mon", 168),  # the first of the month, and each Monday
        ("0 0 31 * *", 61 * 24),
        ("0 0 29 FEB *", 1461 * 24),
        ("0 0 30 2 *", None),
        ("0 0 L * *", None),
        ("0 25 * * *", None),
        ("0 5-3 * * *", None),
        ("*/0 * * * *", None),
        ("*/-1 * * * *", None),
        ("0 */-1 * * *", None),
    ],
)
def test_the_longest_gap(cron: str, hours: float | None) -> None:
    assert longest_gap_hours(cron) == hours


@pytest.mark.parametrize(("cron", "hours"), [("0 2 * * *", 26), ("*/15 * * * *", 3), ("0 2 * * mon-fri", 74)])
def test_a_check_may_be_two_hours_late(cron: str, hours: int) -> None:
    (alarm,) = (one for one in alarms(Checks(schedule=cron)) if one.watched is Watched.CHECK_MISSING)
    assert (alarm.period_seconds, alarm.periods) == (3600, hours)


@pytest.mark.parametrize(
    ("cron", "why"),
    [(None, "has no checks.schedule"), ("0 0 1 * *", "looks back seven days"), ("0 0 L * *", "cannot be read")],
)
def test_a_check_that_cannot_be_missed_is_said(cron: str | None, why: str) -> None:
    checks = Checks(schedule=cron)
    assert why in (not_watched(checks) or "")
    assert all(one.watched is not Watched.CHECK_MISSING for one in alarms(checks))


def test_cloudwatch_takes_all_of_them() -> None:
    """It looks back seven days at most, one where a period is shorter than an hour."""
    for alarm in alarms(Checks(schedule="0 2 */5 * *"), relay_minutes=24 * 60):
        assert alarm.period_seconds % 60 == 0
        assert alarm.period_seconds * alarm.periods <= (604_800 if alarm.period_seconds >= 3600 else 86_400)
        assert len(alarm.parameters("m" * 63)["AlarmName"]) <= 255


def test_where_only_drains_are_run_no_relay_is_missed() -> None:
    watched = {one.watched for one in alarms(Checks(schedule="0 2 * * *"), relay_minutes=0)}
    assert watched == set(Watched) - {Watched.NO_RELAY}
