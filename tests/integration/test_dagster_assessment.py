"""The asset `assessment`: the stage on the migration's own source, numbers that chart, and a page that is served."""

from __future__ import annotations

import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from dagster_defs.definitions import definitions_of
from dagster_defs.migrations import Found, find_migrations
from dagster_defs.report_server import serving_reports
from dagster_defs.step import REPORTS_URL
from pipelines.assess.design import Design
from pipelines.assess.evidence import Evidence
from pipelines.migration import Migration
from pipelines.retention.prune import prune
from pipelines.warehouse.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

MAPPING = """\
migration: my-shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items: {customer: {table: shop, from: customers, key: {pk: "C#{customer_id}"}}}
retention: {snapshots: 1}
"""
SCHEMA = """\
CREATE TABLE customers (customer_id int PRIMARY KEY, email text);
CREATE TABLE unmapped (id int PRIMARY KEY);
INSERT INTO customers SELECT n, 'n' || n FROM generate_series(1, 50) n;
ANALYZE;
"""


def run(url: str, statements: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statements.encode())


@pytest.fixture
def found(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "shop.yaml").write_text(MAPPING, encoding="utf-8")
    run(database_url, SCHEMA)
    (one,) = find_migrations(tmp_path / "migrations")
    assert isinstance(one, Found)
    return one


def assessed(found: Found) -> dict[str, Any]:
    """What the newest materialisation says."""
    job = definitions_of([found]).resolve_job_def("my_shop_assess")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
    (made,) = result.asset_materializations_for_node("my_shop__assessment")
    return {name: getattr(value, "value", value) for name, value in made.metadata.items()}


def test_it_charts_the_source_and_its_growth(found: Found, database_url: str, tmp_path: Path) -> None:
    first = assessed(found)
    assert (first["tables"], first["rows"], first["rows public.customers"]) == (2, 50, 50)
    assert first["bytes"] == first["bytes public.customers"] > 0
    assert not any(name.startswith("grown") or name.endswith("unmapped") for name in first)
    run(database_url, "INSERT INTO customers SELECT n, 'x' FROM generate_series(51, 80) n; ANALYZE")
    second = assessed(found)
    assert (second["rows"], second["grown_rows"], second["grown_rows public.customers"]) == (80, 30, 30)
    runs = sorted(path.name for path in (tmp_path / "warehouse" / "my-shop" / "assessments").iterdir())
    assert runs == [first["run_id"], second["run_id"]]
    folder = tmp_path / "warehouse/my-shop/assessments" / runs[1]
    evidence = Evidence.model_validate_json((folder / "evidence.json").read_text(encoding="utf-8"))
    grown = {table.growth.days for table in evidence.tables if table.growth is not None}
    assert {second["grown_days"]} == grown
    assert "+30 rows" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_migrations_mapping(found: Found, tmp_path: Path) -> None:
    numbers = assessed(found)
    folder = tmp_path / "warehouse" / "my-shop" / "assessments" / numbers["run_id"]
    design = Design.model_validate_json((folder / "design.json").read_text(encoding="utf-8"))
    draft, own = design.mappings
    assert (own.name, own.mapping) == ("shop.yaml", MAPPING)
    assert (numbers["reads"], numbers["reads_answered"], numbers["warnings"]) == (0, 0, len(own.warnings))
    assert draft.mapping_hash != own.mapping_hash


def test_another_source_and_a_damaged_run_are_passed_over(found: Found, tmp_path: Path) -> None:
    first = assessed(found)
    runs = tmp_path / "warehouse" / "my-shop" / "assessments"
    evidence = (runs / first["run_id"] / "evidence.json").read_text(encoding="utf-8")
    for name, text in (("29990101T000000-a", "{"), ("29990101T000000-b", evidence.replace("127.0.0.1:", "other:"))):
        (runs / name).mkdir()
        (runs / name / "evidence.json").write_text(text, encoding="utf-8")
    assert assessed(found)["grown_rows"] == 0


def test_the_page_is_served_with_its_files(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_reports(Place.of(tmp_path / "warehouse"), 0) as url:
        monkeypatch.setenv(REPORTS_URL, url)
        report = assessed(found)["report"]
        assert report.startswith(f"{url}/my-shop/assessments/")
        for name in ("report.html", "evidence.json", "patterns.json"):
            with urllib.request.urlopen(f"{report.rpartition('/')[0]}/{name}") as answer:
                assert answer.status == 200 and answer.read()


def test_pruning_leaves_assessments(found: Found, tmp_path: Path) -> None:
    assessed(found)
    assert prune(Migration.open(found.path)).removals == ()
    assert len(list((tmp_path / "warehouse" / "my-shop" / "assessments").iterdir())) == 1


def test_no_schedule_makes_it(found: Found) -> None:
    repository = definitions_of([found]).get_repository_def()
    assert {one.job_name for one in repository.schedule_defs} == {"my_shop_relay_drain"}
    verify = repository.get_job("my_shop_verify")
    assert not any("assessment" in node.name for node in verify.nodes)


def test_a_source_that_is_not_there_is_one_line(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", "postgresql://127.0.0.1:1/nowhere")
    job = definitions_of([found]).resolve_job_def("my_shop_assess")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failed = event.step_failure_data.user_failure_data
    assert failed is not None and (failed.description or "").count("\n") == 0
    assert "127.0.0.1:1" in (failed.description or "")
