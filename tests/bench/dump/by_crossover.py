"""Crossover's readers: `by_crossover scan|dump|budget|export URL MEGABYTES SIZE`."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pipelines.dump.segment import ReadSegment, Segment
from pipelines.items.source_type import Kind
from pipelines.mapping.catalog import Catalog
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.target.budget import Allowance
from pipelines.target.client import Address
from pipelines.target.export_manifest import read_export
from pipelines.target.scan import Scanner
from pipelines.target.wire import Wire
from pipelines.warehouse.place import Place
from tests.bench.backfill.credentials import REGION, set_credentials
from tests.bench.backfill.data import TABLE, texts
from tests.bench.backfill.said import say_cost
from tests.bench.dump.stub import items_of_a_page
from tests.dynamodb_export import TableExport, into
from tests.finished_stages import table

KEYS = ("pk", "sk")
BUCKETS = 64
MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}}
items:
  order: {table: shop, from: orders, key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{order_id:010}"}}
"""
UNLIMITED = 1e9  # units a second: what the budget costs by itself


def scan(url: str) -> None:
    with Wire(Address(url, REGION), 1) as wire:
        say_cost(lambda: sum(len(page) for page in Scanner(wire).pages(TABLE, 0, 1)))


def work(url: str, folder: Path, allowance: Allowance | None = None) -> ReadSegment:
    catalog = Catalog(server_version=180000, tables=(table("orders", "order_id", customer_id=Kind.INTEGER),))
    plan = compile_mapping(parse_mapping(MAPPING, "shop.yaml"), catalog)
    return ReadSegment(Address(url, REGION), Place.of(folder), plan, BUCKETS, None, allowance, {TABLE: 500.0})


def export(folder: Path, megabytes: int, size: int) -> Segment:
    """All items in one file."""
    distinct = [json.loads(text) for text in texts(size)]
    items = [distinct[number % len(distinct)] for number in range(megabytes * items_of_a_page(size))]
    made = TableExport(f"arn:aws:dynamodb:{REGION}:123456789012:table/{TABLE}", [items], datetime.now(UTC))
    made.write(into(folder))
    (file,) = read_export(Place.of(folder / made.root)).files
    return Segment(TABLE, KEYS, 0, 1, file)


def main() -> None:
    how, url, megabytes, size = sys.argv[1:]
    set_credentials()
    if how == "scan":
        scan(url)
        return
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        segment = export(at, int(megabytes), int(size)) if how == "export" else Segment(TABLE, KEYS, 0, 1)
        read = work(url, at / "dump", Allowance("bench", {TABLE: UNLIMITED}) if how == "budget" else None)
        say_cost(lambda: read(segment).items)


if __name__ == "__main__":
    main()
