"""Each gate, and each way in which its evidence is not enough: red, with what to do."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from pipelines.cutover.evidence import Evidence, Reads, Unknown, Unread, Verifications, Verified, Writes
from pipelines.cutover.gate import Gate
from pipelines.cutover.gates import gates_before
from pipelines.cutover.states import State
from pipelines.cutover.thresholds import Thresholds
from pipelines.source.ledger.masters import Phase
from tests.unit.cutover.good_evidence import (
    EPOCH,
    NIGHTS,
    NOW,
    Change,
    good,
    night,
    query,
    with_group,
    with_last,
    with_part,
    with_query,
    with_runs,
)

pytestmark = pytest.mark.unit

HOUR = timedelta(hours=1)

ASKED = {
    State.ASSESSED: "assessed mapping_fits",
    State.CAPTURED: "mapping_fits capture_whole",
    State.BACKFILLED: "capture_whole backfilled ledger_in_step",
    State.VERIFIED: "capture_whole ledger_in_step verified",
    State.READS_SHADOWED: "capture_whole ledger_in_step verified reads_shadowed",
    State.READS_MOVED: "capture_whole ledger_in_step verified reads_moved",
    State.DYNAMODB_FIRST: "capture_whole all_captured none_fenced writes_whole writes_ready ledger_in_step verified "
    "reads_moved reverse_running",
    State.DYNAMODB_ONLY: "capture_whole writes_at_dynamodb_first none_fenced writes_whole reverse_in_step verified "
    "reads_moved",
    State.DECOMMISSIONED: "capture_whole writes_at_dynamodb_only none_fenced writes_whole reverse_running reads_moved",
}

PART_OF = {
    "assessed": "assessed",
    "mapping_fits": "fits",
    "capture_whole": "captured",
    "all_captured": "captured",
    "ledger_in_step": "ledger",
    "backfilled": "backfilled",
    "verified": "verifications",
    "reads_shadowed": "reads",
    "reads_moved": "reads",
    "none_fenced": "writes",
    "writes_whole": "writes",
    "writes_ready": "writes",
    "writes_at_dynamodb_first": "writes",
    "writes_at_dynamodb_only": "writes",
    "reverse_running": "reverse",
    "reverse_in_step": "reverse",
}


def judged(before: State, evidence: Evidence) -> dict[str, Gate]:
    return {gate.name: gate for gate in gates_before(before, evidence, Thresholds())}


@pytest.mark.parametrize("before", State)
def test_good_evidence_passes_all_that_is_asked(before: State) -> None:
    found = judged(before, good(before))
    assert " ".join(found) == ASKED[before]
    assert [gate.line for gate in found.values() if not gate.passed] == []


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("part", sorted(set(PART_OF.values())))
def test_what_is_unknown_is_red_for_each_gate_that_asks_for_it(before: State, part: str) -> None:
    evidence = replace(good(before), **{part: Unknown("the disk is full")})  # type: ignore[arg-type]
    found = judged(before, evidence)
    red = {name for name, gate in found.items() if not gate.passed}
    # without the epoch that the source is in no run can be held against it
    needs_epoch = {"verified", "backfilled"} if part == "captured" else set()
    assert red == {name for name in found if PART_OF[name] == part or name in needs_epoch}
    for name in red - needs_epoch:
        assert found[name].line.startswith(f"{name}: the disk is full; ")


def test_an_unknown_part_may_say_itself_what_to_do() -> None:
    evidence = replace(good(State.VERIFIED), verifications=Unknown("gone", "ask the operators"))
    assert judged(State.VERIFIED, evidence)["verified"].line == "verified: gone; ask the operators"


def test_every_part_of_the_evidence_is_asked_for() -> None:
    plain = {"at", "mapping", "mapping_hash", "lag_limit_seconds", "nights_apart_hours", "state_since", "moving"}
    assert {field.name for field in fields(Evidence)} - plain == set(PART_OF.values())


VERIFIED, SHADOWED, MOVED = State.VERIFIED, State.READS_SHADOWED, State.READS_MOVED
FIRST, ONLY, END = State.DYNAMODB_FIRST, State.DYNAMODB_ONLY, State.DECOMMISSIONED


def _late(first: int) -> tuple[Verified, ...]:
    return tuple(night(number) for number in range(first, 4))


RED: list[tuple[str, State, str, Change, str]] = [
    # capture
    (
        "absent",
        State.CAPTURED,
        "capture_whole",
        with_part("captured", state="absent"),
        "run `crossover capture shop.yaml install`",
    ),
    ("off", State.CAPTURED, "capture_whole", with_part("captured", state="off"), "capture is off"),
    (
        "gaps",
        VERIFIED,
        "capture_whole",
        with_part("captured", gaps=("a: no trigger", "b")),
        "a: no trigger, and 1 more",
    ),
    ("blind", FIRST, "all_captured", with_part("captured", blind=(("v", "a view"),)), "v has no ledger: a view"),
    ("off", FIRST, "all_captured", with_part("captured", state="off"), "capture is not on"),
    # ledger
    ("late", VERIFIED, "ledger_in_step", with_part("ledger", oldest_seconds=301.0), "waits for 301 s, 300 allowed"),
    ("apart", VERIFIED, "ledger_in_step", with_part("ledger", set_apart=1), "1 items are set apart"),
    (
        "paused",
        VERIFIED,
        "ledger_in_step",
        with_part("ledger", paused=True),
        "run `crossover relay shop.yaml --resume`",
    ),
    # backfill
    ("hash", State.BACKFILLED, "backfilled", with_part("backfilled", mapping_hash="b"), "made with another mapping"),
    (
        "epoch",
        State.BACKFILLED,
        "backfilled",
        with_part("backfilled", epoch=3),
        "is of epoch 3, the source is in epoch 4",
    ),
    ("no epoch", State.BACKFILLED, "backfilled", with_part("backfilled", epoch=None), "does not tell its epoch"),
    ("partial", State.BACKFILLED, "backfilled", with_part("backfilled", records=899), "is of 899 of 900 records"),
    ("pruned", State.BACKFILLED, "backfilled", with_part("backfilled", of_records=None), "cannot be told"),
    ("failed", State.BACKFILLED, "backfilled", with_part("backfilled", failed=2), "2 records failed"),
    ("conflicts", State.BACKFILLED, "backfilled", with_part("backfilled", conflicts=1), "not Crossover's"),
    # verifications
    ("none", VERIFIED, "verified", with_runs(), "0 of 3 good verifications in a row"),
    ("too few", VERIFIED, "verified", with_runs(*_late(2)), "2 of 3 good verifications in a row"),
    (
        "red",
        VERIFIED,
        "verified",
        with_last(consistent=False, reasons=("2 missing",)),
        "v3 found the stores not consistent (2 missing)",
    ),
    ("sampled", VERIFIED, "verified", with_last(coverage=0.99), "v3 compared 99% of the buckets"),
    ("nothing", VERIFIED, "verified", with_last(items=0), "v3 compared nothing"),
    ("hash", VERIFIED, "verified", with_last(mapping_hash="b"), "v3 was made with another mapping"),
    ("epoch", VERIFIED, "verified", with_last(epoch=EPOCH - 1), "v3 is of epoch 3, the source is in epoch 4"),
    ("no epoch", VERIFIED, "verified", with_last(epoch=None), "v3 does not tell its epoch"),
    ("no source's epoch", VERIFIED, "verified", with_part("captured", epoch=None), "that of the source is not known"),
    ("no ledger", VERIFIED, "verified", with_last(mode="no_ledger"), "v3 went without the ledger's versions"),
    ("no time", VERIFIED, "verified", with_last(began_at=None), "v3 does not tell when"),
    (
        "stale",
        VERIFIED,
        "verified",
        lambda e: replace(e, at=NIGHTS[3] + 36.1 * HOUR),
        "the newest is 36 h old, 36 allowed",
    ),
    (
        "of an old snapshot",
        VERIFIED,
        "verified",
        with_last(began_at=NOW - 37 * HOUR, finished_at=NOW),
        "the newest is 37 h old",
    ),
    ("to come", VERIFIED, "verified", with_last(began_at=NOW + HOUR), "look at the clocks"),
    ("unfinished", VERIFIED, "verified", with_runs(*_late(1), unfinished=("v9",)), "v9 was begun and has not finished"),
    (
        "same snapshot",
        VERIFIED,
        "verified",
        with_runs(night(1), night(2), replace(night(3), snapshot_id="s2")),
        "2 of 3",
    ),
    ("same dump", VERIFIED, "verified", with_runs(night(1), night(2), replace(night(3), dump_id="d2")), "2 of 3"),
    (
        "red before",
        VERIFIED,
        "verified",
        with_runs(night(0), night(1), replace(night(2), consistent=False), night(3)),
        "1 of 3",
    ),
    (
        "red beside",
        VERIFIED,
        "verified",
        with_runs(night(1), night(2), replace(night(3), consistent=False), night(3)),
        "1 of 3",
    ),
    ("missed", VERIFIED, "verified", with_runs(night(0), night(1), night(3)), "between v1 and v3 lie more than 36 h"),
    (
        "unreadable",
        VERIFIED,
        "verified",
        lambda e: replace(e, verifications=Verifications((*_late(1), Unread("v4", "damaged")))),
        "v4 cannot be read: damaged",
    ),
    (
        "before the switch",
        ONLY,
        "verified",
        lambda e: replace(e, state_since=NIGHTS[1]),
        "since this state was entered",
    ),
    # reads: shadowed
    ("none", SHADOWED, "reads_shadowed", lambda e: replace(e, reads=Reads(())), "no query has made itself known"),
    ("rds", SHADOWED, "reads_shadowed", with_query(query("q", "rds")), "q: is at rds"),
    ("few", SHADOWED, "reads_shadowed", with_query(query("q", calls=40)), "q: 960 calls compared in 24 h, 1,000 are"),
    ("never", SHADOWED, "reads_shadowed", with_query(query("q", hours=0)), "q: 0 calls compared"),
    ("short", SHADOWED, "reads_shadowed", with_query(query("q", hours=25)), "q: calls are compared for less than 24 h"),
    (
        "quiet",
        SHADOWED,
        "reads_shadowed",
        with_query(replace(query("q"), hours=query("q").hours[:-3])),
        "q: no call was compared in the last 2 h",
    ),
    ("differ", SHADOWED, "reads_shadowed", with_query(query("q", calls=999, shadow_mismatches=1)), "answers differ"),
    ("errors", SHADOWED, "reads_shadowed", with_query(query("q", candidate_errors=2)), "failed or were late"),
    ("late", SHADOWED, "reads_shadowed", with_query(query("q", candidate_late=2)), "failed or were late"),
    ("forced", SHADOWED, "reads_shadowed", with_query(replace(query("q"), forced=True)), "q: its stage was forced"),
    # reads: moved
    ("shadow", MOVED, "reads_moved", with_query(query("q", "shadow")), "q: is at shadow"),
    ("canary", MOVED, "reads_moved", with_query(query("q", "canary")), "q: is at canary"),
    ("few", MOVED, "reads_moved", with_query(query("q", "dynamodb", calls=40)), "q: 960 calls answered by DynamoDB"),
    ("short", MOVED, "reads_moved", with_query(query("q", "dynamodb", hours=25)), "answered by DynamoDB for less than"),
    (
        "just set",
        MOVED,
        "reads_moved",
        with_query(replace(query("q", "dynamodb"), changed_at=NOW - 23 * HOUR)),
        "q: is at dynamodb for less than 24 h",
    ),
    ("never set", MOVED, "reads_moved", with_query(replace(query("q", "dynamodb"), changed_at=None)), "for less than"),
    ("errors", MOVED, "reads_moved", with_query(query("q", "dynamodb", dynamodb_errors=2)), "failed or were late"),
    ("late", MOVED, "reads_moved", with_query(query("q", "dynamodb", dynamodb_late=2)), "failed or were late"),
    ("dropped", MOVED, "reads_moved", with_query(query("q", "dynamodb", dynamodb_dropped=2)), "failed or were late"),
    (
        "forced",
        MOVED,
        "reads_moved",
        with_query(replace(query("q", "dynamodb"), forced=True)),
        "q: its stage was forced",
    ),
    # writes
    ("fenced", FIRST, "none_fenced", with_group(fenced=True), "order+customer is fenced"),
    (
        "not whole",
        FIRST,
        "writes_whole",
        with_group(problems=("has no guard on t",)),
        "order+customer has no guard on t",
    ),
    ("lacks", FIRST, "writes_ready", with_group(missing=("cannot be inverted",)), "order+customer cannot be inverted"),
    ("no group", FIRST, "none_fenced", lambda e: replace(e, writes=Writes(())), "there is no group"),
    ("phase", ONLY, "writes_at_dynamodb_first", with_group(phase=Phase.RDS_FIRST), "order+customer is at rds_first"),
    ("ahead", ONLY, "writes_at_dynamodb_first", with_group(phase=Phase.DYNAMODB_ONLY), "is at dynamodb_only"),
    (
        "another step begun",
        ONLY,
        "writes_at_dynamodb_first",
        lambda e: replace(with_group(phase=Phase.DYNAMODB_ONLY)(e), moving=FIRST),
        "is at dynamodb_only",
    ),
    (
        "killed",
        ONLY,
        "writes_at_dynamodb_first",
        lambda e: replace(with_group(phase=Phase.RDS_FIRST)(e), moving=ONLY),
        "order+customer is at rds_first",
    ),
    ("phase", END, "writes_at_dynamodb_only", with_group(phase=Phase.RDS_FIRST), "order+customer is at rds_first"),
    # the reverse relay
    ("stopped", FIRST, "reverse_running", with_part("reverse", running=False), "no reverse relay is at work"),
    (
        "stopped",
        ONLY,
        "reverse_in_step",
        with_part("reverse", running=False),
        "start `crossover relay shop.yaml --reverse`",
    ),
    ("never", ONLY, "reverse_in_step", with_part("reverse", lag_seconds=None), "has never caught up"),
    ("late", ONLY, "reverse_in_step", with_part("reverse", lag_seconds=301.0), "301 s behind, 300 allowed"),
    ("waiting", ONLY, "reverse_in_step", with_part("reverse", waiting=1), "1 items wait"),
    ("resync", ONLY, "reverse_in_step", with_part("reverse", resync="trimmed"), "--reverse --resync`"),
]


@pytest.mark.parametrize(
    ("before", "gate", "change", "said"),
    [pytest.param(*row[1:], id=f"{row[1]}-{row[2]}-{row[0]}".replace(" ", "_")) for row in RED],
)
def test_each_way_in_which_it_is_not_enough(before: State, gate: str, change: Change, said: str) -> None:
    found = judged(before, change(good(before)))[gate]
    assert not found.passed
    assert said in found.line
    assert found.remedy
    assert "\n" not in found.line


GREEN: list[tuple[str, State, str, Change]] = [
    (
        "weekly",
        VERIFIED,
        "verified",
        lambda e: replace(with_runs(night(0), night(1), night(3))(e), nights_apart_hours=48.0),
    ),
    ("enough", VERIFIED, "verified", with_runs(replace(night(0), consistent=False), *_late(1))),
    ("missed long ago", VERIFIED, "verified", with_runs(replace(night(0), began_at=NOW - 99 * HOUR), *_late(1))),
    (
        "unreadable long ago",
        VERIFIED,
        "verified",
        lambda e: replace(e, verifications=Verifications((Unread("v0", "x"), *_late(1)))),
    ),
    ("again", VERIFIED, "verified", with_runs(*_late(1), replace(night(3), run_id="v4"))),
    ("pending within the limit", VERIFIED, "ledger_in_step", with_part("ledger", oldest_seconds=300.0)),
    ("few differ", SHADOWED, "reads_shadowed", with_query(query("q", calls=1000, shadow_mismatches=1))),
    ("canary", SHADOWED, "reads_shadowed", with_query(query("q", "canary"))),
    ("moved already", SHADOWED, "reads_shadowed", with_query(query("q", "dynamodb"))),
    (
        "differed long ago",
        SHADOWED,
        "reads_shadowed",
        with_query(replace(query("q"), hours=(*query("q", shadow_mismatches=9).hours[:6], *query("q").hours[6:]))),
    ),
    ("quiet", SHADOWED, "reads_shadowed", with_query(replace(query("q"), hours=query("q").hours[:-2]))),
    ("since", ONLY, "verified", lambda e: replace(e, state_since=NIGHTS[1] - HOUR)),
    ("decommissioning", END, "writes_at_dynamodb_only", with_group(phase=Phase.DYNAMODB_FIRST)),
    (
        "killed between two groups",
        ONLY,
        "writes_at_dynamodb_first",
        lambda e: replace(with_group(phase=Phase.DYNAMODB_ONLY)(e), moving=ONLY),
    ),
]


@pytest.mark.parametrize(
    ("before", "gate", "change"),
    [pytest.param(*row[1:], id=f"{row[1]}-{row[2]}-{row[0]}".replace(" ", "_")) for row in GREEN],
)
def test_what_is_no_reason(before: State, gate: str, change: Change) -> None:
    found = judged(before, change(good(before)))[gate]
    assert found.passed, found.line


def test_thresholds_are_asked() -> None:
    strict = Thresholds(verifications=5, calls=1_000_000, hours=25)
    lines = [gate.line for gate in gates_before(SHADOWED, good(SHADOWED), strict) if not gate.passed]
    assert any("4 of 5 good verifications" in line for line in lines)
    assert any("2,500 calls compared in 25 h, 1,000,000 are needed" in line for line in lines)


def test_the_figures_are_in_the_gate() -> None:
    found = judged(SHADOWED, with_query(query("q", calls=50, shadow_mismatches=1))(good(SHADOWED)))
    assert found["reads_shadowed"].numbers == {
        "queries": 2,
        "not_ready": 1,
        "least_calls": 1_200,
        "compared": 3_600,
        "mismatches": 24,
        "calls_wanted": 1_000,
        "hours_wanted": 24,
        "mismatches_allowed": 0.001,
    }
    assert found["verified"].numbers == {
        "in_a_row": 3,
        "wanted": 3,
        "max_age_hours_allowed": 36.0,
        "items": 900,
        "age_hours": 7.2,
    }
