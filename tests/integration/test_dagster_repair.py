"""The job that repairs: it says what it would do, and does it only where the migration's name confirms it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_defs.repair_job import Named, repair_job
from pipelines.repair.askable import ASKABLE
from tests.captured_shop import captured
from tests.delivered_shop import MAPPING, SCHEMA, Delivering, assert_equal_stores, put, tables
from tests.repaired_shop import everything, filled, of_order, plant, quick_clients, run_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("quick_clients"),
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]
__all__ = ["quick_clients"]


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    return tables(captured(database_url, tmp_path, SCHEMA, MAPPING + "checks: {settle_seconds: 0}\n"))


def launched(shop: Delivering, **config: Any) -> dg.ExecuteInProcessResult:
    given = {"ops": {"small_repair_run": {"config": config}}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        job = repair_job("small", shop.shop.migration.path)
        return job.execute_in_process(instance=instance, run_config=given, raise_on_error=False)


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What the run says of the asset `diff`."""
    assert result.success
    (event,) = [event for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION]
    observation = event.asset_observation_data.asset_observation
    assert observation.asset_key == dg.AssetKey(["small", "diff"])
    return {name: getattr(entry, "value", entry) for name, entry in observation.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failed = event.step_failure_data.user_failure_data
    assert failed is not None
    return failed.description or ""


def test_it_plans_then_applies_then_takes_back(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run_of(shop.shop)
    run = run_of(shop.shop)  # the newest is taken
    before = everything()
    plan = told(launched(shop))
    assert (plan["repair"], plan["run_id"], plan["judged"], plan["repairable"]) == ("planned", run, 11, 11)
    rows = [record.data for record in plan["sample"].records]
    assert {row["verdict"] for row in rows} == {"ahead", "extra", "mismatch", "missing", "stale"}
    named = told(launched(shop, verdicts=["missing", "stale"]))
    assert (named["repairable"], named["not_repairable"], named["reasons"]) == (2, 9, {"not asked for": 9})
    assert not launched(shop, apply=True, confirm="other").success
    assert everything() == before

    applied = told(launched(shop, apply=True, confirm="small"))
    assert (applied["repair"], applied["repaired"], applied["failed"]) == ("applied", 11, 0)
    assert_equal_stores(shop)

    undone = told(launched(shop, undo=True, confirm="small", run=run))
    assert (undone["repair_id"], undone["undone"], undone["left"]) == (applied["repair_id"], 11, 0)
    assert everything() == before


def test_why_not_is_said_in_the_words_of_the_configuration(shop: Delivering) -> None:
    filled(shop)
    put("orders", {**of_order(98), "note": {"S": "somebody's"}})
    run_of(shop.shop)
    assert told(launched(shop))["reasons"] == {"not written by Crossover; only with `verdicts: [foreign]`": 1}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"apply": True}, "apply: nothing was done; write the migration's name into `confirm`, small"),
        ({"apply": True, "confirm": "Small"}, "apply: nothing was done"),
        ({"undo": True}, "undo: nothing was done"),
        ({"apply": True, "undo": True, "confirm": "small"}, "apply and undo: only one of them"),
        ({"undo": True, "verdicts": ["stale"], "confirm": "small"}, "verdicts: not with undo"),
        ({}, "nothing finished here yet; materialize `diff` first"),
        ({"run": "r9"}, "no such run"),
    ],
)
def test_what_cannot_be_done_or_is_not_confirmed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], problem: str
) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    path = tmp_path / "small.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    given = {"ops": {"small_repair_run": {"config": config}}}
    with dg.DagsterInstance.ephemeral() as instance:
        job = repair_job("small", path)
        result = job.execute_in_process(instance=instance, run_config=given, raise_on_error=False)
    assert problem in failure(result)
    assert "\n" not in failure(result)


@pytest.mark.parametrize("config", [{"verdicts": ["match"]}, {"apply": "yes"}, {"keys": []}])
def test_configuration_is_typed(tmp_path: Path, config: dict[str, Any]) -> None:
    job = repair_job("small", tmp_path / "small.yaml")
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.DagsterInvalidConfigError):
        job.execute_in_process(instance=instance, run_config={"ops": {"small_repair_run": {"config": config}}})


def test_every_verdict_that_can_be_asked_for_can_be_named() -> None:
    assert {one.value for one in Named} == {verdict.value for verdict in ASKABLE}
