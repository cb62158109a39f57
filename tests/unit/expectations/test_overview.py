"""The page over all migrations: what it gathers, and what it does where something cannot be read."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from expectations.overview import refresh_overview, write_overview
from expectations.overview_data import MigrationView, Overview
from expectations.overview_gather import gather_overview
from expectations.overview_run import PATHS_PER_SAMPLE, SAMPLES_PER_VERDICT
from expectations.render_html import render_overview
from expectations.report_data import Term
from pipelines.diff.standing import Standing
from pipelines.warehouse.manifest import Verdicts
from tests.unit.expectations.finished_diff import BEGIN, RUN, Difference, FinishedDiff, order_key
from tests.unit.expectations.history import MADE_AT, Nights, earlier_run, night
from tests.unit.expectations.hostile_diff import HOSTILE, TEMPLATE
from tests.unit.expectations.page import Page
from tests.unit.expectations.rich_diff import RICH, SECRET_KEY

pytestmark = pytest.mark.unit

LATER = "20261125T010000-0000000"
NEWER_FORMAT = (
    '{"format": 2, "stage": "diff", "migration": "shop", "mapping_hash": "0", "id": "x", '
    '"started_at": "2026-11-25T01:00:00Z", "finished_at": "2026-11-25T01:00:00Z"}'
)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    root = tmp_path / "warehouse"
    root.mkdir()
    return Nights(root)


def seen(nights: Nights) -> Overview:
    return gather_overview(nights.place, MADE_AT)


def view(nights: Nights, name: str = "shop") -> MigrationView:
    (found,) = [one for one in seen(nights).migrations if one.name == name]
    return found


def test_the_worst_comes_first(nights: Nights) -> None:
    nights.migration("a-good-one", FinishedDiff())
    nights.migration("shop", RICH)
    (nights.place / "begun" / "snapshots" / "x" / "part").write_atomically("")
    (nights.place / "no migration" / "file").write_atomically("")
    overview = seen(nights)
    assert [(one.name, one.standing) for one in overview.migrations] == [
        ("shop", Standing.INCONSISTENT),
        ("begun", Standing.UNVERIFIED),
        ("a-good-one", Standing.CONSISTENT),
    ]
    assert overview.headline == "1 of 3 migrations is not consistent"
    assert overview.others == "The others: 1 never verified, 1 consistent."


@pytest.mark.parametrize(
    ("diffs", "headline"),
    [
        ([], "No migration yet"),
        ([FinishedDiff()], "m0 is consistent"),
        ([FinishedDiff(), FinishedDiff()], "All 2 migrations are consistent"),
        ([FinishedDiff(reasons=("capture cannot be relied on",))], "m0 is undecided"),
        ([FinishedDiff(), RICH, RICH], "2 of 3 migrations are not consistent"),
    ],
)
def test_the_headline(nights: Nights, diffs: list[FinishedDiff], headline: str) -> None:
    for number, diff in enumerate(diffs):
        nights.migration(f"m{number}", diff)
    assert seen(nights).headline == headline
    assert headline in Page(render_overview(seen(nights))).text


def test_an_item_type_tells_since_when_it_is_wrong(nights: Nights) -> None:
    nights.migration("shop", RICH)
    nights.runs("shop", Verdicts(missing=1), Verdicts(match=9), Verdicts(extra=3), Verdicts(stale=1))
    run = view(nights).run
    assert run is not None
    order = run.item_types[1]
    assert (order.item_type, order.wrong_runs, order.wrong_since) == ("order", 3, night(2))
    assert order.wrong == (Term("mismatch", 3), Term("missing", 1), Term("extra", 2), Term("foreign", 1))
    assert order.let_pass == (Term("rejected", 2),)
    assert (order.items, order.equal, order.standing) == (40, 31, Standing.INCONSISTENT)
    text = Page(render_overview(seen(nights))).text
    assert f"wrong since {night(2):%Y-%m-%d %H:%M} UTC, in 3 runs" in text
    assert text.count("new in this run") == 2  # customer, and what fits no item type


def test_a_reject_says_why_and_one_run_is_no_runs(nights: Nights) -> None:
    nights.migration("shop", FinishedDiff())
    text = Page(render_overview(seen(nights))).text
    assert "number_out_of_range at lines.price: 40 digits, 38 allowed" in text
    assert "The last run" in text
    nights.runs("shop", Verdicts(match=1))
    assert "The last 2 runs" in Page(render_overview(seen(nights))).text


def test_what_is_undecided_is_not_called_consistent(nights: Nights) -> None:
    nights.runs("shop", Verdicts(match=9), Verdicts(match=8, pending=1))
    shop = view(nights)
    assert shop.standing is Standing.UNDECIDED
    assert shop.run is not None
    assert shop.run.item_types[0].standing is Standing.UNDECIDED
    assert [run.standing for run in shop.trend.runs] == [Standing.CONSISTENT, Standing.UNDECIDED]


@pytest.mark.parametrize("manifest", ["{", "", NEWER_FORMAT], ids=["damaged", "empty", "newer"])
def test_a_newest_run_that_cannot_be_read_is_said_and_spoils_nothing(nights: Nights, manifest: str) -> None:
    nights.migration("billing", FinishedDiff())
    shop = nights.migration("shop", FinishedDiff())
    (shop.diff(LATER) / "manifest.json").write_atomically(manifest)
    found = view(nights)
    assert found.standing is Standing.UNREADABLE
    assert found.run is not None and found.run.run_id == RUN
    assert len(found.notes) == 1 and f"Run {LATER} cannot be read" in found.notes[0]
    assert found.trend.runs[-1].standing is Standing.UNREADABLE
    assert view(nights, "billing").standing is Standing.CONSISTENT
    assert f"Run {LATER} cannot be read" in Page(render_overview(seen(nights))).text


def test_an_old_run_that_cannot_be_read_leaves_a_mark_only(nights: Nights) -> None:
    shop = nights.migration("shop", FinishedDiff())
    nights.runs("shop", Verdicts(match=1), Verdicts(match=1))
    (shop.diff(earlier_run(2)) / "manifest.json").write_atomically("damaged")
    found = view(nights)
    assert found.standing is Standing.CONSISTENT
    assert [run.standing for run in found.trend.runs] == [
        Standing.UNREADABLE,
        Standing.CONSISTENT,
        Standing.CONSISTENT,
    ]


def test_a_run_that_did_not_finish_is_said(nights: Nights) -> None:
    shop = nights.migration("shop", FinishedDiff())
    (shop.diff(LATER) / "plan.json").write_atomically("{}")
    (shop.diff(earlier_run(1)) / "plan.json").write_atomically("{}")  # given up long ago
    assert view(nights).notes == (f"Run {LATER} was begun and has not finished; what is said here is older.",)


@pytest.mark.parametrize("content", [None, "{}", "no JSON"])
def test_counts_stand_without_a_report(nights: Nights, content: str | None) -> None:
    shop = nights.migration("shop", RICH, reported=False)
    if content is not None:
        (shop.report(RUN) / "report.json").write_atomically(content)
    found = view(nights)
    assert found.run is not None and found.run.details is None
    assert found.run.differences == 11
    assert len(found.notes) == 1 and f"--run {RUN}" in found.notes[0]
    assert "Without the run's report it cannot be said here." in Page(render_overview(seen(nights))).text


def test_samples_and_paths_are_bounded_and_counted(nights: Nights) -> None:
    paths = tuple((f"attribute_{number}", "value", '{"N":"1"}', '{"N":"2"}') for number in range(30))
    planted = [Difference("mismatch", order_key(number), paths=paths) for number in range(5)]
    nights.migration("shop", FinishedDiff(()).planted(*planted))
    run = view(nights).run
    assert run is not None and run.details is not None
    (group,) = run.details.samples
    assert (len(group.samples), group.items) == (SAMPLES_PER_VERDICT, 5)
    assert (len(group.samples[0].paths), group.samples[0].more_paths) == (PATHS_PER_SAMPLE, 30 - PATHS_PER_SAMPLE)
    assert sum(one.places for one in run.details.path_counts) + run.details.more_places == 150


def test_the_repair_command_can_be_pasted_where_it_could_mend_something(nights: Nights) -> None:
    nights.migration("shop", RICH)
    nights.migration("billing", FinishedDiff())
    unmapped = Difference("unmapped", order_key(6), item_type=None, source_size=None)
    nights.migration("strange", FinishedDiff().planted(unmapped))
    mapping = nights.root.with_name("draft-shop") / "shop.yaml"
    commands = {
        one.name: one.run.details.repair_command for one in seen(nights).migrations if one.run and one.run.details
    }
    assert commands == {"shop": f"crossover repair {mapping} --run {RUN}", "billing": "", "strange": ""}


def test_ages_are_told_as_of_the_page(nights: Nights) -> None:
    overview = seen(nights)
    assert overview.age(MADE_AT - timedelta(minutes=59)) == "less than an hour before this page"
    assert overview.age(MADE_AT - timedelta(hours=1)) == "1 hour before this page"
    assert overview.age(MADE_AT - timedelta(hours=47)) == "47 hours before this page"
    assert overview.age(BEGIN - timedelta(days=4)) == "4 days before this page"


def test_the_page_hides_loads_and_runs_nothing(nights: Nights) -> None:
    nights.migration("shop", RICH)
    html = render_overview(seen(nights))
    page = Page(html)
    assert SECRET_KEY not in html and "•••" in html
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "form"}
    assert "://" not in html and "url(" not in html
    assert all(one.get("scope") in {"row", "col"} for one in page.all("th"))


def test_whoever_writes_last_has_seen_everything(nights: Nights) -> None:
    """Another verification ends between this one's look and its write, and has written the page before it."""
    nights.migration("shop", FinishedDiff())
    looks = count(1)

    def now() -> datetime:
        if next(looks) == 2:
            nights.migration("billing", FinishedDiff())
        return MADE_AT

    page, shown = write_overview(nights.place, now)
    assert [one.name for one in shown.migrations] == ["billing", "shop"]
    assert "All 2 migrations are consistent" in page.read_text()


def test_a_page_that_cannot_be_written_is_a_warning(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    (nights.root / "index.html").mkdir()
    with caplog.at_level(logging.WARNING):
        refresh_overview(nights.place)
    (record,) = caplog.records
    assert "was not refreshed" in record.getMessage()


@pytest.mark.parametrize("where", ["index.html", f"shop/reports/{RUN}/index.html"])
def test_hostile_keys_break_no_page(nights: Nights, where: str) -> None:
    nights.migration("shop", HOSTILE)
    refresh_overview(nights.place)
    html = (nights.place / where).read_text()
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert [char for char in html if not char.isprintable() and char != "\n"] == []
    assert "K" * 200 not in html and "characters)" in page.text


def test_hostile_keys_can_be_seen(nights: Nights) -> None:
    nights.migration("shop", HOSTILE)
    text = Page((nights.place / f"shop/reports/{RUN}/index.html").read_text()).text
    assert "<script>alert('key')</script>" in text
    assert "\\u202Egnp.exe\\u2066" in text
    assert "\\u0000\\u0007\\u001b[31m" in text
    assert TEMPLATE in text
