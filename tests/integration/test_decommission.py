"""The end of a migration: what is archived and proven, step by step, on a real database, killed after each step."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

import pipelines.reverse.drain as reverse_drain
from pipelines import cutover_commands
from pipelines.capture import install_capture, uninstall_capture
from pipelines.cli import run
from pipelines.cutover.decommission.archive import check_archive
from pipelines.cutover.decommission.progress import Progress, Step
from pipelines.cutover.decommission.steps import Decommission, undo
from pipelines.cutover.record import begin, enter, read_standing
from pipelines.cutover.states import State
from pipelines.cutover.thresholds import Thresholds
from pipelines.errors import AccountsError, CrossoverError, StageError
from pipelines.migration import Migration
from pipelines.reverse.health import ReverseHealth, read_reverse_health
from pipelines.reverse.serve import Options, serve_reverse
from pipelines.routing.stage import Stage
from pipelines.source.connect import connect
from pipelines.source.ledger.masters import Phase
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.target.control_table import Key
from pipelines.warehouse.layout import new_id
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.place import Place
from pipelines.writes.switch import switch
from tests.on_disk import on_disk
from tests.planted_evidence import Planted
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

SCHEMA = """
CREATE TABLE customers (customer_id bigint PRIMARY KEY, name text, since date NOT NULL DEFAULT '2020-01-01',
                        password_hash text);
"""
ROWS = """
INSERT INTO customers VALUES (1, 'Ada', '2021-02-03', 'x1'), (2, 'Größe', '1944-03-15', NULL),
                             (3, NULL, '2024-02-29', 'x3')
RETURNING 1
"""
MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items:
  customer: {table: shop, from: customers, key: {pk: "C#{customer_id}"}, exclude: [password_hash]}
"""
FENCED = "XV001"


class KilledError(Exception):
    """Stands for a process that is gone."""


