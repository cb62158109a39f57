"""A run whose lock another one has taken stops inside the bucket that is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.backfill import run_backfill
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.tables import create_tables
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.conditional_write import Write
from pipelines.target.live_write import LiveWriter
from pipelines.target.wire import Wire
from pipelines.warehouse import hold
from pipelines.warehouse.hold import LostLockError
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.lock_owner import Owner
from tests.fault_proxy import FaultProxy
from tests.integration.test_backfill import keep, opened, records

pytestmark = pytest.mark.integration

THEIRS = Owner("theirs", "elsewhere", 7, "1", "t", "k")
AT_REQUEST = 5
MOST_UNDER_WAY = 16


@pytest.fixture
def migration(dynamodb_environment: str, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Migration:
    """Whose buckets have some forty requests each; every look at the lock is made."""
    monkeypatch.setattr(hold, "LOOK_SECONDS", 0.0)
    migration = opened(warehouse)
    create_tables(migration.mapping, dynamodb_client())
    keep(migration, "s1", records(8_000, 0))
    return migration


def stealing(migration: Migration, upstream: str) -> FaultProxy:
    """Another run has the lock by the time of a certain request."""

    def plan(number: int, _body: dict[str, Any]) -> None:
        if number == AT_REQUEST:
            (migration.folder.root / "locks" / "backfill.lock").write_atomically(THEIRS.text())

    return FaultProxy(upstream, plan)


def test_a_cold_run_stops_inside_a_bucket(
    migration: Migration, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = stealing(migration, dynamodb_environment)
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        with pytest.raises(LostLockError, match="backfill: run first has lost its lock to run theirs"):
            run_backfill(migration, in_process, run_id="first")
    assert AT_REQUEST < proxy.requests <= AT_REQUEST + 1 + MOST_UNDER_WAY
    assert (migration.folder.backfill("first") / "buckets").children() == []
    assert Owner.parse((migration.folder.root / "locks" / "backfill.lock").read_bytes()) == THEIRS


def test_a_live_writer_stops_too(migration: Migration, dynamodb_environment: str) -> None:
    proxy = stealing(migration, dynamodb_environment)
    keys = [f'{{"id":{{"N":"{number}"}}}}' for number in range(400)]
    with (
        proxy.serving(),
        stage_lock(migration.folder.root, "backfill", "mine"),
        Wire(Address(proxy.url, "eu-central-1"), MOST_UNDER_WAY) as wire,
        pytest.raises(LostLockError, match="run mine has lost its lock to run theirs"),
    ):
        writer = LiveWriter(wire, in_flight=MOST_UNDER_WAY)
        list(writer.send(Write("prices", "id", key, key, 1, None) for key in keys))
    assert AT_REQUEST < proxy.requests <= AT_REQUEST + 1 + MOST_UNDER_WAY
