"""Items that were not written: listed with the error, and with what is needed to find their records again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.target.batch_write import Failure

CONFLICT = "Conflict"
"""The code of an item that is not ours to overwrite; DynamoDB has none of that name."""

FAILED_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("item_type", pa.string()),  # null, as the source key, where only an import's log has named the item
        pa.field("table", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("source_key", pa.string()),
        pa.field("error", pa.string(), nullable=False),  # DynamoDB's code and message, or CONFLICT and what it means
    ]
)


@dataclass(frozen=True)
class DeadLetter:
    """A row of FAILED_SCHEMA. Its record is the one of the run's snapshot with this table and key."""

    item_type: str | None
    table: str
    key: str
    source_key: str | None
    error: str

    @property
    def code(self) -> str:
        return self.error.partition(":")[0]

    @property
    def is_conflict(self) -> bool:
        """Trying again cannot help."""
        return self.code == CONFLICT


def dead_letters(records: pa.Table, failures: Sequence[Failure]) -> list[DeadLetter]:
    """Of failures among these records, which have RECORD_SCHEMA's columns item_type, table, key and source_key."""
    errors = {(one.table, one.key): one.error for one in failures}
    failed = records_at(records, errors)
    rows = zip(*(failed[name].to_pylist() for name in ("item_type", "table", "key", "source_key")), strict=True)
    return [DeadLetter(item_type, table, key, source, errors[table, key]) for item_type, table, key, source in rows]


def records_at(records: pa.Table, keys: Collection[tuple[str, str]]) -> pa.Table:
    """The rows whose (table, key) is one of these."""
    if not keys:
        return records.slice(0, 0)
    pairs = zip(records["table"].to_pylist(), records["key"].to_pylist(), strict=True)
    return records.filter(pa.array([pair in keys for pair in pairs], pa.bool_()))
