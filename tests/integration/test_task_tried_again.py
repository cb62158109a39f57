"""A task that makes records dies when half of its files have their names, and is tried again: each row counts once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.warehouse import dataset, record_sink
from pipelines.warehouse.dataset import RECORDS, REJECTS, count_rows, read_bucket
from pipelines.warehouse.place import Place
from tests.rejects import read_rejects

pytestmark = pytest.mark.integration

BUCKETS = 16
ROWS = 200
LAYOUT = pa.unify_schemas([RECORD_SCHEMA, REJECT_SCHEMA, pa.schema({"key_hash": pa.int64()})])

DYING = """
import sys
from tests.integration.test_task_tried_again import die_half_way
die_half_way(sys.argv[1])
"""


@dataclass(frozen=True)
class Attempt:
    """What Spark tells a task about itself."""

    number: int

    def get(self) -> Attempt:
        return self

    def partitionId(self) -> int:  # noqa: N802 - Spark's
        return 3

    def attemptNumber(self) -> int:  # noqa: N802
        return self.number

    def taskAttemptId(self) -> int:  # noqa: N802
        return 100 + self.number


def rows() -> Iterator[pa.RecordBatch]:
    """Of every bucket, in several batches; each eleventh is a reject."""
    texts = dict.fromkeys(("item_type", "table", "source_key", "item"), "x")
    made = [
        {
            **texts,
            "key": f"k{number}",
            "bucket": number % BUCKETS,
            "version": 0,
            "digest": bytes(32),
            "size": 1,
            "reason": None if number % 11 else "not_a_number",
            "key_hash": number,
        }
        for number in range(ROWS)
    ]
    for start in range(0, ROWS, 50):
        yield pa.RecordBatch.from_pylist(made[start : start + 50], schema=LAYOUT)


def attempt(number: int, folder: Place) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_sink, "TaskContext", Attempt(number))
        for _ in record_sink._Sink(folder)(rows()):
            pass


def die_half_way(address: str) -> None:
    def half_of_them(work: Callable[[object], object], things: Iterable[object], _where: Place) -> None:
        things = list(things)
        assert len(things) == BUCKETS
        for thing in things[: BUCKETS // 2]:
            work(thing)
        os._exit(7)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "each", half_of_them)
        attempt(0, Place.of(address))


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, dynamodb_environment: str) -> Place:
    if request.param == "disk":
        return Place.of(tmp_path)
    boto3.client("s3").create_bucket(
        Bucket="the-warehouse", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return Place.of("s3://the-warehouse/w")


def test_each_row_counts_once(folder: Place) -> None:
    died = subprocess.run([sys.executable, "-c", DYING, str(folder)], capture_output=True, text=True, timeout=120)
    assert died.returncode == 7, died.stderr
    assert 0 < count_rows(folder / RECORDS, range(BUCKETS)) < ROWS, "half of the files are there"
    assert read_rejects(folder).num_rows > 0, "and all rejects"
    attempt(1, folder)
    keys = [
        key for bucket in range(BUCKETS) for key in read_bucket(folder / RECORDS, bucket, ["key"])["key"].to_pylist()
    ]
    assert sorted(keys) == sorted(f"k{number}" for number in range(ROWS) if number % 11)
    assert read_rejects(folder)["key"].to_pylist() == [f"k{number}" for number in range(0, ROWS, 11)]
    assert len((folder / REJECTS).files()) == 1
