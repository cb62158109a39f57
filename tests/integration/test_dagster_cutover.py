"""The check `cutover_readiness`: silent before the cut-over is begun, then a warning for each gate that is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from dagster_defs.check import Newest
from dagster_defs.checks import migration_checks
from dagster_defs.cutover import cutover_checks
from pipelines.cutover.kept import Status, keep_status, kept_status
from pipelines.cutover.record import begin, enter, read_standing
from pipelines.cutover.states import Standing, State
from pipelines.migration import Migration
from pipelines.routing.stage import Stage
from tests.planted_evidence import Planted

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

ASSETS = ("capture", "snapshot", "records", "backfill", "dump", "diff", "report")
MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items: {customer: {table: shop, from: customers, key: {pk: "C#{customer_id}"}}}
"""


@pytest.fixture
def shop(dynamodb_environment: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """Without a source: what it would tell is unknown."""
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    monkeypatch.delenv("CROSSOVER_SOURCE_URL", raising=False)
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return Planted(Migration.open(path), "")


def look(shop: Planted) -> dg.AssetCheckEvaluation:
    """As Dagster runs it beside the report."""
    report = dg.AssetKey(["shop", "report"])
    chosen = dg.AssetSelection.checks(dg.AssetCheckKey(report, "cutover_readiness"))
    definitions = dg.Definitions(
        assets=[dg.AssetSpec(dg.AssetKey(["shop", one])) for one in ASSETS],
        asset_checks=migration_checks(shop.migration.mapping, shop.migration.path),
        jobs=[dg.define_asset_job("one", chosen)],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        ran = definitions.resolve_job_def("one").execute_in_process(instance=instance)
    (found,) = ran.get_asset_check_evaluations()
    return found


def enter_now(shop: Planted, state: State) -> None:
    enter(shop.table, read_standing(shop.table), state, shop.migration.mapping_hash, (), datetime.now(UTC))


def test_a_role_that_may_not_read_the_control_table_is_told_once_there_is_a_cut_over(shop: Planted) -> None:
    newest, report = Newest(shop.migration), dg.AssetKey(["shop", "report"])
    (check,) = cutover_checks()
    shop.table.create()
    shop.table.client.put_item(TableName=shop.table.name, Item={"pk": {"S": "cutover"}, "sk": {"S": "state"}})
    found = check.result(report, newest)
    assert found.passed and "skipped: no cut-over is known here" in str(found.description)
    status = Status("shop", datetime.now(UTC), Standing(State.ASSESSED), State.CAPTURED, (), ())
    keep_status(shop.migration.folder, status)
    found = check.result(report, newest)
    assert not found.passed and "could not be checked" in str(found.description)


def test_it_warns_of_what_is_missing_from_the_first_state_to_the_last(shop: Planted) -> None:
    found = look(shop)
    assert (found.passed, found.description) == (True, "the cut-over has not been begun")
    assert kept_status(shop.migration.folder) is None

    shop.table.create()
    shop.query("by_id", Stage.SHADOW)
    enter_now(shop, State.VERIFIED)
    found = look(shop)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description is not None
    assert found.description.startswith("verified, next reads_shadowed: capture_whole: CROSSOVER_SOURCE_URL is not set")
    assert found.metadata["gates_missing"].value == 3
    page = (shop.migration.folder.root.parent / "index.html").read_text()
    assert "<svg" in page and "by_id" in page and "reads shadowed" in page

    begin(shop.table, read_standing(shop.table), State.READS_SHADOWED, "h", (), datetime.now(UTC))
    found = look(shop)
    assert found.description is not None and "was begun and has not ended" in found.description

    enter_now(shop, State.DECOMMISSIONED)
    assert look(shop).passed
    kept = kept_status(shop.migration.folder)
    assert kept is not None
    assert (kept.standing.state, kept.gates) == (State.DECOMMISSIONED, ())
