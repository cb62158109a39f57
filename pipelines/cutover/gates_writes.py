"""Gates about writes: the groups' masters, fences and guards, and the relay from DynamoDB to the source."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.cutover.evidence import Evidence, GroupPhase, Unknown
from pipelines.cutover.gate import Gate, Rule, command, judged, unknown
from pipelines.cutover.states import State
from pipelines.cutover.thresholds import Thresholds
from pipelines.source.ledger.masters import Phase


def none_fenced(evidence: Evidence, _: Thresholds) -> Gate:
    """No switch is under way, or was killed."""
    return _every_group(
        "none_fenced",
        evidence,
        lambda group: ["is fenced: a switch is under way, or was killed"] if group.fenced else [],
    )


def writes_ready(evidence: Evidence, _: Thresholds) -> Gate:
    """Every group whose master RDS is has what the switch needs: capture, versions, items that can be written back."""
    return _every_group("writes_ready", evidence, lambda group: group.missing if group.phase is Phase.RDS_FIRST else ())


def writes_whole(evidence: Evidence, _: Thresholds) -> Gate:
    """Every group is as its phase asks for: guards in the source, the mirror that applications obey."""
    return _every_group("writes_whole", evidence, lambda group: group.problems)


def at_phase(*phases: Phase) -> Rule:
    def rule(evidence: Evidence, _: Thresholds) -> Gate:
        return _every_group(
            f"writes_at_{phases[0]}",
            evidence,
            lambda group: [] if group.phase in phases else [f"is at {group.phase}"],
        )

    return rule


def kept_up(evidence: Evidence, thresholds: Thresholds) -> Gate:
    """Every group is at dynamodb_first. A step to dynamodb_only that was killed has moved some of them: it goes on."""
    moved = (Phase.DYNAMODB_ONLY,) if evidence.moving is State.DYNAMODB_ONLY else ()
    return at_phase(Phase.DYNAMODB_FIRST, *moved)(evidence, thresholds)


def _every_group(name: str, evidence: Evidence, against: Callable[[GroupPhase], tuple[str, ...] | list[str]]) -> Gate:
    found, remedy = evidence.writes, f"{command(evidence, 'writes')} shows the groups, and what to do"
    if isinstance(found, Unknown):
        return unknown(name, found, remedy)
    problems = [f"{group.name} {told}" for group in found.groups for told in against(group)]
    if not found.groups:
        problems.append("there is no group")
    return judged(name, problems, f"{len(found.groups):,} groups", remedy, {"groups": len(found.groups)})


def reverse_running(evidence: Evidence, _: Thresholds) -> Gate:
    name, found = "reverse_running", evidence.reverse
    remedy = f"start {command(evidence, 'relay', '--reverse')}"
    if isinstance(found, Unknown):
        return unknown(name, found, remedy)
    return judged(name, [] if found.running else ["no reverse relay is at work"], "a reverse relay is at work", remedy)


def reverse_in_step(evidence: Evidence, _: Thresholds) -> Gate:
    """What is written in DynamoDB reaches the source's rows within the mapping's limit, and nothing waits."""
    name, found, limit = "reverse_in_step", evidence.reverse, evidence.lag_limit_seconds
    start = f"start {command(evidence, 'relay', '--reverse')}"
    if isinstance(found, Unknown):
        return unknown(name, found, start)
    problems = [] if found.running else ["no reverse relay is at work"]
    if found.lag_seconds is None:
        problems.append("the reverse relay has never caught up")
    elif found.lag_seconds > limit:
        problems.append(f"it is {found.lag_seconds:,.0f} s behind, {limit:,} allowed")
    if found.waiting:
        problems.append(f"{found.waiting:,} items wait to be applied, {found.set_apart:,} of them are set apart")
    if found.resync is not None:
        problems.append(f"a resync is due: {found.resync}")
    lag = round(found.lag_seconds or 0.0, 1)
    if found.resync is not None:
        remedy = f"run {command(evidence, 'relay', '--reverse', '--resync')}"
    else:
        remedy = f"{command(evidence, 'relay', '--reverse', '--status')} says why" if found.running else start
    return judged(
        name,
        problems,
        f"{lag:,.1f} s behind, nothing waits",
        remedy,
        {"lag_seconds": lag, "waiting": found.waiting, "set_apart": found.set_apart},
    )
