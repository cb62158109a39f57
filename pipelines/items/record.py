"""The record: one DynamoDB item in a Parquet row. Backfill, diff, report and repair only know records.

Layout of a records or a dump dataset:

    <dataset>/records/bucket=<n>/*.parquet      RECORD_SCHEMA
    <dataset>/rejects/*.parquet                 REJECT_SCHEMA (the source side only)
    <dataset>/manifest.json                     written last
"""

from __future__ import annotations

import pyarrow as pa

VERSION_ATTRIBUTE = "_v"
DELETED_ATTRIBUTE = "_deleted"
TTL_ATTRIBUTE = "_ttl"
SOURCE_ATTRIBUTE = "_s"  # whose item it is, where its key does not tell
WRITTEN_ATTRIBUTE = "_at"  # of a tombstone: the source database's time, in seconds since 1970
WRITES_ATTRIBUTE = "_w"  # by which an application's last writes are known, where DynamoDB is the master
OWN_ATTRIBUTES = frozenset(
    {VERSION_ATTRIBUTE, DELETED_ATTRIBUTE, TTL_ATTRIBUTE, SOURCE_ATTRIBUTE, WRITTEN_ATTRIBUTE, WRITES_ATTRIBUTE}
)
"""Crossover's own attributes: in the DynamoDB item, never in `item`, `digest` or `size` of a record."""

RECORD_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("item_type", pa.string()),  # null on the target side where no key template matches
        pa.field("table", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field(
            "source_key", pa.string()
        ),  # `{"order_id":"6"}`: the root's primary key, each column as text; on the target side `_s`, null without it
        pa.field("bucket", pa.int32(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("version", pa.int64()),  # null on the target side where the item has no `_v`
        pa.field("digest", pa.binary(32), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)

REJECT_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("item_type", pa.string(), nullable=False),
        pa.field("source_key", pa.string()),
        pa.field("table", pa.string(), nullable=False),
        pa.field("key", pa.string()),  # null where the key itself could not be built
        pa.field("reason", pa.string(), nullable=False),
        pa.field("attribute", pa.string()),  # path in the item, `lines.price`
        pa.field("size", pa.int64()),
        pa.field("detail", pa.string()),  # lengths and limits, never the value
    ]
)
