"""Items reach DynamoDB: Crossover's writers beside boto3's, in items for each second of the client's processor time.

The endpoint is a stub in a process of its own, which reads whole requests, checks their lengths, decodes a sample and
answers at once. A client's second begins when its imports, connections and items are ready. What an item costs before,
in Spark and in Parquet, is not in it, for nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.bench.backfill.said import Sent, Served
from tests.bench.measure import measure, module
from tests.bench.stubbed import stubbed
from tests.bench.table import ratio, render

SIZES = (500, 4_000)
HEADER = ["", *(f"{size:,} B: items/CPU s{more}" for size in SIZES for more in ("", ", ratio"))]


@dataclass(frozen=True)
class Way:
    """`items`: of 500 B, about two seconds' worth. `beside`: the way that the ratio is to."""

    name: str
    client: str
    how: str
    items: int
    beside: str
    partiql: bool = True


BATCHED, CONDITIONAL = "boto3 batch_writer", "boto3 conditional PutItem"
WAYS = (
    Way(BATCHED, "by_boto3", "batch_writer", 8_000, BATCHED),
    Way("boto3 client, typed items", "by_boto3", "typed", 12_000, BATCHED),
    Way("Crossover cold", "by_crossover", "cold", 400_000, BATCHED),
    Way(CONDITIONAL, "by_boto3", "conditional", 2_000, CONDITIONAL),
    Way("Crossover live, PartiQL", "by_crossover", "live", 150_000, CONDITIONAL),
    Way("Crossover live, without", "by_crossover", "live", 50_000, CONDITIONAL, partiql=False),
)


def run() -> str:
    """Raises RuntimeError where a way fails, or the stub has not met what was to be sent."""
    speeds = {(way.name, size): _speed(way, size) for way in WAYS for size in SIZES}
    rows = []
    for way in WAYS:
        pairs = [(speeds[way.name, size], speeds[way.beside, size]) for size in SIZES]
        rows.append([way.name, *(cell for speed, base in pairs for cell in (f"{speed:,.0f}", ratio(speed, base)))])
    return render(
        "backfill: against a stub; ratios are to boto3's batch_writer, and to its conditional PutItem", HEADER, rows
    )


def _speed(way: Way, size: int) -> float:
    items = way.items * 500 // size if way.client == "by_crossover" else way.items * 1_000 // (500 + size)
    stub = module("tests.bench.backfill.stub", *([] if way.partiql else ["--no-partiql"]))
    with stubbed(stub) as (url, served):
        client = module(f"tests.bench.backfill.{way.client}", way.how, url, str(items), str(size))
        sent = Sent(**json.loads(measure(way.name, client, sampled=False).said))
    found = Served(**json.loads(served[0]))
    if found.wrong or found.items != items or sent.items != items or not found.sampled:
        raise RuntimeError(f"{way.name}: {items:,} items to be sent, {sent}, {found}")
    return sent.items / sent.cpu_seconds
