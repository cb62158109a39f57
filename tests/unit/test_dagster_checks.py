"""The asset checks that look into the warehouse: each red for its own fault, and for no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_defs.check import Check, Newest
from dagster_defs.check_accounts import (
    accounts_check,
    backfill_accounts,
    diff_accounts,
    dump_accounts,
    records_accounts,
    snapshot_accounts,
)
from dagster_defs.check_source import rejects_check
from dagster_defs.check_verdicts import diff_checks, item_type_names
from dagster_defs.checks import migration_checks
from dagster_defs.freshness import Verification, due_by_now, freshness, newest_verification
from expectations.links import PAGE
from pipelines.mapping.checks_model import Checks
from pipelines.migration import Migration
from pipelines.warehouse.layout import MANIFEST, read_manifest, write_manifest
from pipelines.warehouse.manifest import SnapshotManifest, TableCounts
from pipelines.warehouse.place import Place
from tests.on_disk import on_disk
from tests.unit.expectations.finished_diff import (
    BACKFILL,
    BEGIN,
    DUMP,
    MAPPING,
    REJECTED,
    RUN,
    SNAPSHOT,
    Difference,
    FinishedDiff,
    order_key,
)

pytestmark = pytest.mark.unit

ROWS = {"public.customers": 4, "public.orders": 40, "public.order_items": 90}
ACCOUNTS = {
    "snapshot": snapshot_accounts,
    "records": records_accounts,
    "backfill": backfill_accounts,
    "dump": dump_accounts,
    "diff": diff_accounts,
}
ALL_ERRORS = {"mismatch", "missing", "stale", "extra", "ahead", "foreign"}


def results(migration: Migration, checks: list[Check]) -> dict[str, dg.AssetCheckResult]:
    newest = Newest(migration)
    return {check.name: check.result(dg.AssetKey(["shop", "diff"]), newest) for check in checks}


def red(migration: Migration) -> set[str]:
    found = results(migration, diff_checks(migration.mapping))
    return {name for name, result in found.items() if not result.passed}


def planted(verdict: str) -> FinishedDiff:
    item_type = None if verdict == "unmapped" else "order"
    return FinishedDiff().planted(Difference(verdict, order_key(1), item_type=item_type))


@pytest.mark.parametrize("verdict", sorted(ALL_ERRORS))
def test_each_verdict_has_a_check_and_spoils_its_item_type(tmp_path: Path, verdict: str) -> None:
    assert red(planted(verdict).write(tmp_path)) == {"consistent", f"no_{verdict}", "order_consistent"}


def test_what_is_unmapped_spoils_no_item_type(tmp_path: Path) -> None:
    assert red(planted("unmapped").write(tmp_path)) == {"consistent", "no_unmapped"}


@pytest.mark.parametrize("verdict", ["pending", "in_flight"])
def test_what_is_under_way_is_a_warning_for_its_item_type(tmp_path: Path, verdict: str) -> None:
    migration = planted(verdict).write(tmp_path)
    found = results(migration, diff_checks(migration.mapping))
    wrong = {name: result.severity for name, result in found.items() if not result.passed}
    warned = {f"no_{verdict}", "order_consistent"}
    assert wrong == {"consistent": dg.AssetCheckSeverity.ERROR} | dict.fromkeys(warned, dg.AssetCheckSeverity.WARN)


def test_names_keep_their_capitals(tmp_path: Path) -> None:
    described = {check.name: check.description for check in diff_checks(FinishedDiff().write(tmp_path).mapping)}
    assert described["no_missing"] == "Missing in DynamoDB: no item is."


def test_only_what_is_open_or_accepted_is_a_warning(tmp_path: Path) -> None:
    found = results(FinishedDiff().write(tmp_path), diff_checks(FinishedDiff().write(tmp_path).mapping))
    warnings = {name for name, result in found.items() if result.severity is dg.AssetCheckSeverity.WARN}
    assert warnings == {"no_pending", "no_in_flight", "no_accepted"}
    assert all(result.passed for result in found.values())


def test_what_is_pending_in_a_consistent_run_is_not_late(tmp_path: Path) -> None:
    pending = Difference("pending", order_key(1))
    assert red(FinishedDiff((*REJECTED, pending)).write(tmp_path)) == set()


@pytest.mark.parametrize(
    ("threshold", "names"), [("", {"no_accepted"}), (", accepted: 0", {"no_accepted"}), (", accepted: 1", set())]
)
def test_what_is_accepted_warns_until_the_mapping_says_how_much_may_be(
    tmp_path: Path, threshold: str, names: set[str]
) -> None:
    accepted = Difference("accepted", order_key(1))
    mapping = MAPPING.replace("rejected: 2", f"rejected: 2{threshold}")
    assert red(FinishedDiff((*REJECTED, accepted)).write(tmp_path, mapping)) == names


def test_a_check_says_how_many_of_what_and_what_to_do(tmp_path: Path) -> None:
    migration = planted("missing").write(tmp_path)
    missing = results(migration, diff_checks(migration.mapping))["no_missing"]
    assert missing.description == (
        "1 missing: order 1. Next: launch the job shop_repair, or "
        f"`crossover repair {migration.path} --run {RUN}`: both say first what they would do"
    )
    assert missing.metadata is not None
    assert [missing.metadata[name].value for name in ("items", "items order", "items customer")] == [1, 1, 0]
    assert str(missing.metadata["report"].value).endswith(f"/reports/{RUN}/index.html")


@pytest.mark.parametrize("verdict", sorted(ALL_ERRORS | {"unmapped", "pending", "in_flight"}))
def test_every_red_check_says_what_to_do_in_one_line(tmp_path: Path, verdict: str) -> None:
    migration = planted(verdict).write(tmp_path)
    for name in red(migration):
        description = results(migration, diff_checks(migration.mapping))[name].description or ""
        assert re.fullmatch(r"[^\n]+\. Next: [^\n]+", description), name


def test_a_sample_is_not_enough_unless_the_mapping_says_so(tmp_path: Path) -> None:
    half = FinishedDiff(coverage=0.5)
    assert red(half.write(tmp_path)) == {"coverage_complete"}
    assert red(half.write(tmp_path, MAPPING.replace("checks: {", "checks: {coverage: 0.5, "))) == set()


@pytest.mark.parametrize(("allowed", "passed"), [(2, True), (1, False)])
def test_rejects(tmp_path: Path, allowed: int, passed: bool) -> None:
    migration = FinishedDiff().write(tmp_path, MAPPING.replace("rejected: 2", f"rejected: {allowed}"))
    result = results(migration, [rejects_check()])["rejects_within_threshold"]
    assert result.passed is passed
    assert (result.description or "").startswith(f"2 rejected, {allowed} allowed: number_out_of_range 1")


@pytest.fixture
def whole(tmp_path: Path) -> Migration:
    """Its snapshot has files."""
    migration = FinishedDiff().write(tmp_path)
    folder = migration.folder.snapshot(SNAPSHOT)
    tables = {}
    for name, rows in ROWS.items():
        (on_disk(folder) / name).mkdir()
        pq.write_table(pa.table({"n": range(rows)}), on_disk(folder) / name / "0.parquet")
        tables[name] = TableCounts(rows=rows, bytes=900, files=(f"{name}/0.parquet",))
    manifest = read_manifest(folder, SnapshotManifest).model_copy(update={"tables": tables})
    write_manifest(folder, manifest)
    return migration


def unbalanced(migration: Migration) -> dict[str, str]:
    """By stage, what its check says."""
    found = {stage: results(migration, [accounts_check(stage, of)]) for stage, of in ACCOUNTS.items()}
    one_each = {stage: result["accounts_balance"] for stage, result in found.items()}
    return {stage: result.description or "" for stage, result in one_each.items() if not result.passed}


def tampered(place: Place, old: str, new: str) -> None:
    text = (place / MANIFEST).read_text()
    assert text.count(old) == 1, old
    (place / MANIFEST).write_atomically(text.replace(old, new))


def test_accounts_balance(whole: Migration) -> None:
    assert unbalanced(whole) == {}


@pytest.mark.parametrize(
    ("stage", "tamper", "said"),
    [
        (
            "records",
            lambda folder: tampered(folder.records(SNAPSHOT), '"filtered": 3', '"filtered": 2'),
            "order: rows of the root table: 40 rows, but 35 records + 2 filtered + 2 rejects",
        ),
        (
            "backfill",
            lambda folder: tampered(folder.backfill(BACKFILL), '"written": 39', '"written": 38'),
            f"backfill {BACKFILL}: 39 records, but 38 written + 0 superseded",
        ),
        (
            "dump",
            lambda folder: tampered(folder.dump(DUMP), '"shop": 35', '"shop": 36'),
            "items read from DynamoDB: 39 items, but 4 accounts + 36 shop",
        ),
        (
            "diff",
            lambda folder: tampered(folder.diff(RUN), '"differences": 2', '"differences": 1'),
            "differences kept: 2 not equal, but 1 differences",
        ),
        (
            "snapshot",
            lambda folder: pq.write_table(
                pa.table({"n": range(39)}), on_disk(folder.snapshot(SNAPSHOT)) / "public.orders" / "0.parquet"
            ),
            "rows of public.orders: 40 rows, but 39 in its files",
        ),
        (
            "snapshot",
            lambda folder: (on_disk(folder.snapshot(SNAPSHOT)) / "public.orders" / "0.parquet").unlink(),
            "could not be checked",
        ),
        *(
            (stage, lambda folder, runs=runs, run=run: cut_in_half(folder.root / runs / run / MANIFEST), "damaged")
            for stage, runs, run in (("backfill", "backfills", BACKFILL), ("diff", "diffs", RUN))
        ),
    ],
)
def test_what_was_changed_after_its_stage_had_ended(
    whole: Migration, stage: str, tamper: Callable[[object], None], said: str
) -> None:
    tamper(whole.folder)
    found = unbalanced(whole)
    assert found.keys() == {stage}
    assert said in found[stage]


def cut_in_half(place: Place) -> None:
    text = place.read_text()
    place.write_atomically(text[: len(text) // 2])


def test_records_that_are_of_fewer_rows_than_the_snapshot_has(whole: Migration) -> None:
    folder = whole.folder.snapshot(SNAPSHOT)
    pq.write_table(pa.table({"n": range(41)}), on_disk(folder) / "public.orders" / "0.parquet")
    tampered(folder, '"rows": 40', '"rows": 41')
    assert unbalanced(whole).keys() == {"records"}


def test_a_backfill_under_way_is_no_fault(tmp_path: Path) -> None:
    migration = FinishedDiff(with_backfill=False).write(tmp_path)
    result = results(migration, [accounts_check("backfill", backfill_accounts)])["accounts_balance"]
    assert (result.passed, result.description) == (True, "nothing finished yet")


def test_names_of_checks_are_names_to_dagster_and_no_two_are_equal() -> None:
    names = item_type_names(["a-b", "a_b", "a_b_2", "größe"])
    assert list(names) == ["a_b_consistent", "a_b_2_consistent", "a_b_2_2_consistent", "gr__e_consistent"]
    assert list(names.values()) == ["a-b", "a_b", "a_b_2", "größe"]


def test_each_check_can_be_run_alone_and_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migration = planted("missing").write(tmp_path)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    diff = dg.AssetKey(["shop", "diff"])
    definitions = dg.Definitions(
        assets=[dg.AssetSpec(diff)],
        asset_checks=migration_checks(migration.mapping, migration.path),
        jobs=[dg.define_asset_job("one", dg.AssetSelection.checks(dg.AssetCheckKey(diff, "no_missing")))],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        ran = definitions.resolve_job_def("one").execute_in_process(instance=instance)
    assert [(one.check_name, one.passed) for one in ran.get_asset_check_evaluations()] == [("no_missing", False)]


NIGHTLY = MAPPING.replace("checks: {", 'checks: {schedule: "0 2 * * *", time_zone: Europe/Zurich, ')


@pytest.mark.parametrize(
    ("schedule", "now", "took", "due"),
    [
        ("0 2 * * *", "2026-11-25T02:59", 0, "2026-11-24T01:00"),  # 01:00 UTC is 02:00 in Zurich
        ("0 2 * * *", "2026-11-25T03:00", 0, "2026-11-25T01:00"),
        ("0 2 * * *", "2026-11-25T03:30", 1, "2026-11-24T01:00"),
        ("0 2 * * *", "2026-11-25T04:00", 1, "2026-11-25T01:00"),
        ("0 2 * * 1-5", "2026-11-22T12:00", 0, "2026-11-20T01:00"),  # a Sunday
        ("0 2 * * *", "2026-07-25T02:00", 0, "2026-07-25T00:00"),  # summer time
    ],
)
def test_which_night_should_be_over(schedule: str, now: str, took: int, due: str) -> None:
    checks = Checks(schedule=schedule, time_zone="Europe/Zurich")
    found = due_by_now(checks, datetime.fromisoformat(f"{now}+00:00"), timedelta(hours=took))
    assert found == datetime.fromisoformat(f"{due}+00:00")


@pytest.mark.parametrize(("hours", "fresh"), [(0, True), (20, False)])
def test_a_night_that_is_missed(tmp_path: Path, hours: int, fresh: bool) -> None:
    migration = FinishedDiff().write(tmp_path, NIGHTLY)
    assert newest_verification(migration.folder) is None  # without its page nobody has been told what it found
    (migration.folder.report(RUN) / PAGE).write_atomically("a page")
    newest = newest_verification(migration.folder)
    finished_at = BEGIN + timedelta(minutes=5, seconds=20)
    assert newest == Verification(RUN, finished_at, finished_at - BEGIN, consistent=True)
    finding = freshness(migration.mapping, newest, BEGIN + timedelta(hours=hours))
    assert finding.passed is fresh
    if not fresh:
        assert finding.description == (
            "the newest verification finished at 2026-11-24 08:55 UTC, there should be one of 2026-11-25 02:00 CET. "
            "Next: look into the runs of the job shop_verify, and launch it"
        )


def test_a_pruned_snapshot_does_not_hide_the_night(tmp_path: Path) -> None:
    migration = FinishedDiff().write(tmp_path, NIGHTLY)
    (migration.folder.report(RUN) / PAGE).write_atomically("a page")
    migration.folder.snapshot(SNAPSHOT).remove_tree()
    newest = newest_verification(migration.folder)
    assert newest is not None
    assert newest.took == timedelta(seconds=20)


def test_where_nothing_was_ever_verified_the_first_night_counts(tmp_path: Path) -> None:
    mapping = FinishedDiff().write(tmp_path, NIGHTLY).mapping
    begun = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert freshness(mapping, None, begun + timedelta(hours=14), begun).passed
    assert not freshness(mapping, None, begun + timedelta(hours=16), begun).passed
    assert not freshness(mapping, None, begun).passed
