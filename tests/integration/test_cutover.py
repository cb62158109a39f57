"""A migration from its first state to its last by the command, on a real database and a real control table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipelines.assess.assess import assess
from pipelines.capture import install_capture
from pipelines.cli import run
from pipelines.cutover.decommission.progress import Progress
from pipelines.cutover.kept import kept_status
from pipelines.cutover.record import begin, enter, read_standing, trail
from pipelines.cutover.states import STATE, Standing, State
from pipelines.errors import StageError, TargetError
from pipelines.migration import Migration
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.source.ledger.masters import Phase
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.target.control_table import Key, Row
from pipelines.writes.state import read_state
from pipelines.writes.switch import switch
from tests.planted_evidence import HOUR, Planted

pytestmark = pytest.mark.integration

SCHEMA = """
CREATE TABLE customers (customer_id bigint PRIMARY KEY, name text, since date NOT NULL DEFAULT '2020-01-01',
                        password_hash text);
"""
MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items:
  customer: {table: shop, from: customers, key: {pk: "C#{customer_id}"}, exclude: [password_hash]}
"""


@pytest.fixture
def shop(database_url: str, dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return Planted(Migration.open(path), database_url)


def cutover(shop: Planted, capsys: pytest.CaptureFixture[str], *what: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = run(["cutover", str(shop.migration.path), *what, "--json"])
    return status, json.loads(capsys.readouterr().out)


def state(shop: Planted) -> State | None:
    return read_standing(shop.table).state


def advance_to(shop: Planted, capsys: pytest.CaptureFixture[str], wanted: State) -> None:
    status, told = cutover(shop, capsys, "advance")
    assert (status, state(shop)) == (0, wanted), told


def refused(shop: Planted, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The names of the gates that were told, a line each."""
    status, told = cutover(shop, capsys, "advance")
    assert status == 2
    head, *lines = told["error"]["message"].splitlines()
    assert " stays " in head
    return [line.strip().partition(":")[0] for line in lines]


def test_from_the_first_state_until_reads_have_moved_and_back(
    shop: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = cutover(shop, capsys)
    assert (status, told["state"], told["next"], told["ready"]) == (0, None, "assessed", False)
    assert run(["cutover", str(shop.migration.path)]) == 0
    head, following, *gates = capsys.readouterr().out.splitlines()
    assert (head, following) == ("shop: not begun", "next: assessed")
    assert gates[0].startswith("  ✗ assessed: no assessment is in the warehouse; run `crossover assess --out ")
    assert gates[1] == "  ✓ mapping_fits: 1 item types"
    assert refused(shop, capsys) == ["assessed"]
    assessments = shop.migration.folder.root / "assessments" / "first"
    assess(shop.url, ["public"], assessments, sampled=False)
    advance_to(shop, capsys, State.ASSESSED)
    assert refused(shop, capsys) == ["capture_whole"]
    install_capture(shop.migration, shop.url)
    advance_to(shop, capsys, State.CAPTURED)
    assert refused(shop, capsys) == ["backfilled"]
    shop.backfill()
    advance_to(shop, capsys, State.BACKFILLED)
    shop.nights(50, 26)
    assert refused(shop, capsys) == ["verified"]
    shop.nights(2)
    advance_to(shop, capsys, State.VERIFIED)
    shop.query("by_id", Stage.RDS)
    assert refused(shop, capsys) == ["reads_shadowed"]
    shop.query("by_id", Stage.SHADOW)
    advance_to(shop, capsys, State.READS_SHADOWED)
    assert refused(shop, capsys) == ["reads_moved"]
    shop.query("by_id", Stage.DYNAMODB)
    advance_to(shop, capsys, State.READS_MOVED)
    found = kept_status(shop.migration.folder)
    assert found is not None
    assert (found.standing.state, found.following) == (State.READS_MOVED, State.DYNAMODB_FIRST)
    assert [gate.name for gate in found.missing] == ["reverse_running"]
    assert [(one.name, one.stage, len(one.hours)) for one in found.queries] == [("by_id", "dynamodb", 30)]

    for wanted, stage in ((State.READS_SHADOWED, Stage.SHADOW), (State.VERIFIED, Stage.RDS), (State.BACKFILLED, None)):
        status, told = cutover(shop, capsys, "rollback")
        assert (status, state(shop)) == (0, wanted)
        if stage is not None:
            assert Setting.of(shop.table.get(stage_key("by_id"))).stage is stage
    moves = [(one.of, one.to.removeprefix("reads_"), len(one.gates)) for one in trail(shop.table)]
    assert moves == [
        ("not begun", "assessed", 2),
        ("assessed", "captured", 2),
        ("captured", "backfilled", 3),
        ("backfilled", "verified", 3),
        ("verified", "shadowed", 4),
        ("reads_shadowed", "moved", 4),
        ("reads_moved", "shadowed", 0),
        ("reads_shadowed", "verified", 0),
        ("verified", "backfilled", 0),
    ]


def test_what_the_source_does_not_tell_is_red(
    shop: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.table.create()
    enter(shop.table, Standing(), State.BACKFILLED, "h", (), datetime.now(UTC))
    shop.nights(50, 26, 2)
    for url, why in (
        ("postgresql://nobody@127.0.0.1:1/x", "source"),
        ("", "CROSSOVER_SOURCE_URL is not set"),
    ):
        monkeypatch.setenv("CROSSOVER_SOURCE_URL", url)
        assert refused(shop, capsys) == ["capture_whole", "ledger_in_step", "verified"]
        _, told = cutover(shop, capsys)
        assert why in told["gates"][0]["said"]


def test_thresholds_are_options_and_wrong_ones_are_one_line(shop: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    install_capture(shop.migration, shop.url)
    shop.table.create()
    enter(shop.table, Standing(), State.BACKFILLED, "h", (), datetime.now(UTC))
    shop.nights(26, 2)
    assert refused(shop, capsys) == ["verified"]
    status, _ = cutover(shop, capsys, "advance", "--verifications", "2")
    assert (status, state(shop)) == (0, State.VERIFIED)
    for wrong in (
        ("advance", "--verifications", "0"),
        ("--max-age-hours", "nan"),
        ("--max-age-hours", "inf"),
        ("advance", "--max-age-hours", "1e12"),
        ("--hours", "49"),
        ("--mismatches", "100%"),
        ("--confirm", "shop"),
        ("advance", "--by-streams"),
        ("advance", "--confirm", "sohp"),  # long before the last step, too
        ("--drain-seconds", "5"),
        ("advance", "--drain-seconds", "0"),
        ("sideways",),
    ):
        status, told = cutover(shop, capsys, *wrong)
        assert (status, told["error"]["code"], "\n" in told["error"]["message"]) == (2, "usage", False)


def test_two_that_advance_at_once(shop: Planted) -> None:
    shop.table.create()
    enter(shop.table, Standing(), State.ASSESSED, "h", (), datetime.now(UTC))
    was = read_standing(shop.table)
    enter(shop.table, was, State.CAPTURED, "h", (), datetime.now(UTC))
    with pytest.raises(StageError, match="somebody else"):
        enter(shop.table, was, State.CAPTURED, "h", (), datetime.now(UTC))
    with pytest.raises(StageError, match="somebody else"):
        begin(shop.table, was, State.CAPTURED, "h", (), datetime.now(UTC))
    assert len([*trail(shop.table)]) == 2
    begun = Progress.read(shop.table)
    begun.afresh(shop.table, "a")
    with pytest.raises(StageError, match="somebody else"):
        begun.afresh(shop.table, "b")


@pytest.mark.parametrize("document", [{"state": "gone"}, {"state": "verified", "since": "yesterday"}])
def test_a_state_that_is_none_is_told(shop: Planted, document: dict[str, Any]) -> None:
    shop.table.create()
    shop.table.put(Row(STATE, document, 1))
    with pytest.raises(TargetError, match="none of Crossover's"):
        read_standing(shop.table)


def test_there_is_no_way_back_from_the_first_and_from_the_last(
    shop: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.table.create()
    for at, what in (
        (State.ASSESSED, "rollback"),
        (State.DECOMMISSIONED, "rollback"),
        (State.DECOMMISSIONED, "advance"),
    ):
        enter(shop.table, read_standing(shop.table), at, "h", (), datetime.now(UTC))
        status, told = cutover(shop, capsys, what)
        assert (status, told["error"]["code"]) == (2, "stage")
    assert cutover(shop, capsys)[1]["gates"] == []


def test_reads_do_not_go_back_to_a_store_that_is_behind(shop: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    shop.table.create()
    shop.query("by_id", Stage.DYNAMODB)
    shop.table.put(Row(Key("writes", "customer"), {"phase": "dynamodb_only", "fenced": False}))
    enter(shop.table, Standing(), State.READS_MOVED, "h", (), datetime.now(UTC))
    status, told = cutover(shop, capsys, "rollback")
    assert (status, state(shop)) == (2, State.READS_MOVED)
    assert "RDS may be behind" in told["error"]["message"]
    path = shop.migration.path
    way = [f"`crossover writes {path} customer {phase}`" for phase in ("dynamodb_first", "rds_first")]
    assert told["error"]["message"].endswith(", then ".join(way))
    assert Setting.of(shop.table.get(stage_key("by_id"))).stage is Stage.DYNAMODB


def at_reads_moved(shop: Planted) -> None:
    """With all that the next state asks for."""
    install_capture(shop.migration, shop.url)
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("INSERT INTO customers VALUES (1, 'Ada'), (2, 'Größe')")  # the switch delivers them
    create_tables(shop.migration.mapping, dynamodb_client())
    shop.table.create()
    shop.nights(50, 26, 2)
    shop.query("by_id", Stage.DYNAMODB)
    shop.reverse_relay()
    enter(shop.table, Standing(), State.READS_MOVED, "h", (), datetime.now(UTC))


def phases(shop: Planted) -> list[str]:
    return [one.phase.value for one in read_state(shop.migration, shop.url, shop.table, with_missing=False)]


def test_writes_move_with_the_state_and_back(shop: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    at_reads_moved(shop)
    advance_to(shop, capsys, State.DYNAMODB_FIRST)
    assert phases(shop) == ["dynamodb_first"]
    shop.reverse_relay()
    assert refused(shop, capsys) == ["verified"]  # all of them are older than the switch
    status, told = cutover(shop, capsys, "rollback")
    assert (status, state(shop), phases(shop)) == (0, State.READS_MOVED, ["rds_first"]), told
    moves = [(one.of, one.to, one.ended) for one in trail(shop.table)]
    assert moves[1:] == [
        ("reads_moved", "dynamodb_first", False),
        ("reads_moved", "dynamodb_first", True),
        ("dynamodb_first", "reads_moved", True),
    ]


def test_writers_wait_for_as_long_as_it_was_said(
    shop: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_reads_moved(shop)
    given: list[float | None] = []

    def switched(*what: Any, drain_seconds: float | None, **options: Any) -> Any:
        given.append(drain_seconds)
        return switch(*what, drain_seconds=drain_seconds, **options)

    monkeypatch.setattr("pipelines.cutover.writes.switch", switched)
    assert cutover(shop, capsys, "advance", "--drain-seconds", "45")[0] == 0
    assert cutover(shop, capsys, "rollback", "--drain-seconds", "90")[0] == 0
    assert given == [45.0, 90.0]


def test_a_killed_switch_is_ended_without_its_gates_being_asked_again(
    shop: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    """Applications wait. Where nobody had passed the gates before, they are asked."""
    at_reads_moved(shop)
    with pytest.raises(KilledError):
        switch(
            shop.migration,
            shop.url,
            "customer",
            Phase.DYNAMODB_FIRST,
            table=shop.table,
            say=lambda _: None,
            after=killed,
        )
    (shop.migration.folder.root / "diffs").remove_tree()
    assert refused(shop, capsys) == ["none_fenced", "writes_whole", "verified"]
    begin(shop.table, read_standing(shop.table), State.DYNAMODB_FIRST, "h", (), datetime.now(UTC))
    _, told = cutover(shop, capsys)
    assert (told["moving"], told["gates"], told["ready"]) == ("dynamodb_first", [], True)
    advance_to(shop, capsys, State.DYNAMODB_FIRST)
    assert phases(shop) == ["dynamodb_first"]


def test_a_step_that_was_begun_and_did_nothing_is_judged_again_and_can_be_taken_back(
    shop: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    at_reads_moved(shop)
    begin(shop.table, read_standing(shop.table), State.DYNAMODB_FIRST, "h", (), datetime.now(UTC))
    (shop.migration.folder.root / "diffs").remove_tree()
    assert refused(shop, capsys) == ["verified"]
    status, told = cutover(shop, capsys, "rollback")
    assert (status, told["to"]) == (0, "reads_moved")
    assert read_standing(shop.table).moving is None
    assert Setting.of(shop.table.get(stage_key("by_id"))).stage is Stage.DYNAMODB


TWO_GROUPS = f"""{MAPPING.rstrip()}
  product: {{table: shop, from: products, key: {{pk: "P#{{id}}"}}}}
"""


def test_a_step_to_dynamodb_only_that_was_killed_goes_on(
    shop: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two groups, then after the last one: nothing is fenced, so its gates are asked again."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE products (id bigint PRIMARY KEY)")
    shop.migration.path.write_text(TWO_GROUPS, encoding="utf-8")
    shop = Planted(Migration.open(shop.migration.path), shop.url)
    at_reads_moved(shop)
    advance_to(shop, capsys, State.DYNAMODB_FIRST)
    since = datetime.now(UTC) - 60 * HOUR
    enter(shop.table, read_standing(shop.table), State.DYNAMODB_FIRST, "h", (), since)
    shop.reverse_relay()

    def one_group_only(*what: Any, **options: Any) -> Any:
        if what[2] != "customer":
            raise KilledError
        return switch(*what, **options)

    def killed_before_it_is_entered(*_: Any) -> Any:
        raise KilledError

    for where, instead, left in (
        ("pipelines.cutover.writes.switch", one_group_only, "dynamodb_first"),
        ("pipelines.cutover.advance.enter", killed_before_it_is_entered, "dynamodb_only"),
    ):
        with monkeypatch.context() as killing:
            killing.setattr(where, instead)
            _, told = cutover(shop, capsys, "advance")
        assert told["error"]["code"] == "defect", told
        assert phases(shop) == ["dynamodb_only", left]
    advance_to(shop, capsys, State.DYNAMODB_ONLY)
    assert phases(shop) == ["dynamodb_only"] * 2


class KilledError(Exception):
    """Stands for a process that is gone."""


def killed(step: str) -> None:
    if step == "fenced in the mirror":
        raise KilledError
