"""Places in S3.

S3 has no folders: a key's parts stand for them, and a folder is there while an object is below it. Nothing is put
there to stand for an empty one. Reads and listings see every write that has been answered ("Amazon S3 data
consistency model", Amazon S3 User Guide: strong read-after-write consistency, for LIST too).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import fs

from pipelines.errors import UsageError, WarehouseError
from pipelines.warehouse.place import S3_SCHEME, MissingError, Place, Writing
from pipelines.warehouse.s3_access import s3_access
from pipelines.warehouse.s3_failures import s3_errors
from pipelines.warehouse.s3_upload import S3Writing

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectIdentifierTypeDef

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


@dataclass(frozen=True)
class S3Place(Place):
    """`key` without a slash at either end; empty for the bucket itself."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, address: str) -> S3Place:
        bucket, _, key = address.removeprefix(S3_SCHEME).partition("/")
        parts = [part for part in key.split("/") if part]
        if not _BUCKET.fullmatch(bucket) or {".", ".."} & set(parts):
            raise UsageError(f"{address}: no place in S3; give `s3://bucket/prefix`")
        return cls(bucket, "/".join(parts))

    def __str__(self) -> str:
        return f"{S3_SCHEME}{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> S3Place:
        return S3Place(self.bucket, f"{self.key}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> S3Place:
        return S3Place(self.bucket, self.key.rpartition("/")[0])

    @property
    def local(self) -> None:
        return None

    def is_file(self) -> bool:
        try:
            return bool(self.key) and self.size() >= 0
        except MissingError:
            return False

    def is_dir(self) -> bool:
        with s3_errors(str(self), "listed"):
            page = s3_access().client.list_objects_v2(Bucket=self.bucket, Prefix=self._below, MaxKeys=1)
        return page.get("KeyCount", 0) > 0

    def children(self) -> list[Place]:
        names: set[str] = set()
        for page in self._pages(delimiter="/"):
            names.update(folder.get("Prefix", "").removesuffix("/") for folder in page.get("CommonPrefixes", ()))
            names.update(_keys(page))
        return self._listed(names)

    def files(self, suffix: str = "") -> list[Place]:
        keys = (key for page in self._pages(delimiter="/") for key in _keys(page))
        return self._listed({key for key in keys if key.endswith(suffix)})

    def size(self) -> int:
        with s3_errors(str(self), "read"):
            return s3_access().client.head_object(Bucket=self.bucket, Key=self.key)["ContentLength"]

    def changed_at(self) -> datetime | None:
        times = [
            found["LastModified"]
            for page in self._pages(prefix=self.key)
            for found in page.get("Contents", ())
            if found["Key"] == self.key or found["Key"].startswith(self._below)
        ]
        return max(times, default=None)

    def read_bytes(self) -> bytes:
        with s3_errors(str(self), "read"):
            return s3_access().client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read()

    def open_input(self) -> pa.NativeFile:
        system, path = self.in_arrow()
        with s3_errors(str(self), "read"):
            return system.open_input_file(path)

    def in_arrow(self) -> tuple[fs.FileSystem, str]:
        with s3_errors(str(self), "read"):
            return s3_access().system(self.bucket), f"{self.bucket}/{self.key}"

    def writing(self, *, durable: bool = True) -> Writing:  # noqa: ARG002 - always is
        return S3Writing(self.bucket, self.key)

    def make_folder(self) -> None:
        """Nothing stands for a folder."""

    def remove(self) -> None:
        with s3_errors(str(self), "removed"):
            s3_access().client.delete_object(Bucket=self.bucket, Key=self.key)

    def remove_unfinished(self) -> None:
        """An upload that was not completed has no name."""

    def remove_tree(self) -> None:
        if not self.key:
            raise WarehouseError(f"{self}: a whole bucket is never removed")
        for page in self._pages():
            self._remove_all([{"Key": key} for key in _keys(page)])

    def _remove_all(self, objects: Sequence[ObjectIdentifierTypeDef]) -> None:
        """At most those of one page, 1,000, which is as many as DeleteObjects takes."""
        if not objects:
            return
        with s3_errors(str(self), "removed"):
            answer = s3_access().client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        for one in answer.get("Errors", ()):
            raise WarehouseError(f"{self}: cannot be removed: DeleteObjects was refused ({one.get('Code')})")

    @property
    def _below(self) -> str:
        return f"{self.key}/" if self.key else ""

    def _pages(self, delimiter: str = "", prefix: str | None = None) -> Iterator[ListObjectsV2OutputTypeDef]:
        """Of what is below this folder, or of all keys that begin with `prefix`."""
        begin = self._below if prefix is None else prefix
        pages = s3_access().client.get_paginator("list_objects_v2")
        with s3_errors(str(self), "listed"):
            yield from pages.paginate(Bucket=self.bucket, Prefix=begin, Delimiter=delimiter)

    def _listed(self, keys: set[str]) -> list[Place]:
        names = {key.removeprefix(self._below) for key in keys} - {""}
        return [self / name for name in sorted(names) if not name.startswith(".")]


def _keys(page: ListObjectsV2OutputTypeDef) -> Iterator[str]:
    return (found["Key"] for found in page.get("Contents", ()) if "Key" in found)
