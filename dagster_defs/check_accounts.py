"""Whether what each stage has counted adds up, added again from its manifest as it is written now.

Every stage refuses to end where it does not; what is found here was changed, or lost, afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from dagster_defs.check import Check, Finding, Newest, job_name
from expectations.accounts import account_of_backfill, account_of_dump, accounts_of_diff, accounts_of_records
from expectations.report_data import Account, Term
from pipelines.errors import WarehouseError
from pipelines.mapping.compile import compile_mapping
from pipelines.warehouse.arrow_files import arrow_dataset
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest, SnapshotManifest
from pipelines.warehouse.place import Place

ACCOUNTS = "accounts_balance"


def snapshot_accounts(newest: Newest) -> Iterable[Account]:
    """Of each table, the rows that its files hold, by their footers. Raises WarehouseError."""
    folder = newest.migration.folder.snapshot(newest.snapshot.id)
    for table, counts in newest.snapshot.tables.items():
        held = _rows([folder / file for file in counts.files])
        yield Account(f"rows of {table}", Term("rows", counts.rows), (Term("in its files", held),))


def records_accounts(newest: Newest) -> Iterable[Account]:
    records = newest.records
    yield from accounts_of_records(records)
    folder = newest.migration.folder.snapshot(records.snapshot_id)
    yield from _of_roots(newest, records, read_manifest(folder, SnapshotManifest, records.mapping_hash))


def backfill_accounts(newest: Newest) -> Iterable[Account]:
    """None where no backfill has finished yet: each part is accounted for when the last has been written."""
    finished = newest.migration.folder.finished("backfills")
    for run_id in finished[-1:]:
        yield account_of_backfill(read_manifest(newest.migration.folder.backfill(run_id), BackfillManifest))


def dump_accounts(newest: Newest) -> Iterable[Account]:
    yield account_of_dump(newest.dump)


def diff_accounts(newest: Newest) -> Iterable[Account]:
    diff = newest.diff
    yield from accounts_of_diff(newest.records_of(diff.snapshot_id), newest.dump_of(diff.dump_id), diff)


def accounts_check(stage: str, accounts: Callable[[Newest], Iterable[Account]], job: str = "verify") -> Check:
    """`job`: that makes them again."""

    def look(newest: Newest) -> Finding:
        all_of_them = list(accounts(newest))
        wrong = [account for account in all_of_them if not account.balanced]
        return Finding(
            not wrong,
            _said(wrong)
            if wrong
            else f"{len(all_of_them):,} accounts balance"
            if all_of_them
            else "nothing finished yet",
            f"what was written is no longer what {stage} had counted: launch the job {job_name(newest.migration, job)}",
            {"accounts": len(all_of_them), "unbalanced": len(wrong)},
        )

    return Check(ACCOUNTS, f"What {stage} has counted adds up, in its manifest as it stands.", look)


def _of_roots(newest: Newest, records: RecordsManifest, snapshot: SnapshotManifest) -> Iterable[Account]:
    for item in compile_mapping(newest.migration.mapping, snapshot.catalog).items:
        table = str(item.root.table.ref)
        read = records.item_types[item.name].rows if item.name in records.item_types else 0
        taken = snapshot.tables[table].rows if table in snapshot.tables else 0
        yield Account(f"{item.name}: rows of {table}", Term("in the snapshot", taken), (Term("read", read),))


def _rows(files: list[Place]) -> int:
    if not files:
        return 0
    try:
        return int(arrow_dataset(files).count_rows())
    except (OSError, pa.ArrowInvalid):
        raise WarehouseError(f"{files[0].parent}: a file is missing or damaged; take a new snapshot") from None


def _said(wrong: list[Account]) -> str:
    first, more = wrong[0], f", and {len(wrong) - 1:,} more do not balance" if len(wrong) > 1 else ""
    parts = " + ".join(f"{part.count:,} {part.name}" for part in first.parts)
    return f"{first.where}: {first.total.count:,} {first.total.name}, but {parts or 0}{more}"
