"""The dump of exports: the same dataset as a scan's, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow.parquet as pq
import pytest

from pipelines import cli
from pipelines.dump import dump_tables, segment
from pipelines.dump.exporting import asked
from pipelines.dump.exporting.options import ExportOptions
from pipelines.dump.segment import SEGMENTS
from pipelines.errors import StageError, TargetError, UsageError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.target import client, export_file, export_table, polling
from pipelines.warehouse.layout import MANIFEST, read_manifest, write_manifest
from pipelines.warehouse.local_place import LocalPlace
from pipelines.warehouse.manifest import DumpManifest, SnapshotManifest
from tests.dynamodb_export import TableExport, into
from tests.export_endpoint import ExportEndpoint
from tests.finished_stages import finish_snapshot, open_migration
from tests.integration.test_dump import EVERY_TYPE, MAPPING, OURS, TABLES, Killed, create, records_of, stored_key
from tests.on_disk import on_disk

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

BUCKET = "exports"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def endpoint(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExportEndpoint]:
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    monkeypatch.setattr(polling, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "ATTEMPTS", 1)  # botocore's own would hide what the stage does
    with ExportEndpoint(dynamodb_environment).serving() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint.url)
        yield endpoint


@pytest.fixture
def empty(endpoint: ExportEndpoint) -> Iterator[DynamoDBClient]:
    with closing(client.dynamodb_client()) as opened:
        create(opened, "shop", pk="S", sk="S")
        create(opened, "stock", product_id="N")
        yield opened


@pytest.fixture
def tables(empty: DynamoDBClient) -> DynamoDBClient:
    """With an item of each kind: of all types, of no item type, foreign, and a tombstone."""
    for item in (
        {**stored_key(1), **EVERY_TYPE, **OURS},
        {**stored_key(1, 6), "total": {"N": "12.5"}, "_v": {"N": "9"}, "_s": {"S": '{"order_id":6}'}},
        {"pk": {"S": "CUSTOMER#5"}, "sk": {"S": "ELSE"}, **OURS},
        stored_key(2),
        {**stored_key(4), "_v": {"N": "4"}, "_deleted": {"BOOL": True}},
    ):
        empty.put_item(TableName="shop", Item=item)
    for number in range(3):
        empty.put_item(TableName="stock", Item={"product_id": {"N": str(number)}, **OURS})
    return empty


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    migration = open_migration(MAPPING, tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES)
    taken(migration, datetime.now(UTC) - 10 * MINUTE)
    return migration


def taken(migration: Migration, finished_at: datetime) -> None:
    """The snapshot was, at this time."""
    folder = migration.folder.snapshot("s1")
    manifest = read_manifest(folder, SnapshotManifest)
    write_manifest(folder, manifest.model_copy(update={"finished_at": finished_at}))


def exported(migration: Migration, *exports: object, **options: Any) -> DumpManifest:
    """Of these exports, or of new ones."""
    s3 = None if exports else f"s3://{BUCKET}/some"
    exporting = ExportOptions(tuple(str(one) for one in exports), s3)
    return dump_tables(migration, in_process, exporting=exporting, buckets=4, **options)


def tombstones_of(migration: Migration, dump_id: str) -> list[Any]:
    files = sorted((on_disk(migration.folder.dump(dump_id)) / "tombstones").glob("bucket=*/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_it_is_what_a_scan_gives(tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration) -> None:
    scanned = dump_tables(migration, in_process, buckets=4, segments=1)
    manifest = exported(migration)
    assert manifest.items == scanned.items == 7
    for count in ("tables", "tombstones", "unmapped", "buckets"):
        assert getattr(manifest, count) == getattr(scanned, count)
    assert records_of(migration, manifest.id) == records_of(migration, scanned.id)
    assert tombstones_of(migration, manifest.id) == tombstones_of(migration, scanned.id) != []
    assert (manifest.taken, scanned.taken, scanned.exports) == ("export", "scan", {})


def test_the_manifest_says_of_which_exports_and_of_what_time(
    tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration
) -> None:
    manifest = exported(migration)
    assert {name: one.arn for name, one in manifest.exports.items()} == {
        one.request["TableArn"].rpartition("/")[2]: one.export.arn for one in endpoint.exports
    }
    times = [one.export_time for one in manifest.exports.values()]
    assert manifest.started_at == min(times) - MINUTE
    assert {name: one.items for name, one in manifest.exports.items()} == {"shop": 5, "stock": 3}
    place = manifest.exports["shop"].location
    assert place == f"s3://{BUCKET}/some/shop/{manifest.id}/AWSDynamoDB/{endpoint.exports[0].export.id}"
    assert endpoint.exports[0].request["S3SseAlgorithm"] == "AES256"


def test_an_export_that_is_there(tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration) -> None:
    """By its ARN, finished or under way, and by its place, however that is named."""
    whole = exported(migration)
    shop, stock = whole.exports["shop"], whole.exports["stock"]
    endpoint.actions.clear()
    for given in ((shop.arn, stock.arn), (stock.location, f"{shop.location}/manifest-summary.json")):
        manifest = exported(migration, *given)
        assert records_of(migration, manifest.id) == records_of(migration, whole.id)
        assert manifest.exports == whole.exports
    assert "ExportTableToPointInTime" not in endpoint.actions
    endpoint.exports[0].status, endpoint.exports[0].looks_left = "IN_PROGRESS", 2
    assert exported(migration, shop.arn, stock.arn).items == whole.items
    with pytest.raises(TargetError, match=r"^arn:nothing: no such export in this region and account"):
        exported(migration, "arn:nothing", stock.arn)


@pytest.fixture
def copy(empty: DynamoDBClient, tmp_path: Path) -> Exported:
    return Exported(empty, tmp_path / "copied")


class Exported:
    """Both tables' exports, copied to a folder."""

    def __init__(self, client: DynamoDBClient, folder: Path) -> None:
        self.folder = folder
        self.exports = {}
        of_shop: list[list[dict[str, Any]]] = [_things(3), [], _things(2, 10)]
        for name, partitions in (("shop", of_shop), ("stock", [[]])):
            table = client.describe_table(TableName=name)["Table"]
            export = TableExport(
                table["TableArn"], partitions, datetime.now(UTC), table["TableId"], f"01693685827463-{name}"
            )
            export.write(into(folder))
            self.exports[name] = export
        self.shop, self.stock = (folder / export.root for export in self.exports.values())
        self.data = sorted((self.shop / "data").iterdir())

    def dump(self, migration: Migration) -> DumpManifest:
        return exported(migration, self.shop, self.stock)


