"""What the graph says of itself: owners, the mapping, tags and pools; and a mapping that cannot be loaded."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import dagster as dg
import pytest

from dagster_defs import prune_job as prune_module
from dagster_defs import step
from dagster_defs.definitions import definitions_of
from dagster_defs.mapping_metadata import PAGES
from dagster_defs.migrations import Broken, find_migrations
from dagster_defs.prune_job import prune_job
from dagster_defs.verify_job import STAGES
from pipelines.errors import UsageError
from pipelines.migration import Migration
from pipelines.retention.prune import PrunePlan
from tests.finished_stages import open_migration

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

NOTES = """\
migration: my-notes
target: {tables: {notes: {partition_key: {name: pk, type: S}}}}
items: {note: {table: notes, from: notes, key: {pk: "NOTE#{note_id}"}}}  # ```
"""
NOTHING = PrunePlan((), (), 0)
JOBS = ("backfill", "verify", "repair", "relay_drain", "prune", "assess")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "notes.yaml").write_text(NOTES, encoding="utf-8")
    return path


def test_each_asset_shows_the_mapping_and_a_page_that_there_is(folder: Path) -> None:
    graph = definitions_of(find_migrations(folder)).resolve_asset_graph()
    assert {key.path[-1] for key in graph.get_all_asset_keys()} == PAGES.keys()
    for key in graph.get_all_asset_keys():
        shown = {name: value.value for name, value in graph.get(key).metadata.items() if hasattr(value, "value")}
        assert shown["mapping"] == f"````yaml\n{NOTES}\n````"
        assert shown["mapping_path"] == str(folder / "notes.yaml")
        assert len(str(shown["mapping_hash"])) == 64
        assert (Path(__file__).parents[2] / str(shown["documentation"])).is_file()


def test_owners_are_those_of_the_setting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_OWNERS", "team:data-base, ann@example.org,")
    graph = definitions_of(find_migrations(folder)).resolve_asset_graph()
    assert list(graph.get(dg.AssetKey(["my-notes", "diff"])).owners) == ["team:data-base", "ann@example.org"]


@pytest.mark.parametrize("name", ["ann", "team:", "team:data base", "ann@", "ann@example"])
def test_who_is_no_owner_is_named_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CROSSOVER_OWNERS", f"team:data,{name}")
    with pytest.raises(UsageError, match=f"^CROSSOVER_OWNERS: '{name}' is no owner"):
        definitions_of(find_migrations(folder))


def test_jobs_are_tagged_bounded_and_said_to_be_the_migrations(folder: Path) -> None:
    definitions = definitions_of(find_migrations(folder))
    for job in JOBS:
        found = definitions.resolve_job_def(f"my_notes_{job}")
        assert (found.tags["crossover/migration"], found.tags["crossover/job"]) == ("my-notes", job)
        assert int(found.tags["dagster/max_runtime"]) >= 3600
        assert (found.description or "").startswith("my-notes: ")


def test_every_step_is_in_the_pool_of_its_stage(folder: Path) -> None:
    definitions = definitions_of(find_migrations(folder))
    nodes = [node for job in JOBS for node in definitions.resolve_job_def(f"my_notes_{job}").nodes]
    ops = [node.definition for node in nodes if not node.name.endswith("_checks")]
    pools = {op.pool for op in ops if isinstance(op, dg.OpDefinition)}
    assert pools == {
        f"my_notes_{stage}" for stage in (*STAGES, "backfill", "repair", "relay_drain", "prune", "assessment")
    }


def test_verify_checks_all_that_it_makes_and_what_it_does_not_make(folder: Path) -> None:
    job = definitions_of(find_migrations(folder)).resolve_job_def("my_notes_verify")
    checked = {node.name for node in job.nodes if node.name.endswith("_checks")}
    assets = ("capture", "snapshot", "records", "backfill", "dump", "diff")
    assert {f"my_notes_{asset}_checks" for asset in assets} <= checked
    assert job.partitions_def is None  # the backfill's would ask for a partition to be chosen


def test_a_second_migration_needs_no_more_than_its_file(folder: Path) -> None:
    before = definitions_of(find_migrations(folder)).resolve_asset_graph().get_all_asset_keys()
    (folder / "more.yaml").write_text(NOTES.replace("my-notes", "more"), encoding="utf-8")
    definitions = definitions_of(find_migrations(folder))
    added = definitions.resolve_asset_graph().get_all_asset_keys() - before
    assert {key.path[0] for key in added} == {"more"}
    assert len(added) == len(before)
    assert definitions.resolve_job_def("more_verify")


def test_what_cannot_be_loaded_is_an_asset_whose_check_fails(folder: Path) -> None:
    for name in ("a-b", "a_b", "what else?"):
        (folder / f"{name}.yaml").write_text("migration: [", encoding="utf-8")
    (folder / "too-like.yaml").write_text(NOTES.replace("my-notes", "my_notes"), encoding="utf-8")
    found = find_migrations(folder)
    broken = {one.path.stem: one.problem for one in found if isinstance(one, Broken)}
    assert broken.keys() == {"a-b", "a_b", "what else?", "too-like"}
    definitions = definitions_of(found)
    assert dg.AssetKey(["my-notes", "diff"]) in definitions.resolve_asset_graph().get_all_asset_keys()
    job = definitions.resolve_implicit_global_asset_job_def()
    chosen = [key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key.path[0] == "broken"]
    result = job.get_subset(asset_check_selection=set(chosen)).execute_in_process()
    checks = {check.asset_key.path[-1]: check for check in result.get_asset_check_evaluations()}
    assert checks.keys() == {"a_b", "a_b_2", "what_else_", "too_like"}
    assert {check.description for check in checks.values()} == set(broken.values())
    assert not any(check.passed for check in checks.values())


def test_either_ending_of_yaml_will_do(folder: Path) -> None:
    (folder / "more.yml").write_text(NOTES.replace("my-notes", "more"), encoding="utf-8")
    for ending in ("yaml", "yml"):
        (folder / f"bad.{ending}").write_text("migration: [", encoding="utf-8")
    found = find_migrations(folder)
    assert [one.path.name for one in found] == ["bad.yaml", "bad.yml", "more.yml", "notes.yaml"]
    keys = definitions_of(found).resolve_asset_graph().get_all_asset_keys()
    assert {key.path[-1] for key in keys if key.path[0] == "broken"} == {"bad", "bad_2"}
    assert dg.AssetKey(["more", "diff"]) in keys


@pytest.mark.parametrize("name", ["my-notes-whole", "my-notes_", "my-notes-backfill", "my-notes-relay", "broken"])
def test_a_name_that_begins_as_anothers_takes_nobody_down(folder: Path, name: str) -> None:
    (folder / "other.yaml").write_text(NOTES.replace("my-notes", name), encoding="utf-8")
    (folder / "snapshot.yaml").write_text("migration: [", encoding="utf-8")
    definitions = definitions_of(find_migrations(folder))
    definitions.get_repository_def().load_all_definitions()
    assert definitions.resolve_job_def("my_notes_backfill")
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey([name, "backfill"]) in keys or dg.AssetKey(["broken", "mapping", "other"]) in keys


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migration:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.setattr(step, "RETRY_SECONDS", 0.01)
    return open_migration(NOTES, tmp_path, tmp_path / "warehouse")


@pytest.mark.parametrize(("error", "calls"), [(OSError("the disk"), 2), (UsageError("yours to mend"), 1)])
def test_what_no_stage_knows_is_tried_again_and_a_users_error_never(
    migration: Migration, monkeypatch: pytest.MonkeyPatch, error: Exception, calls: int
) -> None:
    seen: list[Migration] = []

    def fails_once(migration: Migration) -> PrunePlan:
        seen.append(migration)
        if len(seen) == 1:
            raise error
        return NOTHING

    monkeypatch.setattr(prune_module, "plan_prune", fails_once)
    with dg.DagsterInstance.ephemeral() as instance:
        result = prune_job("my-notes", migration.path).execute_in_process(instance=instance, raise_on_error=False)
    assert (len(seen), result.success) == (calls, calls == 2)


def test_two_runs_of_a_stage_wait_for_one_another(
    migration: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "plan_prune", lambda _: NOTHING)
    job = prune_job("my-notes", migration.path)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        slots = instance.event_log_storage
        slots.set_concurrency_slots("my_notes_prune", 1)
        first = instance.create_run_for_job(job)
        assert slots.claim_concurrency_slot("my_notes_prune", first.run_id, "a step").is_claimed
        second: list[dg.ExecuteInProcessResult] = []
        thread = threading.Thread(target=lambda: second.append(job.execute_in_process(instance=instance)))
        thread.start()
        while not any("blocked by limit for pool my_notes_prune" in line for line in said(instance)):
            assert thread.is_alive()
            time.sleep(0.05)
        slots.free_concurrency_slots_for_run(first.run_id)
        thread.join(60)
    assert second[0].success


def said(instance: dg.DagsterInstance) -> list[str]:
    return [record.user_message for run in instance.get_runs() for record in instance.all_logs(run.run_id)]
