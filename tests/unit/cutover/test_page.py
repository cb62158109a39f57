"""The cut-over on the page over all migrations: as it was kept in the warehouse, and nothing asked for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from expectations.cutover_charts import HEIGHT, SLOT, WIDTH, charts_of
from expectations.overview_data import MigrationView
from expectations.overview_gather import gather_overview
from expectations.render_html import render_overview
from pipelines.cutover.evidence import Hour, QuerySeen
from pipelines.cutover.gates import gates_before
from pipelines.cutover.kept import FILE, FOLDER, Status, keep_status, kept_status
from pipelines.cutover.readings import HourRead, QueryRead, Seconds, query_read
from pipelines.cutover.states import Standing, State
from pipelines.cutover.thresholds import Thresholds
from pipelines.errors import WarehouseError
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.place import Place
from tests.unit.cutover.good_evidence import NOW, good, query, with_query
from tests.unit.expectations.finished_diff import FinishedDiff
from tests.unit.expectations.history import Nights
from tests.unit.expectations.page import Page

pytestmark = pytest.mark.unit

HOUR = timedelta(hours=1)
WHOLE = NOW.replace(minute=0)


@pytest.fixture
def folder(tmp_path: Path) -> MigrationFolder:
    (tmp_path / "warehouse").mkdir()
    return Nights(tmp_path / "warehouse").migration("shop", FinishedDiff())


def status(before: State = State.READS_SHADOWED, name: str = "orders") -> Status:
    seen = query(name, calls=50, shadow_mismatches=3)
    evidence = with_query(seen)(good(before))
    standing = Standing([*State][before.rank - 1], NOW - timedelta(days=3), "ada", "h", None, 7)
    gates = gates_before(before, evidence, Thresholds())
    return Status("shop", NOW, standing, before, gates, (query_read(seen),))


def view(folder: MigrationFolder) -> MigrationView:
    (found,) = gather_overview(folder.root.parent, NOW).migrations
    return found


def page(folder: MigrationFolder) -> Page:
    return Page(render_overview(gather_overview(folder.root.parent, NOW)))


def test_it_comes_back_as_it_was_kept(folder: MigrationFolder) -> None:
    assert kept_status(folder) is None
    for kept in (status(), Status("shop", NOW, Standing(), State.ASSESSED, (), ())):
        keep_status(folder, kept)
        assert kept_status(folder) == kept


@pytest.mark.parametrize("text", ["", "{}", '{"migration": "shop"', '{"standing": 1}'])
def test_what_cannot_be_read_is_said_and_spoils_nothing(folder: MigrationFolder, text: str) -> None:
    (folder.root / FOLDER / FILE).write_atomically(text)
    with pytest.raises(WarehouseError, match="damaged"):
        kept_status(folder)
    found = view(folder)
    assert found.cutover is None and found.run is not None
    assert [note.startswith("Its cut-over cannot be shown") for note in found.notes] == [True]


def test_a_migration_without_one_shows_none(folder: MigrationFolder) -> None:
    assert view(folder).cutover is None
    shown = page(folder)
    assert "Cut-over" not in shown.text and "Gate" not in shown.text


def test_state_gates_and_remedies_are_shown(folder: MigrationFolder) -> None:
    keep_status(folder, status())
    shown = page(folder)
    found = view(folder).cutover
    assert found is not None
    assert (found.state, found.following, found.missing, len(found.gates)) == ("verified", "reads_shadowed", 1, 4)
    assert [one.standing for one in found.states] == ["done"] * 3 + ["now"] + ["to come"] * 5
    assert "1 gate of 4 not passed" in shown.text
    assert "`crossover route shop.yaml` shows each query's figures" in shown.text
    assert "since 2026-12-07 09:30 UTC by ada" in shown.text


def test_a_step_that_has_not_ended_is_shown(folder: MigrationFolder) -> None:
    kept = status()
    keep_status(folder, replace(kept, standing=replace(kept.standing, moving=State.READS_SHADOWED), gates=()))
    assert "The step to reads shadowed was begun and has not ended." in page(folder).text


def test_the_page_stays_whole_with_a_hostile_name(folder: MigrationFolder) -> None:
    keep_status(folder, status(name="<script>alert('q')</script>\u202e"))
    html = render_overview(gather_overview(folder.root.parent, NOW))
    shown = Page(html)
    assert not {tag for tag, _ in shown.tags} & {"script", "img"}
    assert "<script>alert('q')</script>\\u202E" in shown.text
    assert "\u202e" not in html
    assert "://" not in html and "url(" not in html


def read(ago: int, calls: int = 10, compared: int = 0, mismatches: int = 0, p50: float | None = None) -> HourRead:
    return HourRead(WHOLE - ago * HOUR, calls, compared, mismatches, Seconds(p50, p50), Seconds(None, None))


def test_bars_stand_where_their_hour_is_and_as_high_as_they_are_many() -> None:
    charts = charts_of(QueryRead("q", "shadow", (read(72), read(71, 5), read(1, 20), read(0, 10))), NOW)
    assert [(bar.x, bar.height) for bar in charts.calls] == [
        (0, (HEIGHT - 2) / 4),
        (WIDTH - 2 * SLOT, HEIGHT - 2),
        (WIDTH - SLOT, (HEIGHT - 2) / 2),
    ]
    assert all(round(bar.y + bar.height, 6) == HEIGHT for bar in charts.calls)
    assert (charts.most_calls, charts.total_calls) == (20, 35)
    assert charts.calls[1].words == "10 Dec 08:00: 20 calls"


def test_the_share_of_mismatches_is_of_what_was_compared() -> None:
    hours = (read(3, 100, 0), read(2, 100, 50, 5), read(1, 100, 1_000, 1), read(0, 100, 10))
    charts = charts_of(QueryRead("q", "shadow", hours), NOW)
    assert [(bar.x, bar.height) for bar in charts.mismatches] == [
        (WIDTH - 3 * SLOT, HEIGHT - 2),
        (WIDTH - 2 * SLOT, 1.5),
    ]
    assert (charts.most_share, charts.compared, charts.differ) == (0.1, 1_060, 6)


def test_durations_are_lines_without_bridges_over_hours_without_calls() -> None:
    hours = (read(9, p50=1e-4), read(8, p50=10.0), read(7), read(5, p50=0.0316), read(4, p50=99.0))
    (p50, p99) = charts_of(QueryRead("q", "shadow", hours), NOW).lines
    assert (p50.name, p50.quantile, p99.quantile) == ("rds", "p50", "p99")
    right = WIDTH - SLOT
    assert p50.points == (
        f"{right - 9 * SLOT},{HEIGHT - 1.0} {right - 8 * SLOT},1.0 {right - 7 * SLOT},1.0",
        f"{right - 5 * SLOT},24.0 {right - 4 * SLOT},1.0 {right - 3 * SLOT},1.0",
    )


def test_nothing_seen_is_drawn_as_nothing() -> None:
    charts = charts_of(QueryRead("q", "rds", ()), NOW)
    assert (charts.calls, charts.mismatches, charts.lines, charts.most_calls, charts.most_share) == ((), (), (), 0, 0.0)


def test_an_hour_adds_up_both_stores_and_both_ways_of_asking_dynamodb() -> None:
    counts = Counter({"rds_answers": 7, "dynamodb_answers": 3, "candidate_answers": 6, "shadow_compared": 6})
    durations = {"rds": Counter({8: 7}), "candidate": Counter({4: 6}), "dynamodb": Counter({40: 3})}
    (hour,) = query_read(QuerySeen("q", "canary", False, None, (Hour(WHOLE, counts, durations),))).hours
    assert (hour.calls, hour.compared) == (10, 6)
    assert hour.rds == Seconds(4e-4, 4e-4)
    assert hour.dynamodb.p50 == 2e-4
    assert hour.dynamodb.p99 == pytest.approx(0.1024)


def test_the_place_is_beside_the_runs(folder: MigrationFolder) -> None:
    keep_status(folder, status())
    assert (Place.of(str(folder.root)) / "cutover" / "status.json").is_file()