def _things(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{**stored_key(start + number), **OURS, "note": {"S": "x" * 50}} for number in range(count)]


def test_a_whole_copy_is_read_and_a_mended_one_gone_on_with(copy: Exported, migration: Migration) -> None:
    content = copy.data[2].read_bytes()
    copy.data[2].write_bytes(content[:-9])
    with pytest.raises(TargetError, match="cut off"):
        copy.dump(migration)
    (dump,) = (on_disk(migration.folder.root) / "dumps").iterdir()
    assert sorted(file.name for file in (dump / SEGMENTS).iterdir()) == ["0-shop.json", "1-shop.json"]
    assert {file.stem for file in dump.glob("records/bucket=*/*")} == {"0-shop"}  # nothing of what was half read
    copy.data[2].write_bytes(content)
    manifest = copy.dump(migration)
    assert (manifest.id, manifest.items) == (dump.name, 5)


def test_an_item_without_the_key(copy: Exported, migration: Migration) -> None:
    export = copy.exports["shop"]
    odd = TableExport(export.table_arn, [[{"pk": {"S": "CUSTOMER#1"}}]], export.time, export.table_id, "01-odd")
    odd.write(into(copy.folder))
    with pytest.raises(TargetError, match=r"json\.gz, line 1: an item without sk, which the mapping says"):
        exported(migration, copy.folder / odd.root, copy.stock)


