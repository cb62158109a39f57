"""Gates about what lies in the warehouse: the backfill, and the last verifications."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipelines.cutover.evidence import Captured, Evidence, Unknown, Unread, Verifications, Verified
from pipelines.cutover.gate import Gate, command, judged, unknown
from pipelines.cutover.thresholds import Thresholds
from pipelines.monitoring.alarms import LATE_HOURS

LEDGER = "ledger"


def backfilled(evidence: Evidence, _: Thresholds) -> Gate:
    name, found = "backfilled", evidence.backfilled
    stages = [command(evidence, stage) for stage in ("snapshot", "records", "backfill")]
    remedy = f"run {stages[0]}, {stages[1]} and {stages[2]}"
    if isinstance(found, Unknown):
        return unknown(name, found, remedy)
    problems = []
    if found.mapping_hash != evidence.mapping_hash:
        problems.append(f"backfill {found.run_id} was made with another mapping")
    if found.of_records is None:
        problems.append(f"the records of backfill {found.run_id} are gone: whether it was whole cannot be told")
    elif found.records < found.of_records:
        problems.append(f"backfill {found.run_id} is of {found.records:,} of {found.of_records:,} records")
    problems += _of_another_epoch(evidence, f"backfill {found.run_id}", found.epoch)
    if found.failed:
        problems.append(f"{found.failed:,} records failed")
    if found.conflicts:
        problems.append(f"{found.conflicts:,} records met items that are not Crossover's")
    return judged(
        name,
        problems,
        f"backfill {found.run_id}: {found.records:,} records",
        remedy,
        {"records": found.records, "failed": found.failed, "conflicts": found.conflicts},
    )


def verified(evidence: Evidence, thresholds: Thresholds) -> Gate:
    """The last verifications, whoever made them, are good: `Thresholds.verifications` of them in a row."""
    return _verified(evidence, thresholds, since=None)


def verified_since(evidence: Evidence, thresholds: Thresholds) -> Gate:
    """As `verified`, and all of them were begun after the state was entered that the migration is in."""
    return _verified(evidence, thresholds, since=evidence.state_since)


def _verified(evidence: Evidence, thresholds: Thresholds, since: datetime | None) -> Gate:
    name, found, wanted = "verified", evidence.verifications, thresholds.verifications
    remedy = f"run {command(evidence, 'verify')}"
    if isinstance(found, Unknown):
        return unknown(name, found, remedy)
    good, problems = _series(evidence, found, _apart(evidence, thresholds), since, wanted)
    if found.unfinished:
        problems.insert(0, f"verification {found.unfinished[-1]} was begun and has not finished")
    newest = found.runs[-1] if found.runs else None
    if isinstance(newest, Verified) and newest.began_at is not None:
        age = evidence.at - newest.began_at
        if age > timedelta(hours=thresholds.max_age_hours):
            problems.append(
                f"the newest is {age / timedelta(hours=1):,.0f} h old, {thresholds.max_age_hours:g} allowed"
            )
        elif age < -timedelta(minutes=5):
            problems.append("the newest is of a time to come: look at the clocks")
    counted = min(len(good), wanted)
    if counted < wanted:
        told = " since this state was entered" if since is not None else ""
        problems.insert(0, f"{counted} of {wanted} good verifications in a row{told}")
    last = good[0].run_id if good else ""
    numbers: dict[str, int | float] = {
        "in_a_row": len(good),
        "wanted": wanted,
        "max_age_hours_allowed": thresholds.max_age_hours,
    }
    if good:
        numbers |= {
            "items": good[0].items,
            "age_hours": round((evidence.at - good[0].finished_at).total_seconds() / 3600, 1),
        }
    return judged(name, problems, f"{wanted} good verifications in a row, the last {last}", remedy, numbers)


def _series(
    evidence: Evidence, found: Verifications, apart: timedelta, since: datetime | None, wanted: int
) -> tuple[list[Verified], list[str]]:
    """The good ones, newest first, each of a snapshot and a dump that none of the others has, until one that is not
    good; and why it ended there, unless that is enough of them."""
    good: list[Verified] = []
    later: Verified | None = None
    for run in reversed(found.runs):
        if len(good) >= wanted:
            return good, []
        against = _against(evidence, run, since)
        if against:
            return good, [against]
        assert isinstance(run, Verified)
        if later is not None and _began(later) - _began(run) > apart:
            hours = apart / timedelta(hours=1)
            return good, [f"between {run.run_id} and {later.run_id} lie more than {hours:g} h: a night was missed"]
        later = run
        if not any(run.snapshot_id == one.snapshot_id or run.dump_id == one.dump_id for one in good):
            good.append(run)
    return good, []


def _against(evidence: Evidence, run: Verified | Unread, since: datetime | None) -> str:
    """Why it is no good verification; "" where it is one."""
    if isinstance(run, Unread):
        return f"{run.run_id} cannot be read: {run.why}"
    judgements: tuple[tuple[bool, str], ...] = (
        (run.mapping_hash != evidence.mapping_hash, "was made with another mapping"),
        (not run.consistent, f"found the stores not consistent ({'; '.join(run.reasons) or 'no reason is kept'})"),
        (run.coverage < 1, f"compared {run.coverage:.0%} of the buckets"),
        (run.mode != LEDGER, "went without the ledger's versions"),
        (run.items == 0, "compared nothing"),
        (run.began_at is None, "does not tell when its snapshot was taken"),
    )
    told = next((said for is_so, said in judgements if is_so), "")
    if not told and (epoch := _of_another_epoch(evidence, "it", run.epoch)):
        told = epoch[0].removeprefix("it ")
    if not told and since is not None and _began(run) <= since:
        told = "was begun before this state was entered"
    return f"{run.run_id} {told}" if told else ""


def _of_another_epoch(evidence: Evidence, what: str, epoch: int | None) -> list[str]:
    captured = evidence.captured
    if epoch is None:
        return [f"{what} does not tell its epoch"]
    if not isinstance(captured, Captured) or captured.epoch is None:
        return [f"{what} is of epoch {epoch}, that of the source is not known"]
    return [] if epoch == captured.epoch else [f"{what} is of epoch {epoch}, the source is in epoch {captured.epoch}"]


def _began(run: Verified) -> datetime:
    assert run.began_at is not None
    return run.began_at


def _apart(evidence: Evidence, thresholds: Thresholds) -> timedelta:
    nights = 0.0 if evidence.nights_apart_hours is None else evidence.nights_apart_hours + LATE_HOURS
    return timedelta(hours=max(thresholds.max_age_hours, nights))
