"""The differences dataset: one row for each verdict that is no match, its paths bounded, long values shortened.

Sensitive values are masked in it; `key` and `source_key` are not, since repair needs them: who shows them masks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.diff.kernel import Pair
from pipelines.diff.paths import PathDifference
from pipelines.diff.verdict import Verdict
from pipelines.warehouse.place import Place

DIFFERENCES = "differences"
MAX_PATHS = 200  # of one item
MAX_CHARACTERS = 1_000  # of one value or path
BATCH_ROWS = 1_000
BATCH_PATHS = 20_000

DIFFERENCE_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("item_type", pa.string()),  # null where the key fits no template
        pa.field("table", pa.string(), nullable=False),
        pa.field("key", pa.string()),  # null for a reject whose key could not be built
        pa.field("source_key", pa.string()),  # null where the source has no row
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("source_version", pa.int64()),  # null where the source has no row, and no ledger tells
        pa.field("target_version", pa.int64()),  # null where the target has no item, or no `_v`
        pa.field("source_size", pa.int64()),  # bytes
        pa.field("target_size", pa.int64()),
        pa.field(  # empty unless both sides have an item, and the two differ
            "paths",
            pa.list_(
                pa.struct(
                    [
                        pa.field("path", pa.string(), nullable=False),
                        pa.field("kind", pa.string(), nullable=False),
                        pa.field("source", pa.string()),  # DynamoDB JSON; null where absent
                        pa.field("target", pa.string()),
                    ]
                )
            ),
            nullable=False,
        ),
        pa.field("more_paths", pa.int64(), nullable=False),  # beyond MAX_PATHS
    ]
)


def differences_file(folder: Place, bucket: int) -> Place:
    """`folder` is the diff's."""
    return folder / DIFFERENCES / f"bucket={bucket}.parquet"


def shortened(text: str | None) -> str | None:
    """At most MAX_CHARACTERS of the text, and then how long it is."""
    if text is None or len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}… ({len(text):,} characters)"


@dataclass
class DifferenceWriter:
    """Writes one bucket's file under its name when it ends without an error; else leaves none."""

    place: Place
    rows: int = 0
    _held: list[dict[str, Any]] = field(default_factory=list)
    _held_paths: int = 0

    def __enter__(self) -> DifferenceWriter:
        self._file = self.place.writing()
        try:
            self._writer = pq.ParquetWriter(self._file.sink, DIFFERENCE_SCHEMA, compression="zstd")
        except BaseException:
            self._file.abort()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._give_up()
            return
        try:
            self._flush()
            self._writer.close()
            self._file.commit()
        except BaseException:
            self._give_up()
            raise

    def write(self, pair: Pair, verdict: Verdict, paths: Iterator[PathDifference]) -> None:
        """Takes `paths` to its end, so that what counts them sees all."""
        shown = [_path_row(path) for path in islice(paths, MAX_PATHS)]
        self._held.append(_row(pair, verdict, shown, sum(1 for _ in paths)))
        self._held_paths += len(shown)
        self.rows += 1
        if len(self._held) >= BATCH_ROWS or self._held_paths >= BATCH_PATHS:
            self._flush()

    def _give_up(self) -> None:
        with suppress(Exception):
            self._writer.close()
        self._file.abort()

    def _flush(self) -> None:
        self._writer.write_batch(pa.RecordBatch.from_pylist(self._held, schema=DIFFERENCE_SCHEMA))
        self._held, self._held_paths = [], 0


def _path_row(path: PathDifference) -> dict[str, str | None]:
    return {
        "path": shortened(path.path),
        "kind": path.kind.value,
        "source": shortened(path.source),
        "target": shortened(path.target),
    }


def _row(pair: Pair, verdict: Verdict, paths: list[dict[str, str | None]], more_paths: int) -> dict[str, Any]:
    return {
        "item_type": pair.item_type,
        "table": pair.table,
        "key": pair.key,
        "source_key": pair.source_key,
        "verdict": verdict.value,
        "source_version": _source_version(pair),
        "target_version": pair.target.version if pair.target else None,
        "source_size": pair.source_size,
        "target_size": pair.target_size,
        "paths": paths,
        "more_paths": more_paths,
    }


def _source_version(pair: Pair) -> int | None:
    if pair.source is not None:
        return pair.source.version
    return pair.ledger.row.version if pair.ledger is not None and pair.ledger.row is not None else None
