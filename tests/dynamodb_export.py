"""Full exports of a DynamoDB table as AWS documents them, made without the code that reads them.

Layout and fields: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html

    <prefix>/AWSDynamoDB/<export id>/_started                 empty; "can safely be deleted"
                                     manifest-summary.json    and .checksum beside each manifest
                                     manifest-files.json      a JSON object on each line, one for each data file
                                     data/<random>.json.gz    "at least 1 file per partition", empty partitions too
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
Put = Callable[[str, bytes], object]
"""Takes an object's key and its content."""


@dataclass(frozen=True)
class TableExport:
    """`partitions`: the items of each, as they are on the wire. `table_id`: as DescribeTable tells it."""

    table_arn: str
    partitions: Sequence[Sequence[Item]]
    time: datetime
    table_id: str = "12345a12-abcd-123a-ab12-1234abc12345"
    id: str = "01693685827463-2d8752fd"
    bucket: str = "exports"
    prefix: str = ""

    @property
    def arn(self) -> str:
        """Seen in the page's example: the table's ARN, `/export/` and the export's id."""
        return f"{self.table_arn}/export/{self.id}"

    @property
    def root(self) -> str:
        return "/".join(part for part in (self.prefix, "AWSDynamoDB", self.id) if part)

    def write(self, put: Put) -> None:
        put(f"{self.root}/_started", b"")
        lines = [self._write_partition(put, number, items) for number, items in enumerate(self.partitions)]
        files = "".join(json.dumps(line) + "\n" for line in lines).encode()
        summary = json.dumps(self.summary(), indent=3).encode()
        for name, content in (("manifest-files", files), ("manifest-summary", summary)):
            put(f"{self.root}/{name}.json", content)
            put(f"{self.root}/{name}.checksum", md5(content).encode())

    def summary(self) -> dict[str, Any]:
        """In the page's order. `exportType` stands in newer exports."""
        return {
            "version": "2020-06-30",
            "exportArn": self.arn,
            "startTime": stamp(self.time),
            "endTime": stamp(self.time),
            "tableArn": self.table_arn,
            "tableId": self.table_id,
            "exportTime": stamp(self.time),
            "s3Bucket": self.bucket,
            "s3Prefix": self.prefix or None,
            "s3SseAlgorithm": "AES256",
            "s3SseKmsKeyId": None,
            "manifestFilesS3Key": f"{self.root}/manifest-files.json",
            "billedSizeBytes": 0,
            "itemCount": sum(len(items) for items in self.partitions),
            "outputFormat": "DYNAMODB_JSON",
            "exportType": "FULL_EXPORT",
        }

    def _write_partition(self, put: Put, number: int, items: Sequence[Item]) -> dict[str, Any]:
        """`md5Checksum` is of the object as it lies in S3, Base64; `etag` is S3's of a multipart upload."""
        content = packed(items)
        key = f"{self.root}/data/asdl{number:04}123dasas.json.gz"
        put(key, content)
        etag = f"{hashlib.md5(content).hexdigest()}-1"
        return {"itemCount": len(items), "md5Checksum": md5(content), "etag": etag, "dataFileS3Key": key}


def packed(items: Sequence[Item]) -> bytes:
    """DynamoDB JSON: each item in a line of its own, below `Item`."""
    return gzip.compress(b"".join(line(item) for item in items))


def line(item: Item) -> bytes:
    return json.dumps({"Item": item}, ensure_ascii=False).encode() + b"\n"


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def stamp(time: datetime) -> str:
    """`2020-11-04T07:28:34.028Z`"""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def into(folder: Path) -> Put:
    """As if the bucket had been copied there."""

    def put(key: str, content: bytes) -> None:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)

    return put