def test_a_place_that_is_no_export_hints_at_those_in_it(copy: Exported, migration: Migration) -> None:
    with pytest.raises(TargetError, match=rf"no finished DynamoDB export; did you mean .*{copy.stock.name}\?$"):
        exported(migration, copy.folder)


def test_one_export_of_each_table(copy: Exported, migration: Migration) -> None:
    with pytest.raises(UsageError, match=r"^--export: none of table stock; give one of each table"):
        exported(migration, copy.shop)
    with pytest.raises(TargetError, match=r"^table shop: two exports of it"):
        exported(migration, copy.shop, copy.shop, copy.stock)


def test_an_export_must_be_later_than_the_snapshot_by_more_than_it_is_fuzzy(
    copy: Exported, migration: Migration
) -> None:
    taken(migration, copy.exports["shop"].time - timedelta(seconds=59))
    with pytest.raises(StageError, match=r"fuzzy by a minute; snapshot s1 was .*: they cannot be compared"):
        copy.dump(migration)
    taken(migration, copy.exports["shop"].time - timedelta(seconds=61))
    assert (
        copy.dump(migration).started_at >= read_manifest(migration.folder.snapshot("s1"), SnapshotManifest).finished_at
    )


def test_a_killed_dump_reads_only_the_files_that_are_left(
    copy: Exported, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalPlace.write_atomically
    read: list[str] = []
    items_of = export_file.items_of

    def reading(file: Any, keys: Any) -> Any:
        read.append(file.place.name)
        return items_of(file, keys)

    def die_at_the_second(place: LocalPlace, content: str) -> None:
        if place.parent.name == SEGMENTS and len(read) == 2:
            raise Killed
        write(place, content)

    monkeypatch.setattr(segment, "items_of", reading)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LocalPlace, "write_atomically", die_at_the_second)
        copy.dump(migration)
    assert migration.folder.finished("dumps") == []
    other = TableExport(
        copy.exports["stock"].table_arn, [[]], datetime.now(UTC), copy.exports["stock"].table_id, "02-x"
    )
    other.write(into(copy.folder))
    whole = exported(migration, copy.shop, copy.folder / other.root)  # another export is another dump
    read.clear()
    manifest = copy.dump(migration)
    assert manifest.items == 5
    assert manifest.id != whole.id
    assert read == ["asdl0001123dasas.json.gz", "asdl0002123dasas.json.gz", "asdl0000123dasas.json.gz"]


def test_without_point_in_time_recovery(tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration) -> None:
    endpoint.recovery = lambda table: table == "shop"
    with pytest.raises(TargetError, match=r"^table stock: its point-in-time recovery is off, .*--from scan$"):
        exported(migration)
    endpoint.recovery = lambda table: True
    assert exported(migration).items == 7
    assert len(endpoint.exports) == 2  # shop's was not asked for again


def test_an_export_that_fails_is_asked_for_anew(
    tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration
) -> None:
    endpoint.failure = lambda number: ("S3AccessDenied", "no\nway") if number == 1 else None
    with pytest.raises(TargetError, match=r"^table stock: its export 0169\S+ failed \(S3AccessDenied: no way\)"):
        exported(migration)
    assert exported(migration).items == 7
    assert [one.status for one in endpoint.exports] == ["COMPLETED", "FAILED", "COMPLETED"]


@pytest.mark.parametrize(
    ("action", "fault"), [("ExportTableToPointInTime", "lost"), ("DescribeExport", "ThrottlingException")]
)
def test_what_passes_is_waited_out_and_nothing_is_exported_twice(
    tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration, action: str, fault: str
) -> None:
    endpoint.fault = lambda called, number: fault if called == action and number == 1 else None
    assert exported(migration).items == 7
    assert len(endpoint.exports) == 2


def test_an_interrupt_leaves_exports_running_and_the_next_call_awaits_them(
    tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match="of shop, stock goes on in DynamoDB"):
        patched.setattr(asked, "describe_export", interrupted)
        exported(migration)
    tables.put_item(TableName="shop", Item={**stored_key(77), **OURS})  # since
    manifest = exported(migration)
    assert manifest.items == 7
    assert endpoint.actions.count("ExportTableToPointInTime") == 2


