"""The whole move of a service under load: to DynamoDB, stage by stage, back from each, and forward again.

No request fails, no write that was answered is lost, and at each stop both stores hold the same, by an oracle of this
test's own (tests/shop_service_oracle.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from examples.shop_service.seed import STOCK, seed
from pipelines.backfill import run_backfill
from pipelines.cli import run
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.diff.again import Again
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.routing import evidence
from pipelines.routing.changing import standing
from pipelines.routing.evidence import missing
from pipelines.routing.stage import Stage
from pipelines.snapshot import take_snapshot
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.target.control_table import ControlTable
from tests.captured_shop import Captured
from tests.online_verification import prepared
from tests.served_shop import MAPPING, relay, service
from tests.shop_service_load import CUSTOMERS, ORDERS, PRODUCTS, Load
from tests.shop_service_oracle import Books, Store, assert_equal, of_dynamodb
from tests.torture import TORTURE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if TORTURE else 600)]

log = logging.getLogger(__name__)

QUERIES = ("customer", "order", "orders of customer", "orders by status")
ROUNDS = 3 if TORTURE else 1
BACK = QUERIES if TORTURE else QUERIES[:1]
"""That go back from each stage."""
NEEDED = (
    {}
    if TORTURE
    else {
        "LEAST_COMPARED": 60,
        "LEAST_CANARY_CALLS": 30,
        "MOST_MISMATCHES": 0.03,
        "MOST_FAILURES": 0.1,
    }
)
"""What `crossover route` asks for, in the short form: fewer calls, of which one that was late is a larger share."""
REFRESH_SECONDS = 0.4
A_WHILE_SECONDS = 30.0 if TORTURE else 1.5
LONGEST_SECONDS = 120.0


@dataclass
class Story:
    url: str
    migration: Migration
    spark: SparkSession | None  # the long form's; the short one makes records as relays do
    load: Load

    def crossover(self, *arguments: str) -> None:
        """A command of the operator's."""
        assert run([arguments[0], str(MAPPING), *arguments[1:]]) == 0, arguments

    def refused(self, *arguments: str) -> None:
        assert run([arguments[0], str(MAPPING), *arguments[1:]]) == 2, arguments

    def a_while(self) -> None:
        time.sleep(A_WHILE_SECONDS)
        self.load.assert_well()

    def stop(self) -> Store:
        """Both stores hold the same, and all that was written."""
        with self.load.paused():
            store = assert_equal(self.url)
            self.load.assert_kept(store)
        assert Books.of(store).stock + Books.of(store).sold + self.load.forgotten == PRODUCTS * STOCK
        self.load.assert_well()
        return store

    def prepare(self) -> tuple[str, str]:
        """A snapshot with its records, and a dump that was read after it: their ids."""
        if self.spark is None:
            return prepared(Captured(self.url, self.migration))
        snapshot = take_snapshot(self.migration, self.url)
        make_records(self.migration, self.spark, snapshot.id)
        return snapshot.id, dump_tables(self.migration, in_process, snapshot_id=snapshot.id).id

    def backfill(self) -> None:
        """While writes go on."""
        snapshot, _ = self.prepare()
        done = run_backfill(self.migration, in_process, snapshot_id=snapshot, mode="live")
        assert done.written > CUSTOMERS + ORDERS
        self.load.assert_well()

    def verify(self) -> None:
        """While writes go on."""
        snapshot, dump = self.prepare()
        found = run_diff(self.migration, in_process, snapshot_id=snapshot, dump_id=dump, again=Again(self.url))
        assert found.verdicts.match > CUSTOMERS + ORDERS
        assert found.consistent, found.verdicts

    def until(self, lacks: Callable[[], object]) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while lacking := lacks():
            self.load.assert_well()
            assert time.monotonic() < deadline, lacking
            time.sleep(0.2)

    def to_stage(self, name: str, *share: str, queries: Sequence[str] = QUERIES) -> None:
        """Each is set to it once there is all that is asked for."""
        stage, table = Stage(name), ControlTable.of(self.migration.mapping.migration)

        def lacking(query: str) -> tuple[str, ...]:
            if stage in (Stage.RDS, Stage.SHADOW):
                return ()
            now = datetime.now(UTC)
            was = standing(table, query, now)
            return missing(was.setting, stage, 0.5, was.evidence, now)

        for query in queries:
            self.until(lambda query=query: lacking(query))  # type: ignore[misc]
            self.crossover("route", query, name, *share)


@pytest.fixture
def story(
    database_url: str,
    dynamodb_environment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Story]:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    for name, value in NEEDED.items():
        monkeypatch.setattr(evidence, name, value)
    spark = request.getfixturevalue("spark") if TORTURE else None
    seed(database_url, CUSTOMERS, PRODUCTS, ORDERS)
    with service(tmp_path, REFRESH_SECONDS) as port, Load(port).running() as load:
        yield Story(database_url, Migration.open(MAPPING), spark, load)


def test_the_service_moves_under_load_and_back_and_forth(story: Story, tmp_path: Path) -> None:
    began = time.monotonic()

    def told(what: str) -> None:
        log.info("%6.1f s: %s; %s", time.monotonic() - began, what, dict(story.load.answered))

    story.load.sees_own_writes = True
    story.a_while()
    story.crossover("capture", "install")
    create_tables(story.migration.mapping, dynamodb_client())
    story.backfill()
    told("backfilled")
    with relay(tmp_path, "--idle-seconds", "0.2"):
        story.stop()
        told("delivered")
        story.verify()
        told("verified")
        _reads_move(story, told)
        with relay(tmp_path, "--reverse", "--idle-seconds", "0.2"):
            _writes_move(story, told)
    story.load.assert_well()


def _reads_move(story: Story, told: Callable[[str], None]) -> None:
    """To each stage, back from it, and there again."""
    story.load.sees_own_writes = False  # what was written a moment ago differs until the relay has brought it
    story.load.per_second *= 2
    story.to_stage("shadow")
    story.refused("route", QUERIES[0], "dynamodb")
    story.to_stage("rds", queries=BACK)
    story.to_stage("shadow", queries=BACK)
    told("in shadow")
    story.to_stage("canary", "--share", "50%")
    story.to_stage("shadow", queries=BACK)
    story.to_stage("canary", "--share", "50%", queries=BACK)
    told("in canary")
    story.to_stage("dynamodb")
    story.a_while()
    story.to_stage("canary", "--share", "50%", queries=BACK)
    story.to_stage("dynamodb", queries=BACK)
    told("reads are moved")
    story.load.per_second /= 2
    story.stop()


def _writes_move(story: Story, told: Callable[[str], None]) -> None:
    """To each phase, back from it, and there again."""
    story.load.writing = 5.0
    seen = story.load.answered["own writes seen"]
    for _ in range(ROUNDS):
        _to(story, "dynamodb_first")
        story.stop()
        story.load.sees_own_writes = False
        _to(story, "rds_first")
        told("RDS is the master again")
        story.stop()
    _to(story, "dynamodb_first")
    for _ in range(ROUNDS):
        _to(story, "dynamodb_only")
        told("RDS is not kept up")
        _to(story, "dynamodb_first")
        story.stop()
    _to(story, "dynamodb_only")
    with story.load.paused():
        story.load.assert_kept(of_dynamodb())
    assert story.load.answered["own writes seen"] > seen
    told("moved")


def _to(story: Story, phase: str) -> None:
    story.crossover("writes", "order", phase)
    if phase != "rds_first":
        story.load.sees_own_writes = True
    story.a_while()
