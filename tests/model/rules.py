"""The rules of docs/protocol.md as switches: one taken out must give a counterexample, all together none."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rules:
    """Numbers are those of docs/protocol.md."""

    # capture
    both_roots: bool = True  # 1
    old_keys_in_log: bool = True  # 1b
    expand_after_commit: bool = True  # 2
    expand_in_one_transaction: bool = True  # 2
    capture_always: bool = True  # 3
    snapshot_after_capture: bool = True  # 4
    deliver_after_capture: bool = True  # 4
    new_epoch: bool = True  # 5
    epoch_above_touched: bool = True  # 5
    mapping_compared: bool = True  # 5
    compact_in_one_transaction: bool = True  # Version
    claim_folds: bool = True  # 9
    # reading
    one_snapshot: bool = True  # 6
    # writing
    newer_wins: bool = True  # 7
    condition_names_partition_key: bool = True  # 7
    refusals_judged: bool = True  # 7
    above_the_ledger_is_conflict: bool = True  # 7
    equal_version_judged_again: bool = True  # 7
    old_keys_tombstoned: bool = True  # 8
    key_at_delivery: bool = True  # 8
    wait_for_tombstone: bool = True  # 8a
    tombstones_despite_waiting: bool = True  # 8a
    holder_asked: bool = True  # 8a
    takeover_raises: bool = True  # 8b
    tombstone_over_tombstone: bool = True  # 8b
    left_keys_struck_off: bool = True  # 8e
    holder_raised: bool = True  # 8c
    left_at_fixed_version: bool = True  # 8c
    backfill_hands_over: bool = True  # 8d
    keys_dropped_if_same: bool = True  # 8e
    mark_what_was_read: bool = True  # 9
    timeout_is_unknown: bool = True  # 9
    delivered_same_epoch: bool = True  # 9
    deadline: bool = True  # 9
    tombstone: bool = True  # 10
    tombstone_where_absent: bool = True  # 10
    sweep_exact: bool = True  # 10
    sweep_delivered: bool = True  # 10
    sweep_waits: bool = True  # 10
    sweep_no_open_backfill: bool = True  # 10
    no_snapshot_before_sweep: bool = True  # 10
    # judging
    source_target_source: bool = True  # 11
    owners_first: bool = True  # 11, before c
    marks_of_second_reading: bool = True  # 11g
    judge_again: bool = True  # 11h
    pending_if_undelivered: bool = True  # 11j
    ahead_before_match: bool = True  # 11c
    # repair
    touch_relative: bool = True  # 13
    touch_above_target: bool = True  # 13


ALL = Rules()


def without(*names: str) -> Rules:
    return replace(ALL, **dict.fromkeys(names, False))
