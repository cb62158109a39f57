"""Draining by Dagster: the job, its configuration, and its schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_defs.relay_drain import drain_schedule, is_under_way, relay_drain
from pipelines.source.ledger.health import set_paused
from tests.captured_shop import captured
from tests.delivered_shop import MAPPING, SCHEMA, Delivering, assert_equal_stores, put, stored, tables

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    shop = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    shop.run("INSERT INTO orders VALUES (1, 1)")
    return shop


def drained(shop: Delivering, **config: Any) -> dg.ExecuteInProcessResult:
    job = relay_drain("small", shop.shop.migration.path)
    given = {"ops": {"small_relay_drain_all": {"config": config}}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, run_config=given, raise_on_error=False)


def test_the_job_drains_unless_relays_are_paused(shop: Delivering) -> None:
    with shop.session() as session:
        set_paused(session, True)
        told = observed(drained(shop))
        assert (told["undelivered"], told["paused"]) == (1, True)
        assert stored("orders") == {}
        set_paused(session, False)
    told = observed(drained(shop, lease_seconds=20))
    assert (told["written"], told["undelivered"], told["lag_seconds"], told["paused"]) == (1, 0, 0.0, False)
    assert_equal_stores(shop)


def observed(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What the run says of the asset `capture`."""
    assert result.success
    (event,) = [event for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION]
    observation = event.asset_observation_data.asset_observation
    assert observation.asset_key == dg.AssetKey(["small", "capture"])
    return {name: entry.value for name, entry in observation.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    told = event.step_failure_data.user_failure_data
    assert told is not None
    return told.description or ""


def test_what_was_set_apart_fails_the_run_in_one_line(shop: Delivering) -> None:
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "note": {"S": "theirs"}})
    assert failure(drained(shop)).startswith("1 items were set apart: conflict")


def test_configuration_is_typed_and_a_lease_has_bounds(shop: Delivering) -> None:
    assert "lease" in failure(drained(shop, lease_seconds=301))
    with pytest.raises(dg.DagsterInvalidConfigError):
        drained(shop, lease_seconds="long")


def test_the_schedule_is_off_until_it_is_wanted(tmp_path: Path) -> None:
    schedule = drain_schedule(relay_drain("small", tmp_path / "small.yaml"))
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_drain_that_waits_or_runs_is_under_way_until_it_has_ended(tmp_path: Path) -> None:
    job = relay_drain("small", tmp_path / "small.yaml")
    with dg.DagsterInstance.ephemeral() as instance:
        assert not is_under_way(instance, job)
        run = instance.create_run_for_job(job)
        assert is_under_way(instance, job)
        instance.report_run_failed(run)
        assert not is_under_way(instance, job)
