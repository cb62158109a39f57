"""What may be the last verification, the proof's page and digest, and what is said of deleting the source."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.cutover.decommission.farewell import farewell
from pipelines.cutover.decommission.proof import render_proof, sha256_of
from pipelines.cutover.decommission.steps import against_final
from pipelines.warehouse.manifest import DiffManifest, Verdicts
from tests.unit.cutover.good_evidence import EPOCH, HASH
from tests.unit.expectations.page import Page

pytestmark = pytest.mark.unit

HOSTILE = "<script>alert('x')</script>"
GATES = [{"gate": "verified", "said": f"{HOSTILE} größer", "numbers": {}}]


def diff(**changes: Any) -> DiffManifest:
    fields: dict[str, Any] = {
        "migration": "shop",
        "mapping_hash": HASH,
        "id": "v",
        "started_at": datetime(2026, 12, 10, tzinfo=UTC),
        "snapshot_id": "s",
        "dump_id": "d",
        "epoch": EPOCH,
        "mode": "ledger",
        "buckets": 2,
        "coverage": 1.0,
        "source_records": 3,
        "source_rejects": 0,
        "target_items": 3,
        "union": 3,
        "verdicts": Verdicts(match=3),
        "item_types": {"customer": Verdicts(match=3)},
        "differences": 0,
        "consistent": True,
        "reasons": (),
    }
    return DiffManifest(**(fields | changes))


def test_a_good_one_may_be_the_last() -> None:
    assert against_final(diff(), HASH, EPOCH) == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"consistent": False, "reasons": ("1 missing",)}, "not consistent: 1 missing"),
        ({"coverage": 0.5}, "50% of the buckets compared"),
        ({"mode": "no_ledger"}, "not by the ledger's versions"),
        ({"mapping_hash": "b"}, "made with another mapping"),
        ({"epoch": 7}, "of epoch 7, not 4"),
        ({"epoch": None}, "of epoch None, not 4"),
        ({"union": 0}, "nothing was compared"),
    ],
)
def test_any_other_may_not(changes: dict[str, Any], why: str) -> None:
    assert against_final(diff(**changes), HASH, EPOCH) == (why,)


def proof(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "crossover": "0.1.0",
        "migration": HOSTILE,
        "mapping_hash": HASH,
        "made_at": "2026-12-10T09:30:00+00:00",
        "states": [{"at": "t", "by": HOSTILE, "from": "a", "to": "b", "ended": False, "gates": GATES}],
        "verification": {
            "run_id": "v",
            "snapshot_started_at": "t",
            "epoch": 4,
            "finished_at": "t",
            "source_records": 1234,
            "target_items": 3,
            "coverage": 1.0,
            "consistent": True,
            "item_types": {HOSTILE: {"match": 3}, "": {}},
        },
        "archive": {
            "source": "host:5432/shop",
            "taken_at": "t",
            "tables": {HOSTILE: {"rows": 3, "columns": [HOSTILE]}},
            "files": [{"file": HOSTILE, "bytes": 1, "rows": 3, "sha256": "0"}],
        },
    }
    return {**document, **changes, "sha256": "f"}


def test_nothing_breaks_the_proofs_page() -> None:
    shown = Page(render_proof(proof()))
    assert not {tag for tag, _ in shown.tags} & {"script", "img"}
    assert shown.text.count(HOSTILE) == 8
    assert "1,234 records" in shown.text and "größer" in shown.text and "(begun)" in shown.text


def test_the_digest_is_of_all_but_itself() -> None:
    one = proof()
    assert sha256_of(one) == sha256_of({**one, "sha256": "other"}) == sha256_of(json.loads(json.dumps(one)))
    assert sha256_of(one) != sha256_of(proof(made_at="later"))


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (
            "shop-1.abc123.eu-west-1.rds.amazonaws.com",
            "aws rds delete-db-instance --db-instance-identifier shop-1 "
            "--final-db-snapshot-identifier shop-1-last-before-dynamodb --region eu-west-1",
        ),
        (
            "shop.cluster-abc123.eu-west-1.rds.amazonaws.com",
            "aws rds delete-db-cluster --db-cluster-identifier shop "
            "--final-db-snapshot-identifier shop-last-before-dynamodb --region eu-west-1",
        ),
        ("localhost", "aws rds delete-db-instance --db-instance-identifier INSTANCE "),
    ],
)
def test_what_is_left_is_said_without_the_password(host: str, told: str) -> None:
    lines = farewell(f"postgresql://ada:s3cret@{host}:5432/shop", "shop")
    assert any(told in line for line in lines)
    assert "s3cret" not in "".join(lines)
