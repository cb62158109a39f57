"""The rules of docs/verdicts.md, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.diff.standing import reasons_against
from pipelines.diff.verdict import LedgerSide, RowState, SourceSide, TargetSide, judge, plus
from pipelines.judging.verdict import UNDECIDED, WRONG, Verdict
from pipelines.warehouse.manifest import Verdicts

pytestmark = pytest.mark.unit

RECORD = SourceSide(b"same")
REJECT = SourceSide(None)


def item(digest: bytes = b"same", version: int | None = 0, mapped: bool = True) -> TargetSide:
    return TargetSide(digest, version, mapped)


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (RECORD, item(), "match"),
        (RECORD, item(b"other"), "mismatch"),
        (RECORD, None, "missing"),
        (None, item(), "extra"),
        (REJECT, None, "rejected"),
        (REJECT, item(), "rejected"),
        # what the target says of itself comes first
        (None, item(mapped=False), "unmapped"),
        (None, item(mapped=False, version=None), "unmapped"),
        (RECORD, item(mapped=False, version=9), "unmapped"),
        (REJECT, item(mapped=False), "unmapped"),
        (None, item(version=None), "foreign"),
        (RECORD, item(version=None), "foreign"),
        (RECORD, item(b"other", version=None), "foreign"),
        (REJECT, item(version=None), "foreign"),
        (None, item(version=1), "ahead"),
        (RECORD, item(version=1), "ahead"),  # even if equal in content
        (RECORD, item(b"other", version=1), "ahead"),
        (REJECT, item(version=1), "ahead"),
        # versions are compared, not tested for zero
        (SourceSide(b"same", 7), item(version=7), "match"),
        (SourceSide(b"same", 7), item(version=8), "ahead"),
        (SourceSide(b"same", 7), item(version=0), "match"),
    ],
)
def test_first_match_wins(source: SourceSide | None, target: TargetSide | None, verdict: str) -> None:
    assert judge(source, target) == verdict


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (SourceSide(b"same", 7), item(version=7), "match"),
        (SourceSide(b"same", 7), item(version=6), "match"),
        (SourceSide(b"same", 7), item(version=8), "in_flight"),  # newer than the snapshot, perhaps
        (SourceSide(b"same", 7), item(b"other", 8), "in_flight"),
        (SourceSide(b"same", 7), item(b"other", 7), "mismatch"),
        (SourceSide(b"same", 7), item(b"other", 6), "stale"),
        (SourceSide(b"same", 7), None, "missing"),
        (SourceSide(b"same", 7), item(version=None), "foreign"),
        (None, item(version=9), "extra"),
        (REJECT, item(version=9), "rejected"),
        (REJECT, None, "rejected"),
    ],
)
def test_versions_of_a_column(source: SourceSide | None, target: TargetSide | None, verdict: str) -> None:
    assert judge(source, target, versioned=True) == verdict


def test_what_is_accepted_is_not_stale() -> None:
    assert judge(SourceSide(b"same", 7), item(b"other", 6), equivalent=True, versioned=True) == "accepted"


NEXT_EPOCH = 200
"""Epochs are 100 wide here: this one is 100 to 199."""


def known(
    version: int = 105, undelivered: bool = False, owner: RowState | None = None, mark: bool = False
) -> LedgerSide:
    return LedgerSide(RowState(version, undelivered), owner, NEXT_EPOCH, mark)


UNKNOWN = LedgerSide(None, None, NEXT_EPOCH, False)
ROW = SourceSide(b"same", 105)
GONE = None


def other(version: int) -> TargetSide:
    return item(b"other", version)


@pytest.mark.parametrize(
    ("source", "target", "ledger", "verdict"),
    [
        (ROW, item(version=105), known(), "match"),
        (ROW, item(version=102), known(undelivered=True), "match"),  # older, and equal in content
        (ROW, item(version=None), known(), "foreign"),
        (ROW, item(mapped=False, version=300), known(), "unmapped"),
        # above all that this epoch can give
        (ROW, item(version=200), known(), "ahead"),
        (GONE, item(version=200), UNKNOWN, "ahead"),
        (REJECT, item(version=200), known(), "ahead"),
        # above what the snapshot saw: it cannot tell a later write from one of nobody's
        (ROW, item(version=106), known(), "in_flight"),
        (ROW, other(106), known(undelivered=True), "in_flight"),
        (GONE, item(version=106), known(), "in_flight"),
        (REJECT, item(version=106), known(), "in_flight"),
        (GONE, item(version=101), known(100), "in_flight"),  # a row that is newer than the snapshot
        (REJECT, item(version=105), known(), "rejected"),
        (REJECT, None, known(undelivered=True), "rejected"),
        # a row that is gone has its version still: its item is no `ahead`
        (GONE, item(version=104), known(), "extra"),
        (GONE, item(version=105), known(), "extra"),
        (GONE, item(version=104), known(undelivered=True), "pending"),
        (GONE, item(version=104), UNKNOWN, "extra"),
        (ROW, None, known(), "missing"),
        (ROW, None, known(undelivered=True), "pending"),
        (ROW, other(104), known(), "stale"),
        (ROW, other(3), known(), "stale"),  # of an earlier epoch
        (ROW, item(version=3), known(), "match"),
        (ROW, other(104), known(undelivered=True), "pending"),
        (ROW, other(105), known(), "mismatch"),
        (ROW, other(105), known(undelivered=True), "pending"),
        (ROW, other(105), known(mark=True), "pending"),
        (ROW, other(104), known(mark=True), "stale"),
        # a tombstone is absent, and has a version
        (ROW, None, replace(known(), tombstone=105), "missing"),
        (ROW, None, replace(known(), tombstone=106), "in_flight"),
        (ROW, None, replace(known(), tombstone=200), "ahead"),
        (ROW, None, replace(known(owner=RowState(150, False)), tombstone=150), "missing"),
        # the target's item is another row's: two rows' versions are not comparable
        (ROW, item(version=150), known(owner=RowState(150, False)), "mismatch"),
        (ROW, other(3), known(owner=RowState(150, False)), "mismatch"),
        (ROW, other(150), known(undelivered=True, owner=RowState(150, False)), "pending"),
        (ROW, other(150), known(owner=RowState(150, True)), "pending"),
        (ROW, other(151), known(owner=RowState(150, False)), "in_flight"),
        (ROW, other(150), known(owner=RowState(150, False), mark=True), "pending"),
        (REJECT, other(150), known(owner=RowState(150, False)), "rejected"),
    ],
)
def test_first_match_wins_by_the_ledger(
    source: SourceSide | None, target: TargetSide | None, ledger: LedgerSide, verdict: str
) -> None:
    assert judge(source, target, ledger) == verdict


def test_verdicts_are_those_of_the_manifest() -> None:
    assert [verdict.value for verdict in Verdict] == list(Verdicts.model_fields)


def test_plus_adds_every_verdict() -> None:
    numbers = {verdict.value: position for position, verdict in enumerate(Verdict, start=1)}
    assert plus(Verdicts(**numbers), Verdicts(**numbers)) == Verdicts(
        **{name: 2 * number for name, number in numbers.items()}
    )


@pytest.mark.parametrize("kind", [*WRONG, *UNDECIDED])
def test_one_wrong_item_is_a_reason(kind: Verdict) -> None:
    assert reasons_against(Verdicts(match=10, **{kind.value: 1}), 5) == (f"1 {kind.value}",)


def test_what_is_pending_and_not_late_is_no_reason() -> None:
    pending = Verdicts(match=10, pending=1, in_flight=1)
    assert reasons_against(pending, 5, pending_passes=True) == ("1 in_flight",)


def test_matches_alone_are_consistent() -> None:
    assert reasons_against(Verdicts(match=1), 0) == ()


@pytest.mark.parametrize(("rejected", "allowed", "reasons"), [(2, 2, ()), (3, 2, ("3 rejected, 2 allowed",))])
def test_rejects_up_to_their_threshold(rejected: int, allowed: int, reasons: tuple[str, ...]) -> None:
    assert reasons_against(Verdicts(match=1, rejected=rejected), allowed) == reasons


@pytest.mark.parametrize(
    ("target", "ledger", "verdict"),
    [
        (item(b"other"), None, "accepted"),
        (item(), None, "match"),
        (item(b"other", version=None), None, "foreign"),
        (item(b"other", version=1), None, "ahead"),
        (item(b"other", mapped=False), None, "unmapped"),
        (other(105), known(), "accepted"),
        (other(104), known(undelivered=True), "accepted"),  # as a match: older, and as good as equal
        (other(105), known(mark=True), "accepted"),
        (other(106), known(), "in_flight"),
        (other(150), known(owner=RowState(150, False)), "mismatch"),
        (other(150), known(undelivered=True, owner=RowState(150, False)), "pending"),
    ],
)
def test_equivalent_items_are_accepted_where_equal_ones_match(
    target: TargetSide, ledger: LedgerSide | None, verdict: str
) -> None:
    source = SourceSide(b"same", 0 if ledger is None else 105)
    assert judge(source, target, ledger, equivalent=True) == verdict


@pytest.mark.parametrize(
    ("accepted", "allowed", "reasons"), [(2, 2, ()), (3, 2, ("3 accepted, 2 allowed",)), (9_999, None, ())]
)
def test_accepted_ones_up_to_their_threshold(accepted: int, allowed: int | None, reasons: tuple[str, ...]) -> None:
    assert reasons_against(Verdicts(match=1, accepted=accepted), 0, allowed) == reasons


def test_nothing_compared_is_no_success() -> None:
    assert reasons_against(Verdicts(), 0) == ("nothing was compared",)
    assert reasons_against(Verdicts(rejected=1), 5) == ("nothing was compared",)
