"""A million items of the example shop, from PostgreSQL to an endpoint that takes everything: what each command needs.

Memory is of the command and all that it starts, Java and its Python workers among it; neither PostgreSQL nor the
endpoint is in it. Needs some GB of disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.shop.generate import load
from pipelines.source.embedded import EmbeddedPostgres
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.bench.backfill.said import Served
from tests.bench.measure import Measurement, measure, module
from tests.bench.table import render

SCALE = 130.0
"""Of the generator: a million items."""

MAPPING = Path(__file__).parents[3] / "examples" / "shop" / "shop.yaml"
HEADER = ["", "seconds", "CPU seconds", "peak MB", "items"]
STAGES = ("tables", "snapshot", "records", "backfill")


def run(scale: float = SCALE) -> str:
    """Raises RuntimeError where a command fails, or the stub has not met what the records hold."""
    with (
        tempfile.TemporaryDirectory(prefix="crossover-bench-") as name,
        EmbeddedPostgres(Path(name) / "postgres", durable=False) as server,
        EmbeddedDynamoDB() as dynamodb,
    ):
        load(server.url, scale)
        settings = {"CROSSOVER_SOURCE_URL": server.url, "CROSSOVER_WAREHOUSE": f"{name}/warehouse"}
        return _measured(os.environ | dynamodb.environment() | settings, dynamodb.url)


def _measured(environment: dict[str, str], upstream: str) -> str:
    rows = []
    with _stub(upstream) as (url, served):
        for stage in STAGES:
            found = _command(stage, environment | {"AWS_ENDPOINT_URL_DYNAMODB": url})
            items = json.loads(found.said).get("records", "")
            rows.append(
                [stage, f"{found.seconds:.1f}", f"{found.cpu_seconds:.1f}", f"{found.peak_mb:,.0f}", str(items)]
            )
    taken = Served(**json.loads(served[0]))
    if taken.wrong or taken.items != int(rows[-1][-1]) or not taken.sampled:
        raise RuntimeError(f"the stub has met {taken}, not {rows[-1][-1]} items")
    return render("the shop at scale: snapshot, records, cold backfill against a stub", HEADER, rows)


def _command(stage: str, environment: dict[str, str]) -> Measurement:
    mode = ["--mode", "cold"] if stage == "backfill" else []
    return measure(stage, module("pipelines.cli", stage, str(MAPPING), *mode, "--json"), environment)


@contextmanager
def _stub(upstream: str) -> Iterator[tuple[str, list[str]]]:
    """Its URL and, after the block, what it has served."""
    command = module("tests.bench.shop.stub", upstream)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    assert process.stdout is not None
    served: list[str] = []
    try:
        yield process.stdout.readline().strip(), served
    finally:
        served.append(process.communicate()[0])
