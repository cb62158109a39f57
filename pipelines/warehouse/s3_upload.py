"""Writes one object of any size, in bounded memory, that appears whole or not at all.

What fits into one part is a single PutObject. More becomes a multipart upload: its parts are no object until
CompleteMultipartUpload, which only `commit` calls ("Uploading and copying objects using multipart upload", Amazon S3
User Guide). Arrow's own output stream would complete it whenever it is closed or destroyed, after an error too. What
a killed process has uploaded stays invisible, and is cleared away by a lifecycle rule (docs/warehouse.md).
"""

from __future__ import annotations

import contextlib
import io
import mimetypes
import tempfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.warehouse.place import Writing
from pipelines.warehouse.s3_access import encryption, s3_access
from pipelines.warehouse.s3_failures import s3_errors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 16 << 20
PARTS_OF_A_SIZE = 1_000  # S3 takes 10,000 parts: these grow, so that an object can have 880 GB
HELD_BYTES = 64 << 10  # in memory, for a task can have a file open for each of 256 buckets; then in a temporary file


class S3Writing(Writing):
    def __init__(self, bucket: str, key: str) -> None:
        self._upload = _Upload(bucket, key)
        self.sink = pa.PythonFile(self._upload, mode="w")

    def commit(self) -> None:
        try:
            self._upload.complete()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        self._upload.abort()


class _Upload(io.RawIOBase):
    """Closing it publishes nothing."""

    def __init__(self, bucket: str, key: str) -> None:
        self._where: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._address = f"s3://{bucket}/{key}"
        self._part = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 (until complete or abort)
        self._upload_id: str | None = None
        self._done: list[CompletedPartTypeDef] = []

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer, /) -> int:
        """After `abort` into nothing: a Parquet writer still has its footer to leave."""
        if self._part.closed:
            return memoryview(content).nbytes
        self._part.write(content)
        if self._part.tell() >= PART_BYTES * (1 + len(self._done) // PARTS_OF_A_SIZE):
            self._send()
        return memoryview(content).nbytes

    def complete(self) -> None:
        with s3_errors(self._address, "written"):
            if self._upload_id is None:
                self._put()
            else:
                if self._part.tell():
                    self._send()
                s3_access().client.complete_multipart_upload(
                    **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._done}
                )
        self._upload_id = None
        self._part.close()

    def abort(self) -> None:
        with contextlib.suppress(ClientError, BotoCoreError):
            if self._upload_id is not None:
                s3_access().client.abort_multipart_upload(**self._where, UploadId=self._upload_id)
        self._upload_id = None
        self._part.close()

    def _put(self) -> None:
        self._part.seek(0)
        s3_access().client.put_object(**self._where, **self._description(), Body=self._part)

    def _send(self) -> None:
        with s3_errors(self._address, "written"):
            client, number = s3_access().client, len(self._done) + 1
            if self._upload_id is None:
                started = client.create_multipart_upload(**self._where, **self._description())
                self._upload_id = started["UploadId"]
            self._part.seek(0)
            sent = client.upload_part(**self._where, UploadId=self._upload_id, PartNumber=number, Body=self._part)
        self._done.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._part.seek(0)
        self._part.truncate()

    def _description(self) -> dict[str, Any]:
        kind = mimetypes.guess_type(self._where["Key"])[0] or "application/octet-stream"
        return {**encryption(), "ContentType": kind}
