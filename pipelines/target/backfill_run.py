"""What a backfill leaves behind while it runs, so that it can go on after any interruption.

backfills/<run_id>/run.json                    what is to be written, before anything is
                   buckets/<n>.json            a bucket's account, once the bucket is done
                   failed/bucket=<n>.parquet   FAILED_SCHEMA: the items that DynamoDB did not take, and conflicts
                   refused/bucket=<n>.parquet  REFUSED_SCHEMA: conditional puts that were refused, until they are judged
                   progress/<n>                items of a bucket under way; for the progress line only
                   manifest.json               last

A bucket whose failed items are tried again, or whose refusals are judged, gets a new account of the next revision. That
one file decides: the others of a revision are there before it, under names that tell the revision from the second on
(`bucket=<n>.2.parquet`), and those of any other revision mean nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import AccountsError, WarehouseError
from pipelines.target.dead_letter import FAILED_SCHEMA, DeadLetter
from pipelines.warehouse.dataset import write_table
from pipelines.warehouse.hold import require_hold
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.layout import MANIFEST
from pipelines.warehouse.manifest import FORMAT
from pipelines.warehouse.place import MissingError, Place

RUN = "run.json"
REFUSED_BATCH = 1_000

REFUSED_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("item_type", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("source_key", pa.string()),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("met_version", pa.int64(), nullable=False),  # -1 where it is not ours
        pa.field("met_owner", pa.string()),
        pa.field("met_tombstone", pa.bool_(), nullable=False),
        pa.field("met_equal", pa.bool_(), nullable=False),
    ]
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackfillRun(_Frozen):
    """`selected`: the buckets to write. `item_types`: only these, or all where empty. `targets`: what tells each table
    from one that was there before it under its name."""

    format: int = FORMAT
    id: str
    snapshot_id: str
    records_finished_at: datetime  # tells records that were made again from those the run began with
    mode: str
    mapping_hash: str
    buckets: int
    selected: tuple[int, ...]
    item_types: tuple[str, ...]
    targets: dict[str, str] = {}
    forced: bool = False
    started_at: datetime


class BucketAccount(_Frozen):
    """records = written + superseded + conflicts + failed + refused. `refused`: still to be judged."""

    bucket: int
    revision: int = 1
    records: int
    written: int
    superseded: int = 0
    conflicts: int = 0
    failed: int = 0
    refused: int = 0

    def after_retry(self, written: int, failed: int, refused: int) -> BucketAccount:
        """All that had failed was tried again, and this has become of it. What was refused before has been judged."""
        return self.model_copy(
            update={
                "revision": self.revision + 1,
                "written": self.written + written,
                "failed": failed,
                "refused": refused,
            }
        )

    def require_balance(self) -> None:
        parts = self.written + self.superseded + self.conflicts + self.failed + self.refused
        if parts != self.records:
            raise AccountsError(f"backfill, bucket {self.bucket}: {self.records} records, but {parts} accounted for")


@dataclass(frozen=True)
class RefusedPut:
    """A row of REFUSED_SCHEMA."""

    item_type: str
    table: str
    key: str
    source_key: str | None
    version: int
    met_version: int
    met_owner: str | None
    met_tombstone: bool
    met_equal: bool


class BackfillFolder:
    """`backfills/<run_id>/`."""

    def __init__(self, path: Place) -> None:
        self.path = path
        self.stop_flag = path / ".stop"

    def begin(self, run: BackfillRun) -> None:
        self.path.make_folder()
        for name in ("buckets", "failed", "refused", "progress"):
            (self.path / name).make_folder()
        (self.path / RUN).write_atomically(run.model_dump_json(indent=2) + "\n")

    @property
    def is_finished(self) -> bool:
        return (self.path / MANIFEST).is_file()

    def run(self) -> BackfillRun:
        """Raises WarehouseError where it cannot be read."""
        try:
            return BackfillRun.model_validate_json((self.path / RUN).read_text())
        except (MissingError, ValidationError):
            raise WarehouseError(f"{self.path / RUN}: damaged, or of another Crossover; remove its folder") from None

    def account(self, bucket: int) -> BucketAccount | None:
        """None while the bucket is not done."""
        path = self.account_path(bucket)
        try:
            return BucketAccount.model_validate_json(path.read_text())
        except MissingError:
            return None
        except ValidationError:
            raise WarehouseError(f"{path}: damaged; remove it and the bucket is written again") from None

    def accounts(self, buckets: Iterable[int]) -> list[BucketAccount]:
        """Of those that are done."""
        done = self._with_account()
        found = each(self.account, [bucket for bucket in buckets if bucket in done], self.path)
        return [account for account in found if account is not None]

    def finish_bucket(
        self, account: BucketAccount, failed: Sequence[DeadLetter], refusals: Sequence[RefusedPut] = ()
    ) -> None:
        """The files of its revision first, the account last and atomically. Raises AccountsError where it does not
        balance, and LostLockError."""
        account.require_balance()
        require_hold()
        _write(self._refused_path(account), refusals, REFUSED_SCHEMA)
        _write(self.failed_path(account), failed, FAILED_SCHEMA)
        self.account_path(account.bucket).write_atomically(account.model_dump_json() + "\n")
        if self.path.local is not None:
            self._progress_path(account.bucket).remove()

    def refusals(self, account: BucketAccount) -> Iterator[list[RefusedPut]]:
        """Some hundred at a time, each list of one item type."""
        with self._refused_path(account).open_input() as file:
            for batch in pq.ParquetFile(file).iter_batches(REFUSED_BATCH):
                rows = [RefusedPut(*row.values()) for row in batch.to_pylist()]
                rows.sort(key=lambda row: row.item_type)
                for _, same in groupby(rows, key=lambda row: row.item_type):
                    yield list(same)

    def failed(self, account: BucketAccount) -> list[DeadLetter]:
        """Items that DynamoDB did not take, and conflicts."""
        try:
            with self.failed_path(account).open_input() as file:
                rows = pq.read_table(file).to_pylist()
        except MissingError:
            return []
        return [DeadLetter(**{"item_type": None, "source_key": None} | row) for row in rows]

    def error_codes(self, accounts: Iterable[BucketAccount]) -> Counter[str]:
        """Of the items that are not written."""
        return Counter(letter.code for account in accounts for letter in self.failed(account))

    def forget_former(self, accounts: Iterable[BucketAccount]) -> None:
        """Removes the files of earlier revisions of these accounts."""
        current = {account.bucket: account for account in accounts}
        for folder, path_of in (("failed", self.failed_path), ("refused", self._refused_path)):
            for file in (self.path / folder).files(".parquet"):
                account = current.get(_bucket_of(file.name))
                if account is not None and file != path_of(account):
                    file.remove()

    def report_progress(self, bucket: int, items: int) -> None:
        """On a disk only: S3 charges for each write, and its progress line is content with whole buckets."""
        path = self._progress_path(bucket).local
        if path is not None:
            path.write_text(str(items), encoding="ascii")

    def progress(self, bucket: int) -> int:
        """Items of a bucket under way, as far as they were reported."""
        path = self._progress_path(bucket).local
        try:
            return int(path.read_text(encoding="ascii") or 0) if path is not None else 0
        except (FileNotFoundError, ValueError):
            return 0

    def failed_path(self, account: BucketAccount) -> Place:
        return self.path / "failed" / _file_name(account)

    def _refused_path(self, account: BucketAccount) -> Place:
        return self.path / "refused" / _file_name(account)

    def _with_account(self) -> set[int]:
        """From the names alone, in one listing."""
        names = (file.name.removesuffix(".json") for file in (self.path / "buckets").files(".json"))
        return {int(name) for name in names if name.isdecimal()}

    def account_path(self, bucket: int) -> Place:
        return self.path / "buckets" / f"{bucket}.json"

    def _progress_path(self, bucket: int) -> Place:
        return self.path / "progress" / str(bucket)


def _file_name(account: BucketAccount) -> str:
    revision = f".{account.revision}" if account.revision > 1 else ""
    return f"bucket={account.bucket}{revision}.parquet"


def _bucket_of(file_name: str) -> int:
    """-1 of a file that is no bucket's."""
    number = file_name.removeprefix("bucket=").partition(".")[0]
    return int(number) if number.isdecimal() else -1


def _write(place: Place, rows: Sequence[DeadLetter] | Sequence[RefusedPut], schema: pa.Schema) -> None:
    """Or removes what an attempt that was killed has left."""
    if rows:
        write_table(pa.Table.from_pylist([vars(one) for one in rows], schema=schema), place, durable=True)
    else:
        place.remove()


def newest_run(backfills: Place) -> BackfillFolder | None:
    """The run below `backfills/` that was begun last, finished or not. An older one that is unfinished stays so: what
    it wrote may have been overwritten since. Raises WarehouseError."""
    begun = [BackfillFolder(entry) for entry in backfills.children() if (entry / RUN).is_file()]
    return max(begun, key=lambda folder: (folder.run().started_at, folder.path.name), default=None)


def newest_unfinished(backfills: Place) -> BackfillFolder | None:
    """The run that was begun last, unless it is finished. Raises WarehouseError."""
    newest = newest_run(backfills)
    return None if newest is None or newest.is_finished else newest
