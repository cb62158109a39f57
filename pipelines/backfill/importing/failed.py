"""What is said, and kept, of imports that failed."""

from __future__ import annotations

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

import pyarrow as pa

from pipelines.errors import AccountsError, TargetError, WarehouseError
from pipelines.items.canonical import canonical_item
from pipelines.target.dead_letter import DeadLetter
from pipelines.target.import_folder import ImportFolder, ImportPlan
from pipelines.target.import_log import ImportLog, read_log
from pipelines.target.import_objects import Compression
from pipelines.target.import_table import COMPLETED, ImportState
from pipelines.warehouse.s3_place import S3Place


@dataclass(frozen=True)
class Imported:
    """What is known of a table whose import has ended. `key`: the names of its key attributes; `items`: how many it is
    to have."""

    table: str
    key: tuple[str, ...]
    items: int
    state: ImportState

    @property
    def has_failed(self) -> bool:
        return self.state.status != COMPLETED or self.state.errors > 0


def require_imported(folder: ImportFolder, plan: ImportPlan, tables: Sequence[Imported], region: str) -> None:
    """Raises TargetError where imports failed, a line each, once the refused items are listed in the run's folder;
    AccountsError where an import's counts are not ours. DynamoDB never counts duplicates: records have none, for all
    rows that claim one key are rejects.
    """
    failed = [(one, read_log(one.state, region)) for one in tables if one.has_failed]
    if failed:
        listed = _list_refused(folder, plan, failed)
        raise TargetError("\n".join(f"{_failure(one, log)}{listed}" for one, log in failed))
    for one in tables:
        if (one.state.processed, one.state.imported) != (one.items, one.items):
            raise AccountsError(
                f"table {one.table}: {one.items:,} records, but its import processed {one.state.processed:,} items and "
                f"imported {one.state.imported:,}; delete the table and run again"
            )


def _failure(one: Imported, log: ImportLog) -> str:
    state = one.state
    said = f"{log.where}: {log.unread or f'{len(log.refused):,} entries'}" if log.where else log.unread
    return (
        f"table {one.table}: its import {state.id} ended as {state.status} ({state.failure or 'no cause is given'}); "
        f"{state.imported:,} of {one.items:,} items were imported, {state.errors:,} refused; what is in the table "
        f"stays: mend the cause, delete the table if it is there, and run again; {said}"
    )


def _list_refused(folder: ImportFolder, plan: ImportPlan, failed: Sequence[tuple[Imported, ImportLog]]) -> str:
    """The refused items' keys, found in the objects by their lines."""
    refused: list[DeadLetter] = []
    try:
        for one, log in failed:
            refused += _letters(one, log, plan)
    except (WarehouseError, OSError, ValueError, KeyError):
        return "; the refused items could not be looked up in the objects"
    path = folder.keep_refused(refused)
    return f"; the refused items are listed in {path}" if refused else ""


def _letters(one: Imported, log: ImportLog, plan: ImportPlan) -> Iterator[DeadLetter]:
    by_object: dict[str, dict[int, str]] = defaultdict(dict)
    for item in log.refused:
        by_object[item.key][item.index] = item.error
    bucket = S3Place.parse(plan.target).bucket
    for name, errors in sorted(by_object.items()):
        with _lines(S3Place(bucket, name), Compression(plan.compression)) as lines:
            for index, line in enumerate(lines):
                if index in errors:
                    item = json.loads(line)["Item"]
                    key = canonical_item({name: item[name] for name in one.key})
                    yield DeadLetter(None, one.table, key, None, errors[index])


@contextmanager
def _lines(place: S3Place, compression: Compression) -> Iterator[IO[bytes]]:
    """Uncompressed, one after the other."""
    with place.open_input() as source:
        if compression is Compression.GZIP:
            with gzip.GzipFile(fileobj=cast(IO[bytes], source)) as lines:
                yield cast(IO[bytes], lines)
        else:
            with pa.CompressedInputStream(source, "zstd") as stream, io.BufferedReader(stream) as lines:
                yield cast(IO[bytes], lines)
