"""`crossover verify` from outside: it reads both stores, compares them, and says by its status what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine
from tests.spoilt_shop import fill, spoil

pytestmark = pytest.mark.e2e

VERDICTS = (
    *("match", "accepted", "pending", "in_flight", "mismatch", "missing", "stale", "extra", "ahead", "foreign"),
    *("unmapped", "rejected", "expired"),
)
"""What `--json` promises, written out by hand."""

WRONG = ("mismatch", "missing", "stale", "extra", "ahead", "foreign", "unmapped")


def test_verify_tells_consistent_stores_from_others(crossover: CommandLine, database_url: str) -> None:
    mapping = fill(database_url, crossover.folder, orders=80)
    metrics = crossover.folder / "metrics.log"
    nothing = crossover("verify", mapping, "--json", "--metrics", f"emf:{metrics}")
    assert nothing.status == 2
    assert "crossover tables" in nothing.document["error"]["message"]
    assert emitted(metrics) == {"Migration": "small", "VerificationFailed": 1}

    assert crossover("tables", mapping).status == 0
    empty = crossover("verify", mapping)
    assert empty.status == 1, empty.err
    assert "100 missing" in empty.out
    assert "Traceback" not in empty.err

    assert crossover("backfill", mapping, "--json").document["written"] == 100
    first = crossover("verify", mapping, "--json")
    assert first.status == 0, first.err
    assert set(first.document) == {"run_id", *VERDICTS, "consistent", "coverage", "report"}
    assert first.document["consistent"] is True
    assert first.document["coverage"] == 1.0
    assert {name: first.document[name] for name in VERDICTS if first.document[name]} == {"match": 100}
    assert len(first.out.splitlines()) == 1
    assert "<html" in Path(first.document["report"]).read_text(encoding="utf-8")

    spoilt = spoil()
    second = crossover("verify", mapping, "--json", "--metrics", f"emf:{metrics}")
    assert second.status == 1, second.err
    assert emitted(metrics) == {"Migration": "small", "Consistent": 0, "VerificationFailed": 0}
    assert second.document["consistent"] is False
    assert second.document["run_id"] != first.document["run_id"]
    assert {name: second.document[name] for name in WRONG if second.document[name]} == spoilt

    warehouse = crossover.folder / "warehouse"
    assert warehouse.stat().st_mode & 0o777 == 0o700
    assert all(
        (warehouse / "small" / stage).is_dir() for stage in ("snapshots", "records", "dumps", "diffs", "reports")
    )


def emitted(metrics: Path) -> dict[str, object]:
    """The last line: of the verification as a whole."""
    line = json.loads(metrics.read_text().splitlines()[-1])
    return {name: value for name, value in line.items() if name != "_aws"}