@pytest.mark.parametrize("calls", [1, 2])
def test_a_process_killed_around_an_answer_asks_once(
    tables: DynamoDBClient,
    endpoint: ExportEndpoint,
    migration: Migration,
    monkeypatch: pytest.MonkeyPatch,
    calls: int,
) -> None:
    start, made = export_table.start_export, []

    def dying(*arguments: Any) -> Any:
        state = start(*arguments)
        made.append(state)
        if len(made) == calls:
            raise Killed
        return state

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(asked, "start_export", dying)
        exported(migration)
    assert exported(migration).items == 7
    assert len(endpoint.exports) == 2


def test_an_endpoint_that_is_silent_for_long(
    tables: DynamoDBClient, endpoint: ExportEndpoint, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "PATIENCE_SECONDS", 0.0)
    endpoint.fault = lambda action, number: "ThrottlingException" if action == "DescribeExport" else None
    with pytest.raises(TargetError, match=r"throttled for too long .*; what was begun goes on in DynamoDB: run"):
        exported(migration)


def test_it_begins_a_minute_after_the_snapshot(
    tables: DynamoDBClient,
    endpoint: ExportEndpoint,
    migration: Migration,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The time is the test's: what is waited for goes by at once, and with it grows the snapshot's age."""
    taken(migration, datetime.now(UTC) - timedelta(seconds=20))
    waited: list[float] = []

    def wait(self: asked.AskedExports, seconds: float) -> None:
        waited.append(seconds)
        self.not_before -= timedelta(seconds=seconds)

    made = asked.AskedExports.__init__

    def paused(self: asked.AskedExports, *arguments: Any) -> None:
        made(self, *arguments)
        self.pause = lambda seconds: wait(self, seconds)

    monkeypatch.setattr(asked.AskedExports, "__init__", paused)
    with pytest.raises(StageError, match="fuzzy by a minute"):  # for the snapshot itself has not grown older
        exported(migration)
    assert 35 < waited[0] <= 40
    assert "the export begins in" in capsys.readouterr().err


def test_where_exports_go(migration: Migration, tables: DynamoDBClient, endpoint: ExportEndpoint) -> None:
    with pytest.raises(UsageError, match=r"^--from export: DynamoDB exports the items to S3, .* by --s3 s3://bucket"):
        dump_tables(migration, in_process, exporting=ExportOptions())
    with pytest.raises(UsageError, match=r"^--s3 /tmp/x: an export goes to S3"):
        dump_tables(migration, in_process, exporting=ExportOptions(s3="/tmp/x"))
    with pytest.raises(UsageError, match=r"^--rcu: an export uses no read capacity"):
        exported(migration, rcu=5)
    assert endpoint.exports == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--export", "x"], "--export, --s3: only with --from export"),
        (["--s3", "s3://a-bucket/x"], "--export, --s3: only with --from export"),
        (["--from", "export", "--export", "x", "--s3", "s3://a-bucket/x"], "leave --s3 out"),
    ],
)
def test_options_that_do_not_go_together(
    migration: Migration,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    assert cli.run(["dump", str(tmp_path / "migration.yaml"), *options]) == 2
    assert message in capsys.readouterr().err


def test_the_warehouse_in_s3_takes_exports_itself(
    tables: DynamoDBClient, endpoint: ExportEndpoint, tmp_path: Path
) -> None:
    from pipelines.warehouse.place import Place

    migration = Migration.open(_mapping(tmp_path), Place.of(f"s3://{BUCKET}/warehouse"))
    finish_snapshot(migration, "s1", *TABLES)
    taken(migration, datetime.now(UTC) - 10 * MINUTE)
    manifest = dump_tables(migration, in_process, exporting=ExportOptions(), buckets=1)
    assert manifest.items == 7
    assert manifest.exports["shop"].location.startswith(f"{migration.folder.dump(manifest.id)}/export/AWSDynamoDB/")
    assert (migration.folder.dump(manifest.id) / MANIFEST).is_file()


def _mapping(folder: Path) -> Path:
    path = folder / "migration.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path
