"""Gates about the source: that it was looked at, that its changes are captured, and that they are delivered."""

from __future__ import annotations

from pipelines.cutover.evidence import Evidence, Unknown
from pipelines.cutover.gate import Gate, command, judged, unknown
from pipelines.cutover.thresholds import Thresholds


def assessed(evidence: Evidence, _: Thresholds) -> Gate:
    found = evidence.assessed
    if isinstance(found, Unknown):
        return unknown("assessed", found, "make an assessment")
    return Gate("assessed", True, f"assessment {found.place} of {found.at:%Y-%m-%d}")


def mapping_fits(evidence: Evidence, _: Thresholds) -> Gate:
    found = evidence.fits
    if isinstance(found, Unknown):
        return unknown("mapping_fits", found, f"{command(evidence, 'check')} lists what is wrong")
    return Gate(
        "mapping_fits", True, f"{len(found.item_types):,} item types", "", {"item_types": len(found.item_types)}
    )


def capture_whole(evidence: Evidence, _: Thresholds) -> Gate:
    """On, without a gap, for this mapping, in the warehouse's epoch: what `capture status` says."""
    name, found = "capture_whole", evidence.captured
    if isinstance(found, Unknown):
        return unknown(name, found, f"run {command(evidence, 'capture', 'status')}")
    if found.state == "absent":
        return Gate(name, False, "capture is not installed", f"run {command(evidence, 'capture', 'install')}")
    more = f", and {len(found.gaps) - 1:,} more" if len(found.gaps) > 1 else ""
    problems = ["capture is off"] if found.state != "on" else []
    problems += [f"{found.gaps[0]}{more}"] if found.gaps else []
    return judged(
        name,
        problems,
        f"epoch {found.epoch}, {found.tables:,} tables",
        f"{command(evidence, 'capture', 'status')} lists what is wrong, and what mends it",
        {"gaps": len(found.gaps), "tables": found.tables, **({} if found.epoch is None else {"epoch": found.epoch})},
    )


def all_captured(evidence: Evidence, _: Thresholds) -> Gate:
    """Every item type: what no ledger captures cannot be handed over."""
    name, found = "all_captured", evidence.captured
    if isinstance(found, Unknown):
        return unknown(name, found, f"run {command(evidence, 'capture', 'status')}")
    problems = [f"{item_type} has no ledger: {why}" for item_type, why in found.blind]
    if found.state != "on":
        problems.append("capture is not on")
    return judged(
        name,
        problems,
        "every item type is captured by the ledger",
        "map them from tables, or leave their writes in RDS",
    )


def ledger_in_step(evidence: Evidence, _: Thresholds) -> Gate:
    """What is written in RDS reaches DynamoDB within the mapping's limit, and nothing is set apart."""
    name, found, limit = "ledger_in_step", evidence.ledger, evidence.lag_limit_seconds
    if isinstance(found, Unknown):
        return unknown(name, found, f"run {command(evidence, 'relay', '--status')}")
    problems = []
    if found.oldest_seconds > limit:
        problems.append(f"the oldest change waits for {found.oldest_seconds:,.0f} s, {limit:,} allowed")
    if found.set_apart:
        problems.append(f"{found.set_apart:,} items are set apart")
    if found.paused:
        problems.append("deliveries are paused")
    return judged(
        name,
        problems,
        f"{found.undelivered:,} undelivered, for {found.oldest_seconds:,.1f} s at most",
        f"run {command(evidence, 'relay', '--resume')}"
        if found.paused
        else f"{command(evidence, 'relay', '--status')} says why; start {command(evidence, 'relay')}",
        {
            "undelivered": found.undelivered,
            "marks": found.marks,
            "oldest_seconds": round(found.oldest_seconds, 1),
            "set_apart": found.set_apart,
        },
    )
