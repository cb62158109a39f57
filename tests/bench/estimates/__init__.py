"""Estimates of a mapping, beside the truth: the example shop, whose items an independent oracle makes all of, and 500
tables, of which the time counts."""

from __future__ import annotations

import math
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psycopg

from examples.shop.generate import load
from pipelines.assess.collect.collect import collect
from pipelines.assess.estimates.measure import BUDGET_SECONDS, measure
from pipelines.assess.estimates.measured import Measured
from pipelines.assess.schema import Schema
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.source.embedded import EmbeddedPostgres
from tests.bench.assess.data import create, name
from tests.bench.table import render
from tests.oracle.canonical_items import size_of
from tests.oracle.shop_expectations import expected_items
from tests.oracle.shop_rows import read_shop

SHOP = Path(__file__).parents[3] / "examples" / "shop" / "shop.yaml"
TABLES = 500
HEADER = ["", "items", "counted", "sampled", "mean", "error", "p99", "error"]


def run(scale: float = 1.0, tables: int = TABLES) -> str:
    with (
        tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server,
    ):
        base = server.url.rpartition("/")[0]
        for database in ("shop", "many"):
            _execute(server.url, f"CREATE DATABASE {database}")
        return _shop(f"{base}/shop", scale) + "\n" + _many(f"{base}/many", tables)


def _shop(url: str, scale: float) -> str:
    load(url, scale)
    truth = _truth(url)
    measured, seconds = _measured(url, SHOP.read_text(encoding="utf-8"))
    rows = [_row(item_type, measured, sizes) for item_type, sizes in truth.items()]
    return render(f"estimates: the shop at scale {scale:g}, {seconds:.1f} s", HEADER, rows)


def _row(item_type: str, measured: Measured, sizes: list[int]) -> list[str]:
    found = measured.types[item_type]
    mean, p99 = sum(sizes) / len(sizes), sizes[math.ceil(len(sizes) * 0.99) - 1]
    return [
        item_type,
        f"{len(sizes):,}",
        f"{found.rows:,}{'' if found.exact else ' about'}",
        f"{found.sampled:,}",
        f"{found.sizes.mean_bytes:.1f}",
        f"{found.sizes.mean_bytes / mean - 1:+.2%}",
        f"{found.sizes.p99_bytes:,}",
        f"{found.sizes.p99_bytes / p99 - 1:+.2%}",
    ]


def _truth(url: str) -> dict[str, list[int]]:
    sizes: dict[str, list[int]] = defaultdict(list)
    for table, item in expected_items(read_shop(url)):
        sizes["catalog_entry" if table == "catalog" else item["entity"]].append(size_of(item))
    return {item_type: sorted(found) for item_type, found in sizes.items()}


def _many(url: str, tables: int) -> str:
    """Each table is an item type, with its parent in it and the rows that refer to it."""
    create(url, tables)
    measured, seconds = _measured(url, _mapping(tables))
    sampled = sum(one.sampled for one in measured.types.values())
    exact = sum(one.exact for one in measured.types.values())
    cells = [f"{tables} tables", f"{seconds:.1f}", f"{BUDGET_SECONDS:.0f}", f"{exact}", f"{sampled:,}"]
    return render("estimates: many tables", ["", "seconds", "budget", "counted", "items"], [cells])


def _mapping(tables: int) -> str:
    text = "migration: many\ntarget: {tables: {many: {partition_key: {name: pk, type: S}}}}\nitems:\n"
    for table in range(tables):
        parent = name(max(table - 1, 0))
        text += (
            f'  t{table}: {{table: many, from: {name(table)}, key: {{pk: "{table}#{{id}}"}}, embed: {{'
            f"parent: {{from: {parent}, on: {{id: a_id}}, as: map, include: [column_1]}}, "
            f"children: {{from: {name(min(table + 1, tables - 1))}, on: {{a_id: id}}, as: list, order_by: [id], "
            "include: [column_0]}}}\n"
        )
    return text


def _measured(url: str, text: str) -> tuple[Measured, float]:
    evidence = collect(url, ["public"], with_statements=False).evidence
    mapping = parse_mapping(text, "mapping.yaml")
    plan = compile_mapping(mapping, evidence.catalog)
    started = time.perf_counter()
    measured = measure(url, mapping, plan, Schema(evidence))
    return measured, time.perf_counter() - started


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
