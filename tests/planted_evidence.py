"""A migration's evidence, written as the stages and the applications would have written it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import psycopg

from pipelines.migration import Migration
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.target.control_table import ControlTable, Key, Row
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import BackfillManifest, DiffManifest, LedgerSeen, Verdicts
from tests.finished_stages import finish_records

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Planted:
    migration: Migration
    url: str
    epoch: int = 1

    @cached_property
    def table(self) -> ControlTable:
        return ControlTable.of(self.migration.mapping.migration)

    def backfill(self, **changes: Any) -> None:
        """Of the records `s0`, which hold nothing; whole."""
        first = self.epoch * 2**40
        seen = LedgerSeen(
            epoch=self.epoch,
            sweeps=0,
            first_version=first,
            next_epoch=first + 2**40,
            item_types=tuple(self.migration.mapping.items),
            marked=(),
            known=0,
            file="ledger/versions.parquet",
        )
        finish_records(self.migration, "s0", [], ledger=seen)
        fields: dict[str, Any] = {"snapshot_id": "s0", "mode": "live", "buckets": 4}
        counts = dict.fromkeys(("records", "written", "superseded", "conflicts", "failed"), 0)
        manifest = BackfillManifest(**(self._header("b0", datetime.now(UTC)) | fields | counts | changes))
        write_manifest(self.migration.folder.backfill("b0"), manifest)

    def nights(self, *ago: float, **changes: Any) -> None:
        """A good verification that was begun so many hours ago, for each."""
        for hours in ago:
            self.verification(datetime.now(UTC) - hours * HOUR, **changes)

    def verification(self, began: datetime, **changes: Any) -> DiffManifest:
        run_id = f"{began:%Y%m%dT%H%M%S-%f}"
        fields: dict[str, Any] = {
            "finished_at": began + timedelta(minutes=3),
            "snapshot_id": f"s{run_id}",
            "dump_id": f"d{run_id}",
            "snapshot_started_at": began,
            "epoch": self.epoch,
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
        manifest = DiffManifest(**(self._header(run_id, began) | fields | changes))
        write_manifest(self.migration.folder.diff(run_id), manifest)
        return manifest

    def query(self, name: str, stage: Stage, hours: int = 30, calls: int = 100, **counts: int) -> None:
        """Set five days ago; seen in each of the last hours."""
        now = datetime.now(UTC)
        self.table.put(Row(Key("queries", name), {"name": name}))
        was = Setting.of(self.table.get(stage_key(name)))
        setting = Setting(stage, 0.0, was.version + 1, (now - timedelta(days=5)).isoformat(), "somebody")
        self.table.put(Row(stage_key(name), setting.document(), setting.version))
        seen = {"rds_answers": calls, "candidate_answers": calls, "shadow_compared": calls}
        whose = {"rds": {"30": calls}, "candidate": {"20": calls}}
        if stage is Stage.DYNAMODB:
            seen, whose = {"dynamodb_answers": calls}, {"dynamodb": {"20": calls}}
        document: Any = {"counts": seen | counts, "durations": whose, "last_compared_at": now.isoformat()}
        for ago in range(hours):
            self.table.put(Row(Key(f"query#{name}", f"count#{now - ago * HOUR:%Y-%m-%dT%H}#p"), document))

    def reverse_relay(self, lag_seconds: float = 1.0) -> None:
        """One is heard of just now, for as long as a test takes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO crossover.reverse_relay (migration, holder, seen_at, caught_up_at)"
                " VALUES (%s, 'test', now() + interval '1 hour', now() - %s * interval '1 second')"
                " ON CONFLICT (migration) DO UPDATE SET holder = EXCLUDED.holder, seen_at = EXCLUDED.seen_at,"
                " caught_up_at = EXCLUDED.caught_up_at",
                (self.migration.mapping.migration, lag_seconds),
            )

    def _header(self, run_id: str, started_at: datetime) -> dict[str, Any]:
        return {
            "migration": self.migration.mapping.migration,
            "mapping_hash": self.migration.mapping_hash,
            "id": run_id,
            "started_at": started_at,
        }
