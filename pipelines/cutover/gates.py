"""Which gates stand before which state. None is passed by evidence that is missing."""

from __future__ import annotations

from pipelines.cutover.evidence import Evidence
from pipelines.cutover.gate import Gate, Rule
from pipelines.cutover.gates_reads import reads_moved, reads_shadowed
from pipelines.cutover.gates_runs import backfilled, verified, verified_since
from pipelines.cutover.gates_source import all_captured, assessed, capture_whole, ledger_in_step, mapping_fits
from pipelines.cutover.gates_writes import (
    at_phase,
    kept_up,
    none_fenced,
    reverse_in_step,
    reverse_running,
    writes_ready,
    writes_whole,
)
from pipelines.cutover.states import State
from pipelines.cutover.thresholds import Thresholds
from pipelines.source.ledger.masters import Phase

_LEFT = at_phase(Phase.DYNAMODB_ONLY, Phase.DYNAMODB_FIRST)

RULES: dict[State, tuple[Rule, ...]] = {
    State.ASSESSED: (assessed, mapping_fits),
    State.CAPTURED: (mapping_fits, capture_whole),
    State.BACKFILLED: (capture_whole, backfilled, ledger_in_step),
    State.VERIFIED: (capture_whole, ledger_in_step, verified),
    State.READS_SHADOWED: (capture_whole, ledger_in_step, verified, reads_shadowed),
    State.READS_MOVED: (capture_whole, ledger_in_step, verified, reads_moved),
    State.DYNAMODB_FIRST: (
        capture_whole,
        all_captured,
        none_fenced,
        writes_whole,
        writes_ready,
        ledger_in_step,
        verified,
        reads_moved,
        reverse_running,
    ),
    State.DYNAMODB_ONLY: (
        capture_whole,
        kept_up,
        none_fenced,
        writes_whole,
        reverse_in_step,
        verified_since,
        reads_moved,
    ),
    State.DECOMMISSIONED: (capture_whole, _LEFT, none_fenced, writes_whole, reverse_running, reads_moved),
}


def gates_before(state: State, evidence: Evidence, thresholds: Thresholds) -> tuple[Gate, ...]:
    return tuple(rule(evidence, thresholds) for rule in RULES[state])
