"""A place keeps the same promises on a disk and in S3: whole files or none, names that are listed only when whole."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import UsageError, WarehouseError
from pipelines.warehouse import s3_access as s3_module
from pipelines.warehouse import s3_upload
from pipelines.warehouse.place import MissingError, Place
from pipelines.warehouse.s3_access import s3_access

pytestmark = pytest.mark.integration

BUCKET = "the-warehouse"
KINDS = ["disk", "s3"]


@pytest.fixture
def bucket(dynamodb_environment: str) -> str:
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return BUCKET


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path: Path, bucket: str) -> Place:
    return Place.of(tmp_path / "w" if request.param == "disk" else f"s3://{bucket}/some/prefix")


def objects() -> list[str]:
    return [found["Key"] for found in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_what_is_written_is_read_back(home: Place) -> None:
    place = home / "a" / "%5F größe=1.parquet"
    assert not place.exists()
    table = pa.table({"n": range(1000), "text": ["x" * 50] * 1000})
    with place.writing() as sink:
        pq.write_table(table, sink)
        assert not place.exists()
    assert place.is_file()
    assert not place.is_dir()
    with place.open_input() as file:
        assert pq.read_table(file).equals(table)
        assert file.size() == place.size() == len(place.read_bytes())


def test_an_address_is_an_address(home: Place) -> None:
    place = home / "a/b" / "c.json"
    assert place == home / "a" / "b/c.json"
    assert place.name == "c.json"
    assert place.parent == home / "a" / "b"
    assert place.parent.parent.parent == home
    assert Place.of(str(place)) == pickle.loads(pickle.dumps(place)) == Place.of(place)
    assert len({place, Place.of(str(place))}) == 1


def test_folders_list_what_is_whole(home: Place) -> None:
    for name in ("b.json", "c.txt", ".hidden", "a/deep.json", "a/deeper/x"):
        (home / name).write_atomically(name)
    assert [place.name for place in home.children()] == ["a", "b.json", "c.txt"]
    assert home.files(".json") == [home / "b.json"]
    assert home.is_dir()
    assert not home.is_file()
    assert (home / "nowhere").children() == (home / "nowhere").files() == []
    assert not (home / "a/dee").is_dir(), "a part of a name is no folder"


def test_a_tree_is_removed_whole_and_nothing_beside_it(home: Place) -> None:
    for name in ("run/a/x", "run/.hidden", "run2/x"):
        (home / name).write_atomically("1")
    (home / "run").remove_tree()
    (home / "run").remove_tree()
    assert home.children() == [home / "run2"]
    (home / "run2/x").remove()
    (home / "run2/x").remove()
    assert not (home / "run2/x").exists()


def test_reading_what_is_missing_says_where(home: Place) -> None:
    for read in (home.size, home.read_bytes, home.read_text, home.open_input):
        with pytest.raises(MissingError, match=f"^{home}: missing$"):
            read()


@pytest.mark.parametrize("size", [10, 1 << 20], ids=["small", "in parts"])
def test_an_exception_publishes_nothing_and_keeps_what_was_there(
    home: Place, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 100_000)
    place = home / "file"
    with pytest.raises(RuntimeError), place.writing() as sink:
        sink.write(b"x" * size)
        raise RuntimeError
    del sink
    assert not home.exists() or home.children() == []
    place.write_atomically("old")
    with pytest.raises(KeyboardInterrupt), place.writing() as sink:
        sink.write(b"x" * size)
        raise KeyboardInterrupt
    assert place.read_text() == "old"
    assert boto3.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    if home.local:
        assert [path.name for path in home.local.iterdir()] == ["file"]


def test_a_large_file_is_uploaded_in_parts(bucket: str) -> None:
    place = Place.of(f"s3://{bucket}/large")
    block = os.urandom(1 << 20)
    with place.writing() as sink:
        for _ in range(40):
            sink.write(block)
    assert place.read_bytes() == block * 40
    head = boto3.client("s3").head_object(Bucket=bucket, Key="large")
    assert head["ETag"].endswith('-3"')
    assert head["ServerSideEncryption"] == "AES256"


def test_a_failure_of_s3_in_mid_file_publishes_nothing(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 100_000)
    place = Place.of(f"s3://{bucket}/file")
    rows = pa.table({"a": [os.urandom(1000) for _ in range(500)]})
    with pytest.raises(WarehouseError, match=r"^s3://the-warehouse/file: cannot be written: "), place.writing() as sink:
        file = pq.ParquetWriter(sink, rows.schema)
        file.write_table(rows, row_group_size=100)
        for upload in boto3.client("s3").list_multipart_uploads(Bucket=bucket)["Uploads"]:
            boto3.client("s3").abort_multipart_upload(Bucket=bucket, Key="file", UploadId=upload["UploadId"])
        file.write_table(rows, row_group_size=100)
        pytest.fail("the sink should have said so")
    assert objects() == []


_WRITE_AND_DIE = """
import os, signal, sys
from pipelines.warehouse import s3_upload
from pipelines.warehouse.place import Place
s3_upload.PART_BYTES = 100_000
writing = Place.of(sys.argv[1]).writing()
writing.sink.write(b"x" * 1_000_000)
writing.sink.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_publishes_nothing(home: Place) -> None:
    place = home / "file"
    ended = subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, str(place)], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert not place.exists()
    assert home.children() == []
    place.remove_unfinished()
    if home.local:
        assert list(home.local.iterdir()) == []


_READ_AND_END = """
import os, sys
from pipelines.warehouse.place import Place
place = Place.of(sys.argv[1])
place.write_atomically("1")
kept = place.open_input()
assert kept.read() == b"1"
child = os.fork()
if child == 0:
    with place.open_input() as file:
        assert file.read() == b"1"
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
sys.exit(8)
"""


