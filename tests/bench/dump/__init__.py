"""Items come out of DynamoDB: Crossover's dump beside boto3's scan, in items for each second of the reader's processor.

The endpoint is a stub in a process of its own that answers every Scan with the same page of 1 MB. boto3 ends with items
in Python; Crossover's scan, too; its dump with records in Parquet: canonical, hashed, measured, matched with an item
type, sorted into 64 buckets. An export is read from one file of gzip on the disk. A reader's second begins when its
imports are done.
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
    """`megabytes`: of items, some seconds' worth."""

    name: str
    client: str
    how: str
    megabytes: int


WAYS = (
    Way("boto3 Table.scan", "by_boto3", "resource", 10),
    Way("boto3 client, typed items", "by_boto3", "typed", 30),
    Way("Crossover, scan alone", "by_crossover", "scan", 100),
    Way("Crossover dump", "by_crossover", "dump", 30),
    Way("Crossover dump --rcu", "by_crossover", "budget", 30),
    Way("Crossover dump of an export", "by_crossover", "export", 30),
)


def run() -> str:
    """Raises RuntimeError where a way fails, or has not read what the stub gave."""
    speeds = {(way.name, size): _speed(way, size) for way in WAYS for size in SIZES}
    rows = []
    for way in WAYS:
        pairs = [(speeds[way.name, size], speeds[WAYS[0].name, size]) for size in SIZES]
        rows.append([way.name, *(cell for speed, base in pairs for cell in (f"{speed:,.0f}", ratio(speed, base)))])
    return render("dump: against a stub; ratios are to boto3's Table.scan", HEADER, rows)


def _speed(way: Way, size: int) -> float:
    arguments = [str(way.megabytes), str(size)]
    with stubbed(module("tests.bench.dump.stub", *arguments)) as (url, served):
        client = module(f"tests.bench.dump.{way.client}", way.how, url, *arguments)
        read = Sent(**json.loads(measure(way.name, client, sampled=False).said))
    found = Served(**json.loads(served[0]))
    if found.wrong or (way.how != "export" and (found.items != read.items or not found.sampled)) or not read.items:
        raise RuntimeError(f"{way.name}: {read}, {found}")
    return read.items / read.cpu_seconds
