"""Fills an empty endpoint from a dump: what the embedded DynamoDB held before it was stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from pipelines.items.bucket import DEFAULT_BUCKETS
from pipelines.items.record import SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE
from pipelines.warehouse.dataset import read_bucket
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 25  # of BatchWriteItem
_COLUMNS = ("table", "item", "version", "source_key")


def refill(client: DynamoDBClient, dump_folder: Place, buckets: int = DEFAULT_BUCKETS) -> int:
    """Writes every dumped item, wrong ones too, with the version it had. Returns how many."""
    count = 0
    for table, items in groupby(_items(dump_folder, buckets), key=lambda pair: pair[0]):
        while batch := [item for _, item in islice(items, _BATCH)]:
            client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in batch]})
            count += len(batch)
    return count


def _items(dump_folder: Place, buckets: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for bucket in range(buckets):
        rows = read_bucket(dump_folder / "records", bucket, _COLUMNS).sort_by("table")
        for table, text, version, owner in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True):
            item = {name: _typed(value) for name, value in json.loads(text).items()}
            if version is not None:
                item[VERSION_ATTRIBUTE] = {"N": str(version)}
            if owner is not None:
                item[SOURCE_ATTRIBUTE] = {"S": owner}
            yield table, item


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    """boto3 wants binaries as bytes where the wire has base64."""
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {kind: base64.b64decode(content)}
        case "BS":
            return {kind: [base64.b64decode(member) for member in content]}
        case "L":
            return {kind: [_typed(member) for member in content]}
        case "M":
            return {kind: {name: _typed(member) for name, member in content.items()}}
        case _:
            return value
