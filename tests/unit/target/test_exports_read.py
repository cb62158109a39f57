"""Exports that are not whole, or not of the table: each is told, and by the file's name."""

from __future__ import annotations

import gzip
import json
import shutil
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pipelines.dump.exporting.usable import require_usable, surely_after
from pipelines.errors import StageError, TargetError
from pipelines.target.export_file import DataFile, items_of
from pipelines.target.export_manifest import read_export
from pipelines.warehouse.manifest import SnapshotManifest
from pipelines.warehouse.place import Place
from tests.dynamodb_export import TableExport, into, md5, packed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 28, 2, tzinfo=UTC)
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/shop"
KEYS = ("pk", "sk")


def things(count: int, start: int = 0, size: int = 50) -> list[dict[str, Any]]:
    return [{"pk": {"S": f"C#{start + n}"}, "sk": {"S": "x"}, "note": {"S": "x" * size}} for n in range(count)]


class Exported:
    """Of a table with three partitions, one of them empty, in a folder; can be spoilt."""

    def __init__(self, folder: Path) -> None:
        export = TableExport(ARN, [things(3), [], things(2, 10)], NOW, "the id")
        export.write(into(folder))
        self.root = folder / export.root
        self.data = sorted((self.root / "data").iterdir())

    def read(self, snapshot: datetime = NOW - timedelta(minutes=10)) -> list[Any]:
        """As the stage reads it."""
        export = read_export(Place.of(self.root))
        table = cast("TableDescriptionTypeDef", {"TableArn": ARN, "TableId": "the id"})
        require_usable(
            {"shop": export}, {"shop": table}, SnapshotManifest.model_construct(id="s1", finished_at=snapshot)
        )
        assert surely_after(export) == NOW - timedelta(minutes=1)
        return [item for file in export.files for item in items_of(file, KEYS)]

    def change_summary(self, **fields: Any) -> None:
        path = self.root / "manifest-summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    def change_files(self, change: Callable[[list[Any]], Any]) -> None:
        path = self.root / "manifest-files.json"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        change(lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    return Exported(tmp_path)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def _same_items_other_bytes(file: Path) -> None:
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), 1, mtime=1))


def _list_twice(exported: Exported) -> None:
    exported.change_files(lambda lines: lines.append(lines[2]))
    exported.change_summary(itemCount=7)


