"""Which snapshots may be written, and how (docs/protocol.md, rules 4 and 5)."""

from __future__ import annotations

from contextlib import closing

import psycopg

from pipelines.backfill.wanted import IMPORT, LIVE, has_versions
from pipelines.errors import SourceError, StageError, UsageError
from pipelines.migration import Migration
from pipelines.settings import optional
from pipelines.source.connect import connect, source_url
from pipelines.source.ledger.control import read_control
from pipelines.source.server_error import describe
from pipelines.warehouse.manifest import RecordsManifest


def require_allowed(
    migration: Migration, records: RecordsManifest, mode: str, item_types: tuple[str, ...] = (), *, force: bool
) -> None:
    """Raises StageError or UsageError. `item_types`: only these are written, or all where empty. `force`: nobody else
    writes, whatever the ledger says; for `cold` only.

    An import makes its table, so that nothing newer can be in it. What its snapshot has not seen comes by the relay
    where the snapshot has versions; where it has none, nobody may write.
    """
    if mode == LIVE or (mode == IMPORT and records.ledger is not None):
        _require_versions(migration, records, item_types)
    elif not force:
        _require_nobody_writes(migration, records)


def _require_versions(migration: Migration, records: RecordsManifest, item_types: tuple[str, ...]) -> None:
    if records.gap:
        raise StageError(f"{_not_for_backfill(records)} ({records.uncaptured}); mend that and take a new snapshot")
    if not has_versions(migration, records, item_types):
        versioned = migration.mapping.versioned
        of = f" of {', '.join(sorted({*(item_types or migration.mapping.items)} - versioned))}" if versioned else ""
        reason = records.uncaptured or "it was taken by an earlier Crossover"
        raise UsageError(f"--mode live: snapshot {records.snapshot_id} has no versions{of} ({reason}); use cold")


def _require_nobody_writes(migration: Migration, records: RecordsManifest) -> None:
    if records.ledger is not None:
        raise UsageError("--mode cold: capture is on, and cold would overwrite what a relay has written; use live")
    if records.gap:
        raise StageError(f"{_not_for_backfill(records)} ({records.uncaptured}); mend that and take a new snapshot")
    if _is_captured(migration):
        raise StageError(f"{_not_for_backfill(records)}: it is older than the capture; take a new snapshot")


def _not_for_backfill(records: RecordsManifest) -> str:
    return f"snapshot {records.snapshot_id} must not be written"


def _is_captured(migration: Migration) -> bool:
    """False where the source cannot be asked: a cold backfill needs nothing but the records. True where the role may
    not look into schema crossover."""
    if optional(migration.mapping.source.url_env) is None:
        return False
    failed = None
    try:
        with closing(connect(source_url(migration.mapping))) as connection:
            return read_control(connection, migration.mapping.migration) is not None
    except SourceError:
        return False
    except psycopg.errors.InsufficientPrivilege:
        return True
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"source: {failed}")