@pytest.fixture
def shop(database_url: str, dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """DynamoDB is the only master."""
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    shop = Planted(Migration.open(path), database_url)
    create_tables(shop.migration.mapping, dynamodb_client())
    install_capture(shop.migration, database_url)
    ask(shop, ROWS)  # the switch delivers them
    shop.table.create()
    for phase in (Phase.DYNAMODB_FIRST, Phase.DYNAMODB_ONLY):
        shop.reverse_relay()
        switch(shop.migration, database_url, "customer", phase, table=shop.table, say=lambda _: None)
    shop.reverse_relay()
    shop.query("by_id", Stage.DYNAMODB)
    enter(shop.table, read_standing(shop.table), State.DYNAMODB_ONLY, shop.migration.mapping_hash, (), now())
    return shop


def now() -> datetime:
    return datetime.now(UTC)


def decommission(
    shop: Planted,
    after: Callable[[Step], None] = lambda _: None,
    at: Callable[[], datetime] = now,
    wait_seconds: float = 5.0,
    **changes: Any,
) -> tuple[str, ...]:
    """As the command does it, under its lock. `changes`: of the final verification's manifest."""

    def verify(_: Migration) -> str:
        return shop.verification(at(), **changes).id

    parts = (shop.migration, shop.url, shop.table, Thresholds(), verify, at, lambda _: None, after, wait_seconds)
    with stage_lock(shop.migration.folder.root, "cutover", new_id()):
        return Decommission(*parts).run()


def progress(shop: Planted) -> Progress:
    return Progress.read(shop.table)


def folder(shop: Planted) -> Place:
    return shop.migration.folder.root / "decommission" / progress(shop).id


def phase(shop: Planted) -> Phase:
    """As applications have it, who are told nothing by a source that is gone."""
    row = shop.table.get(Key("writes", "customer"))
    assert row is not None
    return Phase(str(row.document["phase"]))


def ask(shop: Planted, query: str) -> list[Any]:
    with psycopg.connect(shop.url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def require_archive(shop: Planted) -> None:
    """Every column of every row, with its files' checksums, for its owner alone."""
    archive = on_disk(folder(shop) / "source")
    (table,) = [path for path in archive.iterdir() if path.is_dir()]
    found = pq.read_table(table).to_pylist()
    by_id = {row["customer_id"]: row for row in found}
    assert {key: row["password_hash"] for key, row in by_id.items()} == {1: "x1", 2: None, 3: "x3"}
    assert by_id[2]["name"] == "Größe" and by_id[2]["since"] == date(1944, 3, 15)
    lines = [line.split("  ") for line in (archive / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    files = list(archive.rglob("*.parquet"))
    assert sums == {str(path.relative_to(archive)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert archive.stat().st_mode & 0o077 == 0


def require_proof(shop: Planted) -> None:
    """States, verification and archive, and its own digest."""
    proof = json.loads((folder(shop) / "proof.json").read_text())
    digest = proof.pop("sha256")
    assert digest == hashlib.sha256(json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert [(one["to"], one["ended"]) for one in proof["states"]] == [
        ("dynamodb_only", True),
        ("decommissioned", False),
    ]
    assert len(proof["states"][1]["gates"]) == 6
    assert all(one["by"] and one["at"] for one in proof["states"])
    assert (proof["verification"]["consistent"], proof["verification"]["compared"]) == (True, 3)
    assert proof["archive"]["tables"]["public.customers"]["rows"] == 3
    assert len(proof["archive"]["files"][0]["sha256"]) == 64
    page = (folder(shop) / "proof.html").read_text()
    assert digest in page and "shop has moved from PostgreSQL to DynamoDB" in page
    assert "<script" not in page and "://" not in page


def require_change_noticed(shop: Planted) -> None:
    archive = folder(shop) / "source"
    manifest = archive / "manifest.json"
    check_archive(archive)
    manifest.write_atomically(
        manifest.read_text().replace('"rows": 3,\n          "sha256": "', '"rows": 3,\n          "sha256": "0')
    )
    with pytest.raises(AccountsError, match="was changed since"):
        check_archive(archive)


def test_the_command_ends_the_migration_by_its_name_only(
    shop: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutover_commands, "_verify", lambda _: shop.verification(now()).id)
    resynced = reverse_drain.resync
    monkeypatch.setattr("pipelines.writes.only.resync", lambda *arguments: replace(resynced(*arguments), waiting=2))
    command = ["cutover", str(shop.migration.path), "advance", "--json"]
    for confirm, why in (([], "no way back: --confirm shop"), (["--confirm", "another"], "name is shop")):
        assert run([*command, *confirm]) == 2
        assert why in json.loads(capsys.readouterr().out)["error"]["message"]
    assert run([*command, "--confirm", "shop"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["from"], told["to"]) == ("dynamodb_only", "decommissioned")
    assert [line.partition(":")[0] for line in told["did"][:6]] == [step.replace("_", " ") for step in Step]
    assert told["did"][0].startswith("kept up: writes of customer: dynamodb_only -> dynamodb_first; the source is ")
    assert told["did"][3].startswith("left: the source is not kept up any more (1 groups)")
    assert any("delete-db-instance" in line for line in told["did"])
    assert shop.url.split(":")[2].split("@")[0] not in str(told)  # the password
    assert read_standing(shop.table).state is State.DECOMMISSIONED
    with pytest.raises(psycopg.Error) as frozen:
        ask(shop, "INSERT INTO customers VALUES (9)")
    assert frozen.value.sqlstate == FENCED
    require_archive(shop)
    require_proof(shop)
    require_change_noticed(shop)
    left = ask(shop, "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'crossover:%' AND NOT tgisinternal")
    assert [name for (name,) in left if ":insert" in name] == []


def test_killed_after_each_step_the_same_call_goes_on(shop: Planted) -> None:
    done: list[Step] = []

    def killed(step: Step) -> None:
        done.append(step)
        raise KilledError

    for step in Step:
        with pytest.raises(KilledError):
            decommission(shop, killed)
        assert done[-1] is step
        assert phase(shop) is (Phase.DYNAMODB_ONLY if step in [*Step][3:] else Phase.DYNAMODB_FIRST)
    verifications = shop.migration.folder.finished("diffs")
    decommission(shop, killed)
    assert done == [*Step]
    steps = dict(progress(shop).steps)
    del steps[Step.CAPTURE_REMOVED]  # killed when capture was gone, and that was not on record yet
    progress(shop)._put(shop.table, progress(shop).id, steps)
    decommission(shop)
    assert shop.migration.folder.finished("diffs") == verifications and len(verifications) == 1


def test_nothing_is_archived_of_a_source_that_is_behind_or_not_equal(shop: Planted) -> None:
    switch(shop.migration, shop.url, "customer", Phase.DYNAMODB_FIRST, table=shop.table, say=lambda _: None)
    shop.reverse_relay(lag_seconds=301)
    with pytest.raises(StageError, match="not in step"):
        decommission(shop, wait_seconds=0.0)
    assert not progress(shop).steps
    shop.reverse_relay()
    with pytest.raises(StageError, match="not consistent: 1 missing"):
        decommission(shop, consistent=False, reasons=("1 missing",))
    assert [*progress(shop).steps] == [Step.KEPT_UP]
    assert not (folder(shop) / "source").exists()


def test_what_was_verified_long_ago_is_verified_again(shop: Planted) -> None:
    def killed(step: Step) -> None:
        if step is Step.ARCHIVED:
            raise KilledError

    with pytest.raises(KilledError):
        decommission(shop, killed, at=lambda: now() - timedelta(hours=37))
    before = progress(shop).id
    decommission(shop)
    assert progress(shop).id != before
    assert len(shop.migration.folder.finished("diffs")) == 2


def test_an_archive_that_was_changed_is_not_proven(shop: Planted) -> None:
    def tamper(step: Step) -> None:
        if step is Step.ARCHIVED:
            (file,) = on_disk(folder(shop) / "source").rglob("*.parquet")
            content = file.read_bytes()
            file.write_bytes(content.replace(b"Ada", b"Bob") if b"Ada" in content else content[:-4] + b"PAR2")

    with pytest.raises(CrossoverError):
        decommission(shop, tamper)
    assert Step.PROVEN not in progress(shop).steps


def test_it_can_be_taken_back_until_it_is_proven(shop: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    def killed(at: Step) -> Callable[[Step], None]:
        def after(step: Step) -> None:
            if step is at:
                raise KilledError

        return after

    with pytest.raises(KilledError):
        decommission(shop, killed(Step.ARCHIVED))
    undo(shop.migration, shop.url, shop.table, lambda _: None)
    assert (phase(shop), dict(progress(shop).steps)) == (Phase.DYNAMODB_ONLY, {})
    with pytest.raises(KilledError):
        decommission(shop, killed(Step.PROVEN))
    with pytest.raises(StageError, match="goes on: `advance`"):
        undo(shop.migration, shop.url, shop.table, lambda _: None)
    begin(shop.table, read_standing(shop.table), State.DECOMMISSIONED, "h", (), now())
    uninstall_capture(shop.migration, shop.url, for_good=True)  # and killed before that was on record
    assert run(["cutover", str(shop.migration.path), "advance", "--confirm", "shop"]) == 0


@contextmanager
def serving(shop: Planted) -> Iterator[None]:
    stop = threading.Event()
    options = Options(idle_seconds=0.2, report_seconds=0.5)

    def work() -> None:
        with suppress(StageError):  # capture is gone in the end
            serve_reverse(shop.migration, shop.url, options, stop, lambda _: None)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not health(shop).running:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield
    finally:
        stop.set()
        thread.join()


def health(shop: Planted) -> ReverseHealth:
    with connect(shop.url) as connection:
        return read_reverse_health(connection, "shop")


@pytest.mark.skipif(not TORTURE, reason="make torture")
def test_the_whole_with_the_verification_of_the_command_line(shop: Planted) -> None:
    """And a reverse relay that applies what is written meanwhile."""
    items = dynamodb_client().scan(TableName="shop")["Items"]
    assert len(items) == 3
    with serving(shop):
        assert run(["cutover", str(shop.migration.path), "advance", "--confirm", "shop"]) == 0
    proof = json.loads((folder(shop) / "proof.json").read_text())
    assert (proof["verification"]["compared"], proof["verification"]["verdicts"]) == (3, {"match": 3})
    assert (shop.migration.folder.report(proof["verification"]["run_id"]) / "index.html").is_file()
