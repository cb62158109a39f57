"""`crossover verify` from outside: it reads both stores, compares them, and says by its status what it found."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.shop.generate import load
from examples.shop.plant import plant
from pipelines.target.client import dynamodb_client
from tests.e2e.conftest import SHOP, CommandLine

pytestmark = pytest.mark.e2e

VERDICTS = (
    *("match", "accepted", "pending", "in_flight", "mismatch", "missing", "stale", "extra", "ahead", "foreign"),
    *("unmapped", "rejected", "expired"),
)
"""What `--json` promises, written out by hand."""

WRONG = ("mismatch", "missing", "stale", "extra", "ahead", "foreign", "unmapped")


def test_verify_tells_consistent_stores_from_others(crossover: CommandLine, database_url: str) -> None:
    load(database_url, scale=0.05)
    for command in ("tables", "snapshot", "records"):
        finished = crossover(command, SHOP)
        assert finished.status == 0, finished.err
    written = crossover("backfill", SHOP, "--json").document["written"]

    first = crossover("verify", SHOP, "--json")
    assert first.status == 0, first.err
    assert set(first.document) == {"run_id", *VERDICTS, "consistent", "coverage", "report"}
    assert first.document["consistent"] is True
    assert first.document["coverage"] == 1.0
    assert {name: first.document[name] for name in VERDICTS if first.document[name]} == {"match": written}
    assert len(first.out.splitlines()) == 1
    assert "<html" in Path(first.document["report"]).read_text(encoding="utf-8")

    planted = plant(dynamodb_client(), seed=3)
    second = crossover("verify", SHOP, "--json")
    assert second.status == 1, second.err
    assert second.document["consistent"] is False
    assert second.document["run_id"] != first.document["run_id"]
    assert sum(second.document[name] for name in WRONG) == len(planted)

    warehouse = crossover.folder / "warehouse"
    assert warehouse.stat().st_mode & 0o777 == 0o700
    assert all((warehouse / "shop" / stage).is_dir() for stage in ("snapshots", "records", "dumps", "diffs", "reports"))


def test_verify_of_what_was_never_migrated_finds_everything_missing(crossover: CommandLine, database_url: str) -> None:
    load(database_url, scale=0.05)
    nothing = crossover("verify", SHOP, "--json")
    assert nothing.status == 2
    assert "crossover tables" in nothing.document["error"]["message"]
    assert crossover("tables", SHOP).status == 0
    finished = crossover("verify", SHOP)
    assert finished.status == 1, finished.err
    assert "missing" in finished.out
    assert "Traceback" not in finished.err
