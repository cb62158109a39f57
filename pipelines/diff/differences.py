"""The differences dataset: one row for each verdict that is no match, its paths bounded, long values shortened.

Sensitive values are masked in it; `key` and `source_key` are not, since repair needs them: who shows them masks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, compress, islice
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.diff.paths import PathDifference
from pipelines.diff.sides import Pairs
from pipelines.judging.verdict import Verdict
from pipelines.warehouse.place import Place

DIFFERENCES = "differences"
MAX_PATHS = 200  # of one item
MAX_CHARACTERS = 1_000  # of one value or path
BATCH_ROWS = 8_000
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
                        # the rules of `compare` that make it an accepted one; empty where it is none
                        pa.field("accepted_by", pa.list_(pa.string()), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
        pa.field("more_paths", pa.int64(), nullable=False),  # beyond MAX_PATHS
    ]
)

SUSPECT_SCHEMA: pa.Schema = pa.schema(
    [*DIFFERENCE_SCHEMA, pa.field("source_digest", pa.binary()), pa.field("target_digest", pa.binary())]
)
"""Of differences that are judged again: what both sides were."""


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
    schema: pa.Schema = DIFFERENCE_SCHEMA
    rows: int = 0
    _held: list[dict[str, Any]] = field(default_factory=list)
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _held_rows: int = 0
    _held_paths: int = 0

    def __enter__(self) -> DifferenceWriter:
        self._file = self.place.writing()
        try:
            self._writer = pq.ParquetWriter(self._file.sink, self.schema, compression="zstd")
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

    def write_pairs(self, pairs: Pairs, verdicts: Sequence[Verdict], paths: Sequence[Sequence[PathDifference]]) -> None:
        """Those that are no match."""
        shown = [path_columns(iter(found)) for found in paths]
        own: dict[str, Sequence[Any]] = {
            "verdict": [verdict.value for verdict in verdicts],
            "source_version": pairs.source_version,
            **{name: [one[name] for one in shown] for name in ("paths", "more_paths")},
        }
        rows = pairs.rows
        if Verdict.MATCH in verdicts:
            kept = [verdict is not Verdict.MATCH for verdict in verdicts]
            rows = rows.filter(pa.array(kept))
            own = {name: list(compress(values, kept)) for name, values in own.items()}
        columns = [
            _array(own[column.name], column.type) if column.name in own else rows.column(column.name).cast(column.type)
            for column in self.schema
        ]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        self._note(rows.num_rows, sum(map(len, own["paths"])))

    def write_row(self, row: dict[str, Any]) -> None:
        """Of the schema; what it has beside is left out."""
        self._held.append(row)
        self._note(1, len(row["paths"]))

    def _note(self, rows: int, paths: int) -> None:
        self.rows += rows
        self._held_rows += rows
        self._held_paths += paths
        if self._held_rows >= BATCH_ROWS or self._held_paths >= BATCH_PATHS:
            self._flush()

    def _give_up(self) -> None:
        with suppress(Exception):
            self._writer.close()
        self._file.abort()

    def _flush(self) -> None:
        if self._held:
            columns = [_array([row.get(column.name) for row in self._held], column.type) for column in self.schema]
            self._batches.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        self._writer.write_table(pa.Table.from_batches(self._batches, self.schema))
        self._held, self._batches, self._held_rows, self._held_paths = [], [], 0, 0


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Lists of structs a field at a time, which Arrow builds several times as fast as it does from dictionaries."""
    if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)):
        return pa.array(values, kind)
    offsets = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    members = [member for value in values for member in value]
    fields = list(kind.value_type)
    arrays = [pa.array([member[field.name] for member in members], field.type) for field in fields]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(arrays, fields=fields), type=kind)


def path_columns(paths: Iterator[PathDifference]) -> dict[str, Any]:
    """`paths` and `more_paths` of a row."""
    shown = [_path_row(path) for path in islice(paths, MAX_PATHS)]
    return {"paths": shown, "more_paths": sum(1 for _ in paths)}


def _path_row(path: PathDifference) -> dict[str, Any]:
    return {
        "path": shortened(path.path),
        "kind": path.kind.value,
        "source": shortened(path.source),
        "target": shortened(path.target),
        "accepted_by": [rule.value for rule in path.accepted_by],
    }