def test_a_process_that_reads_ends_as_it_wants_and_may_fork(home: Place) -> None:
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", _READ_AND_END, str(home / "x")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (8, "", "")


def test_a_fork_has_a_client_of_its_own(bucket: str) -> None:
    """The parent's would share its connections, and wait for threads that the child has not."""
    s3_access()
    before = s3_module._state
    child = os.fork()
    if child == 0:
        os._exit(7 if s3_module._state is not before else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert s3_module._state is before


def test_a_large_object_has_ever_larger_parts(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 takes 10,000 of them."""
    sizes: list[int] = []
    client = s3_access().client

    def upload(**given: Any) -> dict[str, str]:
        sizes.append(len(given["Body"].read()))
        return {"ETag": "x"}

    monkeypatch.setattr(client, "upload_part", upload)
    monkeypatch.setattr(client, "complete_multipart_upload", lambda **_: None)
    monkeypatch.setattr(s3_upload, "PART_BYTES", 100)
    monkeypatch.setattr(s3_upload, "PARTS_OF_A_SIZE", 3)
    with Place.of(f"s3://{bucket}/large").writing() as sink:
        for _ in range(130):
            sink.write(b"0123456789")
    assert sizes == [100, 100, 100, 200, 200, 200, 300, 100]


def test_no_object_stands_for_a_folder(bucket: str) -> None:
    home = Place.of(f"s3://{bucket}/w")
    (home / "empty").make_folder()
    with (home / "a/b/c").writing() as sink:
        sink.write(b"1")
    with (home / "a/b/c").open_input() as file:
        file.read()
    (home / "a/b/c").remove()
    assert objects() == []


def test_a_key_of_kms_encrypts_every_write(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_S3_KMS_KEY", "arn:aws:kms:eu-central-1:111122223333:key/of-the-test")
    Place.of(f"s3://{bucket}/x").write_atomically("1")
    head = boto3.client("s3").head_object(Bucket=bucket, Key="x")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"].endswith("of-the-test")


def test_renewed_credentials_are_used(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    access = s3_access()
    before = access.system(bucket)
    assert access.system(bucket) is before
    found = access.session.get_credentials()
    assert found is not None
    found.access_key = "another"
    assert access.system(bucket) is not before


@pytest.mark.parametrize("address", ["s3://", "s3://B/x", "s3:///x", "s3://the-warehouse/../x"])
def test_what_is_no_address_in_s3_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="give `s3://bucket/prefix`"):
        Place.of(address)


def test_a_bucket_is_a_folder(bucket: str) -> None:
    """It may be what somebody names instead of a folder in it, and is never removed whole."""
    place = Place.of(f"s3://{bucket}")
    assert not place.exists()
    (place / "a/b").write_atomically("1")
    assert place.is_dir()
    assert not place.is_file()
    with pytest.raises(WarehouseError, match=r"^s3://the-warehouse: a whole bucket is never removed$"):
        place.remove_tree()
    assert objects() == ["a/b"]


def test_what_may_not_be_removed_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place.of(f"s3://{bucket}/w")
    (place / "x").write_atomically("1")
    answer = {"Errors": [{"Key": "w/x", "Code": "AccessDenied"}]}
    monkeypatch.setattr(s3_access().client, "delete_objects", lambda **_: answer)
    with pytest.raises(WarehouseError, match=r"/w: cannot be removed: DeleteObjects was refused \(AccessDenied\)$"):
        place.remove_tree()


def _everything(place: Place) -> list[Callable[[], object]]:
    return [
        place.is_file,
        place.is_dir,
        place.children,
        place.size,
        place.read_bytes,
        place.open_input,
        place.remove,
        place.remove_tree,
        lambda: place.write_atomically("1"),
    ]


def test_no_bucket_is_said_so(dynamodb_environment: str) -> None:
    place = Place.of("s3://not-there/x")
    for act in (place.is_dir, place.children, lambda: place.write_atomically("1")):
        with pytest.raises(WarehouseError, match=r"^s3://not-there: there is no such bucket; create it"):
            act()


def test_an_endpoint_that_is_down_is_said_so(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setattr("pipelines.warehouse.s3_access.ATTEMPTS", 1)
    for act in _everything(Place.of(f"s3://{bucket}/x")):
        with pytest.raises(WarehouseError, match=f"^s3://{bucket}/x: cannot be .*S3 cannot be reached; check"):
            act()


def test_settings_that_are_missing_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for act in _everything(Place.of(f"s3://{bucket}/x")):
        with pytest.raises(WarehouseError, match="no usable AWS credentials; set AWS_ACCESS_KEY_ID"):
            act()
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=r"^AWS_REGION is not set: the region of the warehouse's bucket"):
        Place.of(f"s3://{bucket}/x").is_file()


def test_credentials_without_a_grant_are_said_so(
    dynamodb_environment: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the next request on, moto asks IAM."""
    (Place.of(f"s3://{bucket}/x")).write_atomically("1")
    user = boto3.client("iam", endpoint_url=dynamodb_environment)
    user.create_user(UserName="nobody")
    key = user.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    _ask_iam(dynamodb_environment, after=0)
    try:
        for act in _everything(Place.of(f"s3://{bucket}/x")):
            with pytest.raises(WarehouseError, match=r"^s3://the-warehouse/x: cannot be .* may not call s3:.*grant it"):
                act()
    finally:
        _ask_iam(dynamodb_environment, after=10**9)


def _ask_iam(url: str, after: int) -> None:
    request = urllib.request.Request(
        f"{url}/moto-api/reset-auth", data=str(after).encode(), headers={"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=30).close()