DAMAGES: dict[str, tuple[Callable[[Exported], object], str]] = {
    "no summary": (lambda it: (it.root / "manifest-summary.json").unlink(), r"summary\.json: missing: .* no finished"),
    "no list": (
        lambda it: (it.root / "manifest-files.json").unlink(),
        r"manifest-files\.json: missing: .* no finished",
    ),
    "summary cut off": (
        lambda it: (it.root / "manifest-summary.json").write_text('{"exportArn": "arn:'),
        r"manifest-summary\.json: cannot be understood",
    ),
    "summary without its time": (lambda it: it.change_summary(exportTime=None), r"summary\.json: .*\(exportTime: "),
    "list cut off in a line": (lambda it: _cut(it.root / "manifest-files.json"), r"manifest-files\.json, line 3: "),
    "list cut off after a line": (
        lambda it: it.change_files(lambda lines: lines.pop()),
        r"manifest-files\.json: lists 3 items, manifest-summary\.json says 5",
    ),
    "count of the whole": (lambda it: it.change_summary(itemCount=6), r"lists 5 items, manifest-summary.json says 6"),
    "counts of files": (
        lambda it: it.change_files(lambda lines: (lines[0].update(itemCount=2), lines[2].update(itemCount=3))),
        r"asdl0000123dasas\.json\.gz: holds 3 items, the export's manifest says 2",
    ),
    "a file missing": (lambda it: it.data[0].unlink(), r"/data: asdl0000123dasas\.json\.gz missing, though"),
    "an empty file missing": (lambda it: it.data[1].unlink(), r"/data: asdl0001123dasas\.json\.gz missing, though"),
    "a file too many": (
        lambda it: shutil.copy(it.data[0], it.root / "data" / "more.json.gz"),
        r"/data: more\.json\.gz not listed in manifest-files\.json",
    ),
    "a file listed twice": (
        _list_twice,
        r"manifest-files\.json: lists asdl0002123dasas\.json\.gz more than once",
    ),
    "a file elsewhere": (
        lambda it: it.change_files(lambda lines: lines[0].update(dataFileS3Key="data/../../x")),
        r"manifest-files\.json, line 1: 'data/\.\./\.\./x' is no data file",
    ),
    "a file cut off": (lambda it: _cut(it.data[0]), r"asdl0000123dasas\.json\.gz: cut off"),
    "a file emptied": (lambda it: it.data[0].write_bytes(b""), r"asdl0000123dasas\.json\.gz: its MD5 is"),
    "a file damaged": (lambda it: _damage(it.data[2]), r"asdl0002123dasas\.json\.gz: (damaged|its MD5)"),
    "a file exchanged": (
        lambda it: it.data[2].write_bytes(packed(things(2, 20))),
        r"asdl0002123dasas\.json\.gz: its MD5 is .*, the export's manifest says",
    ),
    "a file packed anew": (lambda it: _same_items_other_bytes(it.data[2]), r"asdl0002123dasas\.json\.gz: its MD5 is"),
    "another format": (lambda it: it.change_summary(outputFormat="ION"), "an export in ION"),
    "an incremental one": (
        lambda it: it.change_summary(exportType="INCREMENTAL_EXPORT"),
        "the type INCREMENTAL_EXPORT",
    ),
    "a filtered one": (lambda it: it.change_summary(filterSpecification={"x": 1}), "an export with a filter"),
    "another account": (
        lambda it: it.change_summary(tableArn="arn:aws:dynamodb:eu-central-1:999999999999:table/shop"),
        r"of arn:.*:999999999999:table/shop; table shop is arn:",
    ),
    "a table before": (lambda it: it.change_summary(tableId="0"), "of a table shop that was there before the one"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_whole_is_told(exported: Exported, damage: str) -> None:
    spoil, message = DAMAGES[damage]
    assert len(exported.read()) == 5
    spoil(exported)
    with pytest.raises(TargetError, match=message) as raised:
        exported.read()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_file_cut_off_anywhere_is_told(exported: Exported, cut: int) -> None:
    exported.data[0].write_bytes(exported.data[0].read_bytes()[:-cut])
    with pytest.raises(TargetError, match=r"asdl0000123dasas\.json\.gz: cut off"):
        exported.read()


def test_every_byte_counts(exported: Exported) -> None:
    """None can be another, in the head of gzip, in the items, in the checksum, and nothing can be added."""
    whole = exported.data[2].read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        exported.data[2].write_bytes(damaged)
        with pytest.raises(TargetError, match=r"asdl0002123dasas\.json\.gz"):
            exported.read()
    for more in (b"\0", packed(things(1, 77)), b"x"):
        exported.data[2].write_bytes(whole + more)
        with pytest.raises(TargetError, match=r"asdl0002123dasas\.json\.gz"):
            exported.read()


def test_it_must_be_later_than_the_snapshot_by_more_than_it_is_fuzzy(exported: Exported) -> None:
    assert len(exported.read(snapshot=NOW - timedelta(seconds=60))) == 5
    with pytest.raises(
        StageError, match=r"2026-11-28 02:00:00 UTC, and fuzzy by a minute; snapshot s1 was taken until"
    ):
        exported.read(snapshot=NOW - timedelta(seconds=59))


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., DataFile]:
    def write(content: bytes, items: int) -> DataFile:
        path = tmp_path / "x.json.gz"
        path.write_bytes(content)
        return DataFile(Place.of(path), items, md5(content))

    return write


def test_files_in_every_form_that_gzip_has(data: Callable[..., DataFile]) -> None:
    several = packed(things(2)) + packed([]) + packed(things(1, 2))
    assert list(items_of(data(several, 3), KEYS)) == things(3)
    assert list(items_of(data(b"", 0), KEYS)) == []
    assert list(items_of(data(packed([]), 0), KEYS)) == []
    unended = gzip.compress(gzip.decompress(packed(things(2)))[:-1])  # the last line without its end
    assert list(items_of(data(unended, 2), KEYS)) == things(2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"pk":{"S":"a"},"sk":{"S":"b"}}', r"x\.json\.gz, line 1: not \{\"Item\":"),
        (b'{"Item":[1]}', "line 1: not"),
        (b"\xff", "line 1: not"),
        (b"\n", "line 1: not"),
        (b'{"Item":{"pk":{"S":"a"}}}', "line 1: an item without sk, which the mapping says is the table's key"),
        (b"x" * (17 << 20), "a line of more than 16,777,216 bytes"),
    ],
)
def test_lines_that_are_no_items(data: Callable[..., DataFile], line: bytes, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        list(items_of(data(gzip.compress(line), 1), KEYS))


def test_a_large_file_is_never_in_memory(data: Callable[..., DataFile]) -> None:
    file = data(packed(things(2_000, size=10_000)), 2_000)  # 20 MB unpacked
    tracemalloc.start()
    try:
        assert sum(1 for _ in items_of(file, KEYS)) == 2_000
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
