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
from pipelines.routing.changing import change, forget, queries, standing
from pipelines.routing.compare import Difference
from pipelines.routing.counters import Counters
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


def test_a_share_of_shadow_reads_stays_in_canary_and_is_all_of_them_unless_given(
    mapping: Path, table: ControlTable, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = []
    for step in (["shadow", "--share", "10%"], ["canary", "--share", "5%", "--force"], ["shadow"]):
        assert run(["route", str(mapping), "q", *step]) == 0
        setting = Setting.of(table.get(stage_key("q")))
        shares.append((setting.share, setting.shadow_share))
    assert shares == [(0.0, 0.1), (0.05, 0.1), (0.0, 1.0)]
    assert "q: shadow -> canary 5.00%, 10.00% of calls in shadow, forced" in capsys.readouterr().out
    assert run(["route", str(mapping), "q", "shadow", "--share", "1%"]) == 0
    assert "q: shadow -> shadow, 1.00% of calls in shadow" in capsys.readouterr().out


def test_times_and_differences_are_told(mapping: Path, table: ControlTable, capsys: pytest.CaptureFixture[str]) -> None:
    table.create()
    now = datetime.now(UTC)
    table.put(Row(Key("queries", "q"), {"name": "q"}))
    counters = Counters(lambda: now)
    for path in ("lines[].price", "note", "lines[].price"):
        counters.compared("q", "shadow", (Difference(path, "value"), Difference("", "type")))
    counters.add("q", "rds_answers", durations=(("rds", 0.001),) * 98 + (("rds", 0.1),) * 2)
    counters.add("q", "candidate_answers", durations=(("candidate", 0.004),))
    old = Counters(lambda: now - timedelta(hours=5))
    old.compared("q", "shadow", (Difference("old", "value"),))
    for each in (counters, old):
        for row in each.rows().rows:
            table.put(row)
    assert run(["route", str(mapping)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (times,) = (line for line in lines if "p50/p99" in line)
    assert times == "  p50/p99 ms: rds 1.13/102, candidate 4.53/4.53"
    told = [line.split("Z ")[1] for line in lines if line.startswith("    ")]
    assert told == ["lines[].price value, the answer type", "note value, the answer type"]
    assert run(["route", str(mapping), "--json"]) == 0
    samples = json.loads(capsys.readouterr().out)["queries"]["q"]["samples"]
    assert [one["differences"][0]["path"] for one in samples] == ["lines[].price", "note"]


def test_a_sample_that_is_none_is_told(table: ControlTable) -> None:
    table.create()
    now = datetime.now(UTC)
    for wrong in ({}, {"at": "x", "differences": []}, {"at": now.isoformat(), "differences": [{"path": "a"}]}):
        table.put(Row(Key("query#q", f"sample#{now:%Y-%m-%dT%H}#p#0"), wrong))  # type: ignore[arg-type]
        with pytest.raises(TargetError, match="none of Crossover's"):
            standing(table, "q", now)


def test_what_was_counted_expires_after_a_week_and_stages_never(mapping: Path, table: ControlTable) -> None:
    with router() as one:
        query = one.query("q", rds=lambda: 1, dynamodb=lambda: 2)
        assert run(["route", str(mapping), "q", "shadow"]) == 0
        eventually(lambda: query() == 1 and one._stages.of("q").stage is Stage.SHADOW)
        eventually(lambda: query() == 1 and bool([*table.query("query#q", "sample#", "sample#~")]))
    assert run(["route", str(mapping), "q", "shadow"]) == 0  # once more changes nothing of it
    found = table.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    assert (found["TimeToLiveStatus"], found["AttributeName"]) == ("ENABLED", "expires")
    rows = [*table.query("query#q", " ", "~"), *table.query("audit", " ", "~"), *table.query("queries", " ", "~")]
    kinds: dict[str, set[bool]] = {}
    for row in rows:
        kinds.setdefault(row.key.sk.split("#")[0][:6], set()).add(row.expires > 0)
        if row.expires:
            assert 6.9 < (row.expires - time.time()) / 86_400 < 7.1
    assert kinds["count"] == kinds["sample"] == {True}
    assert {True} not in [those for kind, those in kinds.items() if kind not in ("count", "sample")]


def test_a_stage_is_set_where_rows_cannot_be_let_expire(
    mapping: Path, table: ControlTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: ControlTable) -> None:
        raise TargetError("not allowed")

    monkeypatch.setattr(ControlTable, "let_rows_expire", refused)
    assert run(["route", str(mapping), "q", "shadow"]) == 0
    assert "counts will stay for ever: not allowed" in capsys.readouterr().out
    assert Setting.of(table.get(stage_key("q"))).stage is Stage.SHADOW


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
        ["q", "shadow", "--share", "5"],
        ["q", "rds", "--share", "5%"],
        ["q", "dynamodb", "--share", "5%"],
        ["q", "--force"],
        ["--forget"],
        ["q", "rds", "--forget"],
        ["q", "--forget", "--force"],
        ["a#b", "shadow"],
    ],
)
def test_a_wrong_call_is_one_line(wrong: list[str], mapping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", str(mapping), *wrong]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "stays at" not in line  # for that would be lack of evidence


def test_a_query_that_nobody_asks_is_forgotten(
    mapping: Path, table: ControlTable, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    table.create()
    assert run(["route", str(mapping), "q", "--forget"]) == 2
    assert "no application has made itself known with it" in capsys.readouterr().err
    table.put(Row(Key("queries", "q"), {"name": "q"}))
    assert run(["route", str(mapping), "q", "dynamodb", "--force"]) == 0
    plant(table, now - timedelta(hours=23), 0, key_errors=1)
    assert run(["route", str(mapping), "q", "--forget"]) == 2
    assert "it was asked in the last 24 hours" in capsys.readouterr().err
    assert queries(table) == ["q"]
    for row in [*table.query("query#q", "count", "count~")]:
        table.client.delete_item(TableName=table.name, Key={"pk": {"S": row.key.pk}, "sk": {"S": row.key.sk}})
    plant(table, now - timedelta(hours=24))
    assert run(["route", str(mapping), "q", "--forget"]) == 0
    assert queries(table) == []
    capsys.readouterr()
    assert run(["route", str(mapping), "q"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("q: rds, since ") and UNKNOWN in told
    audit = [row.document for row in table.query("audit", " ", "~")]
    assert [one.get("forgotten", False) for one in audit] == [False, True]
    assert run(["route", str(mapping), "q", "--forget"]) == 2


def test_a_query_that_is_forgotten_while_it_stands_still_comes_back(mapping: Path, table: ControlTable) -> None:
    """A process names its queries once, when it starts; had it said nothing more, no gate would know of them."""
    table.create()
    with router() as one:
        query = one.query("q", rds=lambda: "rds", dynamodb=lambda: "dynamodb")
        query()
        eventually(lambda: queries(table) == ["q"] and any(table.query("query#q", "count", "count~")))
        later = datetime.now(UTC) + timedelta(hours=24)
        forget(table, standing(table, "q", later), later)
        assert queries(table) == []
        one._counters._now = lambda: later
        query()
        eventually(lambda: queries(table) == ["q"])


def test_a_change_against_an_older_version_is_refused(table: ControlTable) -> None:
    table.create()
    now = datetime.now(UTC)
    was = standing(table, "q", now)
    change(table, was, Stage.SHADOW, 0.0, now, force=False)
    with pytest.raises(StageError, match="somebody else"):
        change(table, was, Stage.SHADOW, 0.0, now + timedelta(seconds=1), force=True)
    setting = Setting.of(table.get(stage_key("q")))
    assert (setting.version, setting.shadow_share) == (1, 1.0)
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
