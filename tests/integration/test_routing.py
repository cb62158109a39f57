"""Stages and counts by way of the control table: two routers, and the command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import run
from pipelines.errors import StageError, TargetError, UsageError
from pipelines.mapping.load import parse_mapping
from pipelines.routing import Router
from pipelines.routing.changing import change, standing
from pipelines.routing.evidence import Evidence
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.target.control_table import ControlTable, Key, NoControlTableError, Row

UNKNOWN = "no application has made itself known with it"
pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target:
  tables:
    shop: {partition_key: {name: pk, type: S}}
items:
  customer: {table: shop, from: customers, key: {pk: "C#{id}"}}
"""


@pytest.fixture
def mapping(tmp_path: Path, dynamodb_environment: str) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path


@pytest.fixture
def table(mapping: Path) -> ControlTable:
    return ControlTable.of("shop")


def router() -> Router:
    return Router(parse_mapping(MAPPING, "shop.yaml"), refresh_seconds=0.05, flush_seconds=0.05)


def eventually(holds: Callable[[], bool]) -> None:
    """Within a minute, on a busy machine, too."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def plant(table: ControlTable, at: datetime, compared: int = 2_000, **counts: int) -> None:
    document: Any = {
        "counts": {"shadow_compared": compared, "candidate_answers": compared, **counts},
        "durations": {"rds": {"20": compared}},
        "last_compared_at": at.isoformat(),
    }
    table.put(Row(Key("query#q", f"count#{at:%Y-%m-%dT%H}#p{at.minute}"), document))


def test_the_control_table_is_made_once_and_tells_where_it_is_missing(table: ControlTable) -> None:
    for ask in (lambda: table.get(Key("a", "b")), lambda: list(table.query("a", "", "~")), lambda: table.put(ROW)):
        with pytest.raises(NoControlTableError) as told:
            ask()
        assert str(told.value).splitlines() == [str(told.value)]
    table.create()
    table.put(ROW)
    table.create()
    assert table.get(ROW.key) == ROW


ROW = Row(Key("a", "b"), {"x": 1.5, "y": ["ü"]})


def test_a_version_is_put_once_with_all_that_goes_with_it(table: ControlTable) -> None:
    table.create()
    key, other = Key("query#q", "stage"), Key("audit", "1")
    assert table.put_next(Row(key, {"n": 1}, 1))
    assert not table.put_next(Row(key, {"n": 2}, 1), Row(other, {}))
    assert table.put_next(Row(key, {"n": 3}, 2), Row(other, {}))
    assert not table.put_next(Row(key, {"n": 4}, 2))
    assert table.get(key) == Row(key, {"n": 3}, 2)
    assert table.get_many([key, other, Key("no", "such")]).keys() == {key, other}


def test_rows_come_in_order_and_across_pages(table: ControlTable) -> None:
    table.create()
    for number in range(4):
        table.put(Row(Key("p", f"k{number}"), {"text": "x" * 380_000, "number": number}))
    assert [row.document["number"] for row in table.query("p", "k1", "k3")] == [1, 2, 3]


def test_two_routers_see_a_change_and_count_on_their_own(mapping: Path, table: ControlTable) -> None:
    with router() as one, router() as other:
        queries = [each.query("q", rds=lambda: "rds", dynamodb=lambda: "dynamodb") for each in (one, other)]
        assert [query() for query in queries] == ["rds", "rds"]
        assert run(["route", str(mapping), "q", "shadow"]) == 0
        eventually(lambda: all(each._stages.of("q").stage is Stage.SHADOW for each in (one, other)))
        assert [query() for query in queries] == ["rds", "rds"]
        eventually(lambda: Evidence.read(table, "q", datetime.now(UTC)).mismatches == 2)
        for stage in ("canary", "dynamodb"):
            share = ["--share", "50%"] if stage == "canary" else []
            assert run(["route", str(mapping), "q", stage, *share, "--force"]) == 0
        eventually(lambda: [query() for query in queries] == ["dynamodb", "dynamodb"])
        assert run(["route", str(mapping), "q", "rds"]) == 0
        eventually(lambda: [query() for query in queries] == ["rds", "rds"])
    seen = Evidence.read(table, "q", datetime.now(UTC))
    assert seen.counts["rds_answers"] == sum(seen.durations["rds"].values()) >= 4
    samples = [row.document for row in table.query("query#q", "sample#", "sample#~")]
    assert len(samples) >= 2
    assert all(one["differences"] == [{"path": "", "kind": "value"}] for one in samples)


def test_the_evidence_is_of_the_last_day_and_of_all_processes(table: ControlTable) -> None:
    table.create()
    now = datetime.now(UTC).replace(minute=30)
    for ago in (timedelta(hours=30), timedelta(hours=20), timedelta(minutes=1), timedelta(minutes=2)):
        plant(table, now - ago, 10)
    seen = Evidence.read(table, "q", now)
    assert (seen.compared, seen.durations["rds"].total()) == (30, 30)
    assert seen.last_compared_at == now - timedelta(minutes=1)


def test_the_command_refuses_without_evidence_and_writes_down_what_it_did(
    mapping: Path, table: ControlTable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["route", str(mapping)]) == 0
    assert "no control table crossover-shop yet" in capsys.readouterr().out
    assert run(["route", str(mapping), "q", "shadow"]) == 0
    assert UNKNOWN in capsys.readouterr().out
    assert run(["route", str(mapping), "q"]) == 0
    assert UNKNOWN in capsys.readouterr().out
    table.put(Row(Key("queries", "q"), {"name": "q"}))
    assert run(["route", str(mapping), "q", "shadow"]) == 0
    assert UNKNOWN not in capsys.readouterr().out
    assert run(["route", str(mapping), "q", "canary", "--share", "0.05"]) == 2
    assert "0 calls compared" in capsys.readouterr().err
    plant(table, datetime.now(UTC))
    assert run(["route", str(mapping), "q", "canary", "--share", "0.05"]) == 0
    assert run(["route", str(mapping), "q", "dynamodb"]) == 2
    assert run(["route", str(mapping), "q", "dynamodb", "--force"]) == 0
    capsys.readouterr()
    assert run(["route", str(mapping), "q", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["queries"]["q"]
    assert (shown["stage"], shown["forced"], shown["version"]) == ("dynamodb", True, 4)
    audit = [row.document for row in table.query("audit", " ", "~")]
    steps = [(one["from"], one["to"]) for one in audit]
    assert [(a["stage"], b["stage"], b["forced"]) for a, b in steps] == [  # type: ignore[index,call-overload]
        ("rds", "shadow", False),
        ("shadow", "shadow", False),
        ("shadow", "canary", False),
        ("canary", "dynamodb", True),
    ]
    assert audit[3]["missing"] and not audit[2]["missing"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["q", "elsewhere"],
        ["q", "canary"],
        ["q", "canary", "--share", "0"],
        ["q", "canary", "--share", "100%"],
        ["q", "canary", "--share", "nan"],
        ["q", "shadow", "--share", "5%"],
        ["q", "--force"],
        ["a#b", "shadow"],
    ],
)
def test_a_wrong_call_is_one_line(wrong: list[str], mapping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", str(mapping), *wrong]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "stays at" not in line  # for that would be lack of evidence


def test_a_change_against_an_older_version_is_refused(table: ControlTable) -> None:
    table.create()
    now = datetime.now(UTC)
    was = standing(table, "q", now)
    change(table, was, Stage.SHADOW, 0.0, now, force=False)
    with pytest.raises(StageError, match="somebody else"):
        change(table, was, Stage.SHADOW, 0.0, now + timedelta(seconds=1), force=True)
    assert Setting.of(table.get(stage_key("q"))).version == 1
    assert len(list(table.query("audit", " ", "~"))) == 1


def test_a_row_that_is_not_crossovers_is_told(table: ControlTable) -> None:
    table.create()
    table.client.put_item(TableName=table.name, Item={"pk": {"S": "query#q"}, "sk": {"S": "stage"}})
    with pytest.raises(TargetError, match="no row of Crossover's"):
        standing(table, "q", datetime.now(UTC))


def test_ignored_paths_are_not_one_text() -> None:
    router = Router(parse_mapping(MAPPING, "shop.yaml"))
    with pytest.raises(UsageError, match="ignore: give paths"):
        router.query("q", rds=str, dynamodb=str, ignore="updated_at")
