"""The rules of docs/verdicts.md, row by row."""

from __future__ import annotations

import pytest

from pipelines.diff.verdict import WRONG, SourceSide, TargetSide, Verdict, judge, plus, reasons_against
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


def test_verdicts_are_those_of_the_manifest() -> None:
    assert [verdict.value for verdict in Verdict] == list(Verdicts.model_fields)


def test_plus_adds_every_verdict() -> None:
    numbers = {verdict.value: position for position, verdict in enumerate(Verdict, start=1)}
    assert plus(Verdicts(**numbers), Verdicts(**numbers)) == Verdicts(
        **{name: 2 * number for name, number in numbers.items()}
    )


@pytest.mark.parametrize("kind", WRONG)
def test_one_wrong_item_is_a_reason(kind: Verdict) -> None:
    assert reasons_against(Verdicts(match=10, **{kind.value: 1}), 5) == (f"1 {kind.value}",)


def test_matches_alone_are_consistent() -> None:
    assert reasons_against(Verdicts(match=1), 0) == ()


@pytest.mark.parametrize(("rejected", "allowed", "reasons"), [(2, 2, ()), (3, 2, ("3 rejected, 2 allowed",))])
def test_rejects_up_to_their_threshold(rejected: int, allowed: int, reasons: tuple[str, ...]) -> None:
    assert reasons_against(Verdicts(match=1, rejected=rejected), allowed) == reasons


def test_nothing_compared_is_no_success() -> None:
    assert reasons_against(Verdicts(), 0) == ("nothing was compared",)
    assert reasons_against(Verdicts(rejected=1), 5) == ("nothing was compared",)
