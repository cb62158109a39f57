"""An export in S3 that S3 does not give: told apart from a file that is damaged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import SourceError, WarehouseError
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.source.rds_export.convert import Part, convert
from pipelines.warehouse.place import Place
from tests.tcp_proxy import CutError, tcp_proxy

pytestmark = pytest.mark.integration

TEXT = Column(name="t", type=SourceType(name="text", kind=Kind.TEXT), nullable=True)
TABLE = Table(
    ref=TableRef(schema_name="public", table="t"), relation=Relation.TABLE, columns=(TEXT,), primary_key=()
)  # fmt: skip
OK = b"HTTP/1.1 206"


@dataclass
class Wire:
    """What becomes of S3's answers from a moment on: another status, or none at all (0)."""

    status: int | None = None

    def __call__(self, answer: bytes) -> bytes:
        if self.status == 0:
            raise CutError
        return answer if self.status is None else answer.replace(OK, b"HTTP/1.1 %d" % self.status, 1)


@pytest.fixture
def wire(dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """To a bucket `exports` with a file of four row groups, each of more than is read ahead."""
    boto3.client("s3").create_bucket(Bucket="exports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    dice = random.Random(1)
    texts = [dice.randbytes(1 << 10).hex() for _ in range(4_000)]
    pq.write_table(pa.table({"t": texts}), tmp_path / "part", row_group_size=1_000, compression="none")
    boto3.client("s3").put_object(Bucket="exports", Key="part", Body=(tmp_path / "part").read_bytes())
    wire = Wire()
    monkeypatch.setattr("pipelines.warehouse.s3_access.ATTEMPTS", 1)
    with tcp_proxy(urlsplit(dynamodb_environment).port or 0, wire) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        yield wire


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (0, "cannot be read: S3 cannot be reached; check AWS_ENDPOINT_URL_S3, AWS_REGION and the network"),
        (503, "cannot be read: S3 failed; run again"),
        (403, "cannot be read: the credentials may not call s3:GetObject there; grant it to them"),
    ],
)
def test_what_s3_does_not_give_is_not_damaged(wire: Wire, tmp_path: Path, status: int, told: str) -> None:
    def on_rows(_: int) -> None:
        wire.status = status

    part = Part(TABLE, ("t",), Place.of("s3://exports/part"), Place.of(tmp_path / "found"))
    with pytest.raises(WarehouseError) as caught:
        convert(part, on_rows)
    assert str(caught.value) == f"s3://exports/part: {told}"
    assert not (tmp_path / "found").exists()


def test_a_damaged_file_in_s3_is_called_so(wire: Wire, tmp_path: Path) -> None:
    content = bytearray((tmp_path / "part").read_bytes())
    content[4_100_000:4_100_100] = bytes(100)
    boto3.client("s3").put_object(Bucket="exports", Key="damaged", Body=bytes(content[:-40]))
    part = Part(TABLE, ("t",), Place.of("s3://exports/damaged"), Place.of(tmp_path / "found"))
    with pytest.raises(SourceError, match=r"^s3://exports/damaged: cannot be read as Parquet; it is damaged"):
        convert(part, lambda _: None)
