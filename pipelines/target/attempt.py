"""One attempt at a bucket: at all of its records or, where it has an account already, at those that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.errors import AccountsError
from pipelines.target.backfill_run import BackfillFolder, BucketAccount, RefusedPut
from pipelines.target.batch_write import Failure
from pipelines.target.dead_letter import dead_letters, records_at


@dataclass(frozen=True)
class Attempt:
    """`retried`: the bucket's account when the stage handed it out; None where it had none."""

    folder: BackfillFolder
    bucket: int
    retried: BucketAccount | None

    def done_before(self) -> BucketAccount | None:
        """The bucket's account, where this attempt was made already: Spark tries a task again as a whole."""
        account = self.folder.account(self.bucket)
        return None if account == self.retried else account

    def wanted(self, records: pa.Table) -> pa.Table:
        """Those of the bucket's records that are to be written. Raises AccountsError."""
        if self.retried is None:
            return records
        failed = {(one.table, one.key) for one in self.folder.failed(self.retried) if not one.is_conflict}
        found = records_at(records, failed)
        if found.num_rows != self.retried.failed:
            raise AccountsError(
                f"backfill, bucket {self.bucket}: {self.retried.failed} items had failed, but {found.num_rows} of them "
                f"are listed and among its records; remove {self.folder.account_path(self.bucket)}, and the bucket is "
                "written again"
            )
        return found

    def finish(
        self, records: pa.Table, written: int, failures: Sequence[Failure], refusals: Sequence[RefusedPut] = ()
    ) -> BucketAccount:
        """What has become of `wanted` is accounted for, durably. Raises AccountsError, and LostLockError."""
        letters = dead_letters(records, failures)
        if self.retried is None:
            account = BucketAccount(
                bucket=self.bucket,
                records=records.num_rows,
                written=written,
                failed=len(failures),
                refused=len(refusals),
            )
        else:
            account = self.retried.after_retry(written, len(failures), len(refusals))
            letters = [*(one for one in self.folder.failed(self.retried) if one.is_conflict), *letters]
        self.folder.finish_bucket(account, letters, refusals)
        return account
