"""Writes the buckets of a run that was begun: those without an account, and of the others what had failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipelines.backfill.accounts import manifest_of, require_accounted, require_complete
from pipelines.backfill.part import Part, buckets_of
from pipelines.backfill.refused import RefusedPuts
from pipelines.backfill.wanted import COLD
from pipelines.errors import TargetError
from pipelines.fanout import FanOut, slots
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.target.backfill_run import BackfillFolder, BackfillRun, BucketAccount
from pipelines.target.capacity import Capacity
from pipelines.target.client import Address
from pipelines.target.cold_bucket import ColdBucket, write_bucket
from pipelines.target.live_bucket import LiveBucket, put_bucket
from pipelines.target.watch import Watch
from pipelines.warehouse.dataset import RECORDS, count_rows
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest
from pipelines.warehouse.place import Place

Heard = Callable[[Progress], None]
"""Is told about twice a second how far the buckets are that a call writes."""


@dataclass(frozen=True)
class Writing:
    """`parts`: only their buckets; all where empty. `refused`: of a live run."""

    migration: Migration
    fan_out: FanOut
    address: Address
    folder: BackfillFolder
    records: RecordsManifest
    refused: RefusedPuts | None
    capacity: Capacity | None
    parts: Sequence[Part]
    heard: Heard

    @cached_property
    def _run(self) -> BackfillRun:
        return self.folder.run()

    @property
    def _buckets(self) -> list[int]:
        """Of this call."""
        return buckets_of(self.parts, self._run.selected, self._run.buckets)

    def write(self) -> BackfillManifest:
        """The run's manifest, which is kept once the whole run is done; of parts, with the counts of these alone.

        Raises TargetError, AccountsError, SourceError, StageError.
        """
        self._judge()  # what an attempt has left that was killed
        self._write_left()
        self._judge()
        accounts = self.folder.accounts(self._buckets)
        self.folder.forget_former(accounts)
        require_accounted(self._run, self._buckets, accounts)
        self._require_all_taken(accounts)
        whole = self._finish()
        return whole if whole is not None and not self.parts else manifest_of(self.migration, self._run, accounts)

    def _judge(self) -> None:
        if self.refused is not None:
            self.refused.judge(self.folder, self._buckets)

    def _write_left(self) -> None:
        before = {account.bucket: account for account in self.folder.accounts(self._buckets)}
        left = [bucket for bucket in self._buckets if bucket not in before or before[bucket].failed]
        retried = {bucket: before[bucket] for bucket in left if bucket in before}
        with Progress("backfill", self._items(left, retried), "items") as progress:
            watch = Watch(self.folder, left, retried, progress, self.heard)
            self._hand_out(left, retried, watch)
            watch.look()

    def _items(self, left: Sequence[int], retried: dict[int, BucketAccount]) -> int | None:
        """How many are to be written; None where only some item types are."""
        fresh = [bucket for bucket in left if bucket not in retried]
        if self._run.item_types and fresh:
            return None
        return count_rows(self._records_folder, fresh) + sum(account.failed for account in retried.values())

    def _hand_out(self, buckets: Sequence[int], retried: dict[int, BucketAccount], watch: Watch) -> None:
        run, folder, source = self._run, self.folder, self._records_folder
        bear_source = frozenset(self.records.bear_source)
        at_once = allowance = None
        if self.capacity is not None:
            at_once = self.capacity.tasks(len(buckets), slots(self.fan_out))
            allowance = self.capacity.allowance(str(folder.path), at_once)
        if run.mode == COLD:
            cold = [
                ColdBucket(
                    self.address,
                    source,
                    folder.path,
                    bucket,
                    run.item_types,
                    bear_source,
                    allowance=allowance,
                    retried=retried.get(bucket),
                )
                for bucket in buckets
            ]
            self.fan_out(cold, write_bucket, stop_flag=folder.stop_flag, on_poll=watch.look, at_once=at_once)
            return
        keys = {name: table.partition_key.name for name, table in self.migration.mapping.target.tables.items()}
        live = [
            LiveBucket(
                self.address,
                source,
                folder.path,
                bucket,
                keys,
                run.item_types,
                bear_source,
                allowance=allowance,
                retried=retried.get(bucket),
            )
            for bucket in buckets
        ]
        self.fan_out(live, put_bucket, stop_flag=folder.stop_flag, on_poll=watch.look, at_once=at_once)

    def _require_all_taken(self, accounts: Sequence[BucketAccount]) -> None:
        failed = [account for account in accounts if account.failed]
        if not failed:
            return
        reasons = ", ".join(f"{count} {code}" for code, count in self.folder.error_codes(failed).most_common())
        raise TargetError(
            f"backfill {self._run.id}: {sum(one.failed + one.conflicts for one in failed)} of "
            f"{sum(one.records for one in accounts)} items were not written ({reasons}); they are listed in "
            f"{self.folder.path / 'failed'}; running it again tries those that failed again, and only those"
        )

    def _finish(self) -> BackfillManifest | None:
        """None while buckets are left that this call was not for."""
        accounts = self.folder.accounts(self._run.selected)
        if len(accounts) < len(self._run.selected) or any(account.failed or account.refused for account in accounts):
            return None
        require_complete(self.migration, self._run, accounts)
        if self.refused is not None:
            self.refused.finish()
        manifest = manifest_of(self.migration, self._run, accounts)
        write_manifest(self.folder.path, manifest)
        return manifest

    @property
    def _records_folder(self) -> Place:
        return self.migration.folder.records(self._run.snapshot_id) / RECORDS
