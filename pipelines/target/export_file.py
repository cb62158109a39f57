"""One data file of a DynamoDB export, read as a stream: gzip, on each line `{"Item":{…}}`, as items are on the wire.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.errors import TargetError
from pipelines.target.scan import WireItem
from pipelines.warehouse.place import MissingError, Place

_AT_ONCE_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 16 << 20  # an item of 400 KB takes some MB as JSON, at worst
_DAMAGED = (gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class DataFile:
    """`items`: how many the manifest says are in it. `md5`: Base64, of the file as it lies there, compressed."""

    place: Place
    items: int
    md5: str


def items_of(file: DataFile, key_names: Sequence[str]) -> Iterator[WireItem]:
    """Every item of the file, each with all of `key_names`. An empty partition's file has none.

    Raises TargetError where the file is not what the manifest says, at the latest once its last item is read: what was
    read of it until then must not be kept. Raises WarehouseError where it cannot be read.
    """
    count = 0
    try:
        with file.place.open_input() as source:
            hashed = _Hashed(source)
            for line in _lines(hashed, file.place):
                count += 1
                yield _item(line, key_names, f"{file.place}, line {count}")
    except MissingError:
        raise TargetError(f"{file.place}: missing, though the export lists it; copy the export whole") from None
    except EOFError:
        raise TargetError(f"{file.place}: cut off; copy it again, or export again") from None
    except _DAMAGED:
        raise TargetError(f"{file.place}: damaged, no whole gzip file; copy it again, or export again") from None
    if hashed.md5() != file.md5:
        raise TargetError(
            f"{file.place}: its MD5 is {hashed.md5()}, the export's manifest says {file.md5}; copy it again, or export "
            "again"
        )
    if count != file.items:
        raise TargetError(
            f"{file.place}: holds {count:,} items, the export's manifest says {file.items:,}; export again"
        )


def _lines(hashed: _Hashed, place: Place) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=hashed, mode="rb") as unpacked, io.BufferedReader(unpacked, _AT_ONCE_BYTES) as lines:
        while line := lines.readline(_LONGEST_LINE_BYTES):
            if len(line) == _LONGEST_LINE_BYTES:
                raise TargetError(f"{place}: a line of more than {_LONGEST_LINE_BYTES:,} bytes, which is no item")
            yield line


def _item(line: bytes, key_names: Sequence[str], where: str) -> WireItem:
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    item: Any = document.get("Item") if isinstance(document, dict) else None
    if not isinstance(item, dict):
        raise TargetError(f'{where}: not {{"Item":{{…}}}}; this is no export in DynamoDB JSON')
    for name in key_names:
        if name not in item:
            raise TargetError(f"{where}: an item without {name}, which the mapping says is the table's key")
    return item


class _Hashed(io.RawIOBase):
    """`source`, and the MD5 of what was read of it: all, for gzip looks for another member until the file ends."""

    def __init__(self, source: pa.NativeFile) -> None:
        super().__init__()
        self._source = source
        self._md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._source.read(_AT_ONCE_BYTES if size < 0 else size)
        self._md5.update(content)
        return content

    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode("ascii")
