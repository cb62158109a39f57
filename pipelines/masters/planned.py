"""What is at a key, as it was read, and the writes that replace it (docs/protocol.md, rule 16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.errors import TargetError
from pipelines.items.canonical import quote
from pipelines.items.record import (
    DELETED_ATTRIBUTE,
    SOURCE_ATTRIBUTE,
    VERSION_ATTRIBUTE,
    WRITES_ATTRIBUTE,
    WRITTEN_ATTRIBUTE,
)
from pipelines.masters.history import marks_of, marks_with, new_mark
from pipelines.masters.item_form import Formed, ItemForm
from pipelines.masters.sender import Put
from pipelines.reading.shown import Item, shown
from pipelines.source.ledger.version import EPOCH_STEP

_COUNTED_FROM = 1_735_689_600  # 2025-01-01, in seconds since 1970


@dataclass(frozen=True)
class Read:
    """`found`: as DynamoDB sends it; None where nothing is."""

    found: Mapping[str, Any] | None

    @property
    def is_live(self) -> bool:
        return self.found is not None and DELETED_ATTRIBUTE not in self.found

    @property
    def version(self) -> int | None:
        """None where nothing is."""
        return None if self.found is None else int(self.found[VERSION_ATTRIBUTE]["N"])

    @property
    def owner(self) -> str | None:
        return None if self.found is None else self.found.get(SOURCE_ATTRIBUTE, {}).get("S")

    def item(self) -> Item | None:
        """As the application sees it; each time another one."""
        return shown(self.found, on_wire=True) if self.found is not None and self.is_live else None

    def require_ours(self, what: str) -> None:
        """Raises TargetError."""
        if self.found is not None and not str(self.found.get(VERSION_ATTRIBUTE, {}).get("N", "")).isdecimal():
            raise TargetError(
                f"{what}: what is there has no `{VERSION_ATTRIBUTE}`: it is none of Crossover's; look at who wrote it"
            )


def first_version(epoch: int, now: float) -> int:
    """Of an item at a key where none is. Its row may have had versions in this epoch, at a key that it left or
    before a tombstone that is swept by now. So it begins with the milliseconds since 2025: above what a row that is
    written less than a thousand times a second can have counted, and below the next epoch for 34 years."""
    return epoch * EPOCH_STEP + max(1, int((now - _COUNTED_FROM) * 1000))


def put_of(form: ItemForm, formed: Formed, read: Read, version: int) -> Put:
    return _put(form, formed.key, formed.item, formed.owner, read, version)


def tombstone_of(form: ItemForm, key: str, read: Read, now: float) -> Put:
    """Of an item that is there."""
    assert read.version is not None
    more = f',"{DELETED_ATTRIBUTE}":{{"BOOL":true}},"{WRITTEN_ATTRIBUTE}":{{"N":"{int(now)}"}}'
    return _put(form, key, f"{key[:-1]}{more}}}", read.owner, read, read.version + 1)


def _put(form: ItemForm, key: str, item: str, owner: str | None, read: Read, version: int) -> Put:
    mark = new_mark()
    own = f',"{VERSION_ATTRIBUTE}":{{"N":"{version}"}}'
    if owner is not None:
        own += f',"{SOURCE_ATTRIBUTE}":{{"S":{quote(owner)}}}'
    own += f',"{WRITES_ATTRIBUTE}":{{"S":"{marks_with(mark, marks_of(read.found))}"}}'
    return Put(form.table, form.partition_key, key, f"{item[:-1]}{own}}}", read.version, version, mark)
