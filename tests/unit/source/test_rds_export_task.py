"""Starting and awaiting an export task, against a small stand-in for boto3's client."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from pipelines.errors import SourceError
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.source.rds_export.await_task import LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, Waiting, await_task
from pipelines.source.rds_export.live_schema import LiveSchema
from pipelines.source.rds_export.locate import locate_export
from pipelines.source.rds_export.rds_snapshot import find_snapshot
from pipelines.source.rds_export.request import ContinueTask, Origin, StartTask
from pipelines.source.rds_export.task import ExportTask, export_only, start_task, task_id
from pipelines.source.rds_export.words import in_one_line

pytestmark = pytest.mark.unit


def refused(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Describe")  # type: ignore[typeddict-item]


def task(status: str, percent: int = 0, **more: Any) -> dict[str, Any]:
    return {"ExportTaskIdentifier": "t", "Status": status, "PercentProgress": percent, "S3Bucket": "b", **more}


@dataclass
class Rds:
    """Answers in turn; an exception is raised. The clock runs while it pauses."""

    answers: Iterator[dict[str, Any] | BaseException]
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    started: dict[str, Any] = field(default_factory=dict)

    def describe_export_tasks(self, **arguments: Any) -> dict[str, Any]:
        answer = next(self.answers)
        if isinstance(answer, BaseException):
            raise answer
        return {"ExportTasks": [answer]}

    def start_export_task(self, **arguments: Any) -> dict[str, Any]:
        self.started = arguments
        return task("STARTING")

    def get_paginator(self, operation_name: str) -> Any:
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        return [{"DBSnapshots": [one], "DBClusterSnapshots": [one]} for one in self.snapshots]

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def clock(self) -> float:
        return sum(self.pauses)


def awaited(rds: Rds) -> ExportTask:
    return await_task(rds, "t", "`go on --task t`", rds.pause, rds.clock)


def test_it_polls_ever_more_rarely_and_outlives_throttling() -> None:
    passing = [refused("Throttling"), refused("X", 503), EndpointConnectionError(endpoint_url="http://x")]
    states: list[dict[str, Any] | BaseException] = [
        task("STARTING"),
        *passing,
        *[task("IN_PROGRESS", 10)] * 12,
        task("COMPLETE", 100, S3Prefix="p/"),
    ]
    rds = Rds(iter(states))
    found = awaited(rds)
    assert (found.status, found.location) == ("COMPLETE", "s3://b/p/t")
    assert rds.pauses == sorted(rds.pauses)
    assert rds.pauses[0] <= 2
    assert rds.pauses[-1] == LONGEST_PAUSE_SECONDS


def test_it_gives_up_after_a_long_silence_and_says_that_the_task_runs_on() -> None:
    rds = Rds(iter([task("STARTING"), *[refused("Throttling")] * 1000]))
    with pytest.raises(SourceError, match=r"Throttling.*; export task t runs on in RDS: `go on --task t`$"):
        awaited(rds)
    assert 900 < sum(rds.pauses) < 1100


def test_an_answer_in_between_ends_the_silence() -> None:
    silence = [refused("Throttling")] * 14  # of which two are longer than the patience, and one is not
    rds = Rds(iter([*silence, task("IN_PROGRESS", 10), *silence, task("COMPLETE", 100)]))
    assert awaited(rds).status == "COMPLETE"
    assert sum(rds.pauses) > PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (task("FAILED", FailureCause="KMS check\nfailed. token=abc"), r"t failed: KMS check failed\. token=\*\*\*$"),
        (task("CANCELED"), r"export task t was cancelled; start a new one"),
        (task("CANCELING"), r"export task t was cancelled; start a new one"),
        (refused("AccessDenied"), r"may not call rds:DescribeExportTasks"),
        (NoCredentialsError(), r"no usable AWS credentials"),
    ],
)  # fmt: skip
def test_an_end_that_is_no_success_is_told(answer: dict[str, Any] | BaseException, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        awaited(Rds(iter([task("STARTING"), answer])))
    assert "\n" not in str(caught.value)


def test_a_warning_of_the_task_is_an_error_before_anything_is_read() -> None:
    column = Column(name="a", type=SourceType(name="bigint", kind=Kind.INTEGER), nullable=True)
    ref = TableRef(schema_name="public", table="orders")
    table = Table(ref=ref, relation=Relation.TABLE, columns=(column,), primary_key=())
    live = LiveSchema("shop", Catalog(server_version=180006, tables=(table,)), {table: ("a",)})
    warning = '{"skippedTables": [{"name": "shop.public.orders", "reason": "TOO_LARGE"}]}'
    complete = task("COMPLETE", 100, WarningMessage=warning)
    with pytest.raises(SourceError, match=r"^the export warns about shop\.public\.orders \(skippedTables\)"):
        locate_export(ContinueTask("t"), live, str, "go on", lambda: Rds(iter([complete, complete])))


def test_an_interrupt_says_how_to_go_on() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"export task t runs on in RDS: `go on --task t`"):
        awaited(Rds(iter([task("STARTING"), KeyboardInterrupt()])))


def test_the_line_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    waiting = Waiting(shown)
    for state, percent, seconds in (("STARTING", 0, 0.0), ("IN_PROGRESS", 10, 600.0), ("IN_PROGRESS", 40, 900.0)):
        waiting.show(ExportTask("t", state, percent, "b", "", "", ""), seconds)
    lines = shown.getvalue().split("\r\x1b[K")[1:]
    assert lines == [
        "export t: starting, 0 %",
        "export t: in progress, 10 %",
        "export t: in progress, 40 %, about 10 min left",
    ]
    quiet = io.StringIO()
    Waiting(quiet).show(ExportTask("t", "STARTING", 0, "b", "", "", ""), 0.0)
    assert quiet.getvalue() == ""


def snapshot(name: str, day: int, status: str = "available", **more: Any) -> dict[str, Any]:
    return {
        "DBSnapshotIdentifier": name,
        "DBSnapshotArn": f"arn:{name}",
        "DBClusterSnapshotIdentifier": name,
        "DBClusterSnapshotArn": f"arn:{name}",
        "Engine": "aurora-postgresql",
        "Status": status,
        "SnapshotCreateTime": datetime(2026, 11, day, tzinfo=UTC),
        **more,
    }


@pytest.mark.parametrize("is_cluster", [False, True])
def test_the_newest_snapshot_that_is_available(is_cluster: bool) -> None:
    rds = Rds(iter([]), [snapshot("a", 3), snapshot("c", 9), snapshot("b", 5), snapshot("new", 10, "creating")])
    assert find_snapshot(rds, Origin("x", is_cluster), None).arn == "arn:c"


def test_a_copy_is_as_old_as_its_original() -> None:
    copied = snapshot("copy", 20, OriginalSnapshotCreateTime=datetime(2026, 11, 1, tzinfo=UTC))
    assert find_snapshot(Rds(iter([]), [copied, snapshot("a", 3)]), Origin("x", False), None).id == "a"


def test_a_named_snapshot_that_is_not_ready_is_told() -> None:
    with pytest.raises(SourceError, match=r"^instance x: snapshot a is creating, not available; wait for it"):
        find_snapshot(Rds(iter([]), [snapshot("a", 3, "creating")]), Origin("x", False), "a")


def test_what_rds_is_asked_for() -> None:
    rds = Rds(iter([]))
    found = find_snapshot(Rds(iter([]), [snapshot("a", 3)]), Origin("x", False), None)
    request = StartTask(Origin("x", False), None, "b", "", "role", "key")
    start_task(rds, "t", found, request, ["d.s.t"])
    assert rds.started == {
        "ExportTaskIdentifier": "t",
        "SourceArn": "arn:a",
        "S3BucketName": "b",
        "IamRoleArn": "role",
        "KmsKeyId": "key",
        "ExportOnly": ["d.s.t"],
    }


def test_a_list_of_tables_only_where_rds_takes_one() -> None:
    assert export_only(["d.s.b", "d.s.a$_1"]) == ["d.s.a$_1", "d.s.b"]
    assert export_only(["d.s.a", "d.s.my table"]) == []
    assert export_only([f"d.s.{'x' * 60}{n}" for n in range(4000)]) == []


def test_a_task_has_a_name_that_rds_takes() -> None:
    assert task_id("shop", "20261124T085513-3fa2b1c") == "crossover-shop-20261124t085513-3fa2b1c"
    long = task_id("a_migration--with_a_name_of_sixty_three_characters_that_is_long", "20261124T085513-3fa2b1c")
    assert len(long) <= 60
    assert "--" not in long


def test_words_of_aws_carry_no_secret() -> None:
    assert in_one_line("a\tb\x1b[0m AKIAABCDEFGHIJKLMNOP postgresql://u:pw@h/d password=x") == (
        "a b [0m *** postgresql://***h/d password=***"
    )
    assert len(in_one_line("x" * 1000)) <= 301
