"""A record of a stream as the state of an item that is to be applied, or why none is.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipelines.errors import TargetError
from pipelines.reverse.apply.image import Image
from pipelines.target.record import TargetRecord, target_record

_TTL = {"type": "Service", "principalid": "dynamodb.amazonaws.com"}


class Skipped(StrEnum):
    """Why a record is not applied."""

    FOREIGN = "foreign"  # not written by the protocol: it has no version
    SWEPT = "swept"  # a tombstone was removed
    EXPIRED = "expired"  # DynamoDB removed it for its time to live
    ELSEWHERE = "elsewhere"  # its master is the source, or it is of no item type


@dataclass(frozen=True)
class Told:
    """What one record tells. Exactly one of `image` and `skipped` is there. `removed`: a live item was removed without
    a tombstone. `created_at`: by DynamoDB's clock, in whole seconds."""

    sequence: str
    created_at: datetime | None
    image: Image | None = None
    skipped: Skipped | None = None
    removed: bool = False


def told(record: Mapping[str, Any], table: str, key_names: Sequence[str]) -> Told:
    """`record` as botocore gives it: binaries as bytes. Raises TargetError where it has no image."""
    change = record["dynamodb"]
    sequence, created_at = change["SequenceNumber"], change.get("ApproximateCreationDateTime")
    removes = record.get("eventName") == "REMOVE"
    content = change.get("OldImage" if removes else "NewImage")
    if content is None:
        raise TargetError(
            f"the stream of table {table}: a record without an image; it is not one of new and old images"
        )
    found = target_record(content, key_names)
    image = _gone(found, table) if removes else image_of(found, table)
    skipped = _why_not(record, found) if removes else (Skipped.FOREIGN if image is None else None)
    if skipped is not None:
        return Told(sequence, created_at, skipped=skipped)
    return Told(sequence, created_at, image, removed=removes)


def image_of(found: TargetRecord, table: str) -> Image | None:
    """Of an item as it is; None where it has no version."""
    if found.version is None:
        return None
    return Image(table, found.key, None if found.is_tombstone else found.item, found.version, found.owner)


def _gone(found: TargetRecord, table: str) -> Image | None:
    return None if found.version is None else Image(table, found.key, None, found.version + 1, found.owner)


def _why_not(record: Mapping[str, Any], found: TargetRecord) -> Skipped | None:
    """Of a REMOVE."""
    if found.version is None:
        return Skipped.FOREIGN
    if found.is_tombstone:
        return Skipped.SWEPT
    by = {name.lower(): value for name, value in (record.get("userIdentity") or {}).items()}
    return Skipped.EXPIRED if by == _TTL else None
