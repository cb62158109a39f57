"""What a run comes to is the same word on every page, on the command line and in Dagster."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest

from dagster_defs.check import Newest
from dagster_defs.check_verdicts import diff_checks
from expectations.gather import gather_report
from expectations.overview_gather import gather_overview
from expectations.render_html import render_html, render_overview
from expectations.render_text import render_text
from pipelines.migration import Migration
from pipelines.warehouse.place import Place
from tests.unit.expectations.finished_diff import MAPPING, REJECTED, RUN, Difference, FinishedDiff, order_key
from tests.unit.expectations.history import MADE_AT

pytestmark = pytest.mark.unit

NONE_MAY = MAPPING.replace("rejected: 2", "rejected: 0")
TOO_MANY = FinishedDiff(reasons=("2 rejected, 0 allowed",), more={"rejected_at_most": 0})
ACCEPTED = Difference("accepted", order_key(1))

CASES = [
    (FinishedDiff(), MAPPING, "consistent", "consistent"),
    (FinishedDiff().planted(Difference("missing", order_key(1))), MAPPING, "not consistent", "not consistent"),
    (TOO_MANY, NONE_MAY, "not consistent", "not consistent"),
    (FinishedDiff(reasons=("capture cannot be relied on",)), MAPPING, "undecided", "consistent"),
    (FinishedDiff().planted(Difference("pending", order_key(1))), MAPPING, "undecided", "undecided"),
    (FinishedDiff().planted(Difference("in_flight", order_key(1))), MAPPING, "undecided", "undecided"),
    (FinishedDiff((*REJECTED, Difference("pending", order_key(1)))), MAPPING, "consistent", "consistent"),
    (
        FinishedDiff((*REJECTED, ACCEPTED), reasons=("1 accepted, 0 allowed",), more={"accepted_at_most": 0}),
        MAPPING.replace("rejected: 2", "rejected: 2, accepted: 0"),
        "not consistent",
        "not consistent",
    ),
]
"""A run, the mapping that it was made with, what it comes to, and what the item type `order` does."""
IDS = ["equal", "missing", "rejected", "gap", "pending", "in flight", "pending, not late", "accepted"]


def on_the_overview(migration: Migration) -> tuple[str, str]:
    """Of the run and of `order`, as the page has them."""
    page = render_overview(gather_overview(Place.of(migration.folder.root.local.parent), MADE_AT))  # type: ignore[union-attr]
    chips = re.findall(r'<span class="chip \w+"><span aria-hidden="true">.</span> ([a-z ]+)</span>', page)
    run, again, _, order = chips[:4]
    assert run == again
    return run, order


def in_dagster(migration: Migration) -> dict[str, dg.AssetCheckResult]:
    newest = Newest(migration)
    return {check.name: check.result(dg.AssetKey(["shop", "diff"]), newest) for check in diff_checks(migration.mapping)}


@pytest.mark.parametrize(("diff", "mapping", "run", "order"), CASES, ids=IDS)
def test_one_word_everywhere(tmp_path: Path, diff: FinishedDiff, mapping: str, run: str, order: str) -> None:
    migration = diff.write(tmp_path, mapping)
    data = gather_report(migration, RUN)
    page = render_html(data)
    checks = in_dagster(migration)
    assert on_the_overview(migration) == (run, order)
    (title,) = re.findall(r"<title>([^·]+) ·", page)
    (heading,) = re.findall(r"<h1>(.+)</h1>", page)
    assert title == heading == run.capitalize()
    assert render_text(data).splitlines()[1].startswith(f"{run.upper()}. ")
    assert (checks["consistent"].description or "").partition(":")[0] == run
    assert checks["consistent"].passed is (run == "consistent")
    assert (checks["order_consistent"].description or "").partition(":")[0] == order
    assert checks["order_consistent"].passed is (order == "consistent")
    warns = checks["order_consistent"].severity is dg.AssetCheckSeverity.WARN
    assert warns is (order == "undecided")


@pytest.mark.parametrize(
    ("diff", "colour"), [(FinishedDiff(), "good"), (TOO_MANY, "bad"), (CASES[3][0], "note")], ids=["0", "1", "2"]
)
def test_the_verdict_has_one_colour(tmp_path: Path, diff: FinishedDiff, colour: str) -> None:
    migration = diff.write(tmp_path)
    overview = render_overview(gather_overview(Place.of(tmp_path / "warehouse"), MADE_AT))
    for page in (overview, render_html(gather_report(migration, RUN))):
        assert re.findall(r'<div class="verdict (\w+)">', page) == [colour]
        assert f".verdict.{colour} " in page


def test_a_threshold_is_for_all_item_types_together(tmp_path: Path) -> None:
    """Two of one type and one of the other, where two may be: it is passed by both."""
    third = Difference("rejected", '{"pk":{"S":"c"}}', item_type="customer", table="accounts", source_size=None)
    migration = FinishedDiff((*REJECTED, third), reasons=("3 rejected, 2 allowed",)).write(tmp_path)
    checks = in_dagster(migration)
    assert not checks["order_consistent"].passed
    assert not checks["customer_consistent"].passed


def test_why_it_is_not_consistent_is_said_where_no_item_is_wrong(tmp_path: Path) -> None:
    data = gather_report(TOO_MANY.write(tmp_path, NONE_MAY), RUN)
    assert data.summary == "No wrong item was found, but more than the mapping lets pass: 2 rejected, 0 allowed."
