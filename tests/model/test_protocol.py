"""The protocol of docs/protocol.md holds in every state of every scenario, and each of its rules is needed."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.model import scenarios as s
from tests.model.rules import ALL, Rules, without
from tests.model.scenario import Scenario
from tests.torture import TORTURE

pytestmark = pytest.mark.unit

MOST_STATES = 300_000
"""Of a scenario in `make torture`: half a gigabyte."""

NEEDED = (
    ("both_roots", s.CHILDREN, "a child that moves has an old root and a new one"),
    ("old_keys_in_log", s.REINSERT, "a row that only backfill has put is deleted"),
    ("old_keys_in_log", s.KEY_MOVE_BACKFILL, "a row that only backfill has put moves"),
    ("expand_after_commit", s.EMBEDDED_PARENT, "fan-out race"),
    ("expand_in_one_transaction", s.EMBEDDED_PARENT, "mark after crash"),
    ("capture_always", s.REPLICA_ROLE, "replica role"),
    ("snapshot_after_capture", s.INSTALL, "half-installed capture"),
    ("deliver_after_capture", s.TOO_HIGH_REINSTALL, "delivery while capture is half installed"),
    ("new_epoch", s.REINSTALL, "reinstall"),
    ("epoch_above_touched", s.TOO_HIGH_REINSTALL, "a touched version above the next epoch's, late"),
    ("mapping_compared", s.UPGRADE, "mapping upgrade"),
    ("compact_in_one_transaction", s.ONE_ORDER, "version dips while log rows are folded"),
    ("one_snapshot", s.ONE_ORDER, "version newer than the state: lost update"),
    ("newer_wins", s.BACKFILL, "backfill clobbers"),
    ("condition_names_partition_key", s.FOREIGN_ITEM, "foreign item"),
    ("refusals_judged", s.FOREIGN_ITEM, "refused is not delivered"),
    ("above_the_ledger_is_conflict", s.TOO_HIGH, "too-high version"),
    ("equal_version_judged_again", s.STALE_PARENT, "equal version, other content, while a mark is open"),
    ("old_keys_tombstoned", s.KEY_MOVE, "the old key stays"),
    ("key_at_delivery", s.KEY_MOVE, "key-change race"),
    ("wait_for_tombstone", s.TWO_HOLDERS, "the former holder's tombstone falls on the next one's item"),
    ("tombstones_despite_waiting", s.SWAP, "two rows that swap keys wait for each other"),
    ("holder_asked", s.UNCAPTURED_HOLDER, "a holder that nobody will deliver"),
    ("takeover_raises", s.TWO_HOLDERS, "two rows holding one key over time"),
    ("tombstone_over_tombstone", s.TWO_HOLDERS_SWEEP, "another row's tombstone is swept over a request under way"),
    ("holder_raised", s.LONGER_LIVED, "an older row's late put over a younger row's tombstone"),
    ("backfill_hands_over", s.UNCAPTURED_HOLDER, "backfill meets a held key"),
    ("keys_dropped_if_same", s.KEYS_DROPPED, "moved, back, and moved again"),
    ("mark_what_was_read", s.ONE_ORDER, "marking current loses an update"),
    ("timeout_is_unknown", s.ONE_ORDER, "timeout taken for success"),
    ("deadline", s.SWEEP, "a relay that slept through its lease, after a sweep"),
    ("tombstone", s.BACKFILL, "delete without a tombstone"),
    ("tombstone_where_absent", s.BACKFILL, "no tombstone where backfill has not been yet"),
    ("sweep_exact", s.SWEEP, "sweep takes a live item"),
    ("sweep_waits", s.SWEEP, "late put after sweep"),
    ("sweep_no_open_backfill", s.SWEEP, "sweep under an open backfill"),
    ("no_snapshot_before_sweep", s.SWEEP, "backfill of a snapshot older than the sweep"),
    ("source_target_source", s.VERIFY, "target before source"),
    ("owners_first", s.VERIFY_KEYS, "versions of two rows compared"),
    ("marks_of_second_reading", s.VERIFY, "a mark that came between the readings"),
    ("judge_again", s.VERIFY, "a difference of two moments"),
    ("pending_if_undelivered", s.VERIFY, "what is on its way called stale"),
    ("ahead_before_match", s.TOO_HIGH_BUT_EQUAL, "too-high version hides"),
    ("touch_relative", s.TOUCH, "touch computed from a count that was folded meanwhile"),
    ("touch_above_target", s.TOO_HIGH, "repair below what is there"),
)

STORY = """\
  1. backfill: snapshot taken
  2. delete: committed
  3. backfill: begun
  => drained, key 0: the source has None, the target (100, (0, 0, 0))"""

NOT_NEEDED_ALONE = {
    "claim_folds": "where it is out, log rows are folded at any moment instead",
    "delivered_same_epoch": "a new epoch is above all versions given; after a restore they are not known any more",
    "sweep_delivered": "whoever waits for what is under way need not wait for the mark",
    "left_at_fixed_version": "or left_keys_struck_off: one of them keeps versions from growing for ever",
    "left_keys_struck_off": "or left_at_fixed_version",
}


@pytest.mark.parametrize("scenario", s.SCENARIOS, ids=lambda scenario: scenario.name)
def test_with_all_rules_no_state_is_wrong(scenario: Scenario) -> None:
    explored = scenario.explored()
    assert explored.counterexample is None, f"\n{explored.counterexample}"
    assert explored.finished


@pytest.mark.parametrize(("rule", "scenario"), [case[:2] for case in NEEDED], ids=[f"{c[0]}: {c[2]}" for c in NEEDED])
def test_without_the_rule_the_model_finds_what_goes_wrong(rule: str, scenario: Scenario) -> None:
    counterexample = scenario.explored(without(rule)).counterexample
    assert counterexample is not None
    assert counterexample.steps or scenario.planted


def test_every_rule_is_taken_out_once() -> None:
    assert {case[0] for case in NEEDED} | set(NOT_NEEDED_ALONE) == {field.name for field in fields(Rules)}


def test_rows_that_wait_for_each_other_raise_each_other_for_ever_where_left_keys_stay() -> None:
    assert not s.SWAP.explored(without("left_at_fixed_version", "left_keys_struck_off"), limit=20_000).finished


def test_a_counterexample_reads_as_a_story() -> None:
    counterexample = s.BACKFILL.explored(without("tombstone_where_absent")).counterexample
    assert str(counterexample) == STORY


@pytest.mark.skipif(not TORTURE, reason="make torture")
@pytest.mark.parametrize("scenario", s.SCENARIOS, ids=lambda scenario: scenario.name)
def test_with_more_faults_no_state_is_wrong(scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    explored = s.deeper(scenario).explored(ALL, limit=MOST_STATES)
    with capsys.disabled():
        print(f"\n{explored.states:9,} states{'' if explored.finished else ', not all'}: {scenario.name}")  # noqa: T201
    assert explored.counterexample is None, f"\n{explored.counterexample}"


@pytest.mark.skipif(not TORTURE, reason="make torture")
@pytest.mark.parametrize("scenario", [s.SWEEP, s.TWO_HOLDERS_SWEEP], ids=lambda scenario: scenario.name)
def test_a_sweep_need_not_wait_for_the_mark(scenario: Scenario) -> None:
    assert scenario.explored(without("sweep_delivered"), limit=MOST_STATES).counterexample is None
