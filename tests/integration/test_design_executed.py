"""The drafted mapping of two databases, migrated as it stands: each pattern that it is said to answer is executed
against the table by its Reads and gives what PostgreSQL gives for the same SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import boto3
import psycopg
import pytest
from pyspark.sql import SparkSession

from examples.shop.generate import load
from pipelines import cli
from pipelines.assess.assess import Assessment, assess
from pipelines.assess.patterns import PatternClass
from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.tables import create_tables
from pipelines.target.embedded import EmbeddedDynamoDB
from pipelines.warehouse.place import Place
from tests import shop_design_cases
from tests.design_reads import Reader
from tests.executed_design import Migrated, wrong_answers
from tests.rental import SCHEMA, WORKLOAD, design_cases

pytestmark = pytest.mark.integration

SHOP_WORKLOAD = Path(__file__).parents[2] / "examples" / "shop" / "workload.sql"

_ANSWERED = frozenset(
    {
        PatternClass.POINT_READ,
        PatternClass.PARTITION_READ,
        PatternClass.RANGE_READ,
        PatternClass.NEEDS_GSI,
        PatternClass.WRITE,
    }
)


@pytest.fixture(scope="module")
def environment(dynamodb_server: EmbeddedDynamoDB) -> Iterator[pytest.MonkeyPatch]:
    dynamodb_server.reset()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dynamodb_server.environment().items():
            patch.setenv(name, value)
        yield patch
    dynamodb_server.reset()


@pytest.fixture(scope="module")
def rental(
    postgres_server: str, environment: pytest.MonkeyPatch, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Migrated]:
    """Drafted from all rows; of these a part is migrated."""
    with database(postgres_server, "design_rental") as url:
        execute(url, *texts(SCHEMA, design_cases.AWKWARD), "ANALYZE")
        environment.setenv("CROSSOVER_SOURCE_URL", url)
        folder = tmp_path_factory.mktemp("rental")
        found = assess(url, ["public"], Place.of(folder), WORKLOAD, sampled=False)
        execute(url, *texts(design_cases.LESS))
        yield migrated(url, found, WORKLOAD, folder, spark)


@pytest.fixture(scope="module")
def shop(
    postgres_server: str, environment: pytest.MonkeyPatch, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Migrated]:
    with database(postgres_server, "design_shop") as url:
        load(url, 0.2)
        execute(url, "ANALYZE")
        environment.setenv("CROSSOVER_SOURCE_URL", url)
        folder = tmp_path_factory.mktemp("shop")
        found = assess(url, ["public"], Place.of(folder), SHOP_WORKLOAD, sampled=False)
        yield migrated(url, found, SHOP_WORKLOAD, folder, spark)


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """Of this name, empty; gone afterwards."""
    execute(server, f"CREATE DATABASE {name}")
    yield f"{server.rpartition('/')[0]}/{name}"
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def texts(*files: Path) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in files]


def execute(url: str, *statements: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def migrated(url: str, found: Assessment, workload: Path, folder: Path, spark: SparkSession) -> Migrated:
    draft = folder / "draft.yaml"
    assert cli.run(["check", str(draft)]) == 0
    migration = Migration.open(draft, folder / "warehouse")
    client = boto3.client("dynamodb")
    create_tables(migration.mapping, client)
    snapshot = take_snapshot(migration, url)
    records = make_records(migration, spark, snapshot.id, buckets=4)
    run_backfill(migration, in_process, snapshot_id=snapshot.id, mode="cold")
    dump = dump_tables(migration, in_process)
    diff = run_diff(migration, in_process, dump_id=dump.id)
    return Migrated(url, found, workload, records, diff, Reader(client))


CASES = {
    "rental": (design_cases.CASES, design_cases.UNSERVED),
    "shop": (shop_design_cases.CASES, shop_design_cases.UNSERVED),
}


@pytest.mark.parametrize("name", CASES)
def test_the_draft_is_migrated_as_it_is(name: str, request: pytest.FixtureRequest) -> None:
    made: Migrated = request.getfixturevalue(name)
    assert made.diff.consistent, made.diff.reasons
    assert made.records.rejects == 0
    assert made.diff.verdicts.match == made.diff.union == made.records.records > 1_000


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_served_is_known(name: str, request: pytest.FixtureRequest) -> None:
    """Of the reads that keys could answer, and of the writes, which find rows by such a read."""
    made: Migrated = request.getfixturevalue(name)
    cases, unserved = CASES[name]
    found = {at: (one in _ANSWERED, answer) for at, (one, answer) in made.answers.items()}
    assert {at for at, (can_be, answer) in found.items() if can_be and not answer.is_served} == set(unserved)
    assert {at for at, (can_be, answer) in found.items() if can_be and answer.reads} == set(cases)
    assert not any(answer.is_served or answer.reads for can_be, answer in found.values() if not can_be)


@pytest.mark.parametrize("name", CASES)
def test_each_answer_gives_what_the_sql_gives(name: str, request: pytest.FixtureRequest) -> None:
    made: Migrated = request.getfixturevalue(name)
    wrong = list(wrong_answers(made, CASES[name][0]))
    assert not wrong, "\n".join(["", *wrong])
