"""What stood at a key before it was repaired, and what the repair makes of it: kept before anything is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.errors import WarehouseError
from pipelines.items.canonical import digest
from pipelines.items.record import SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE
from pipelines.judging.suspect import Judgement, Suspect
from pipelines.mapping.outcome import Assembled
from pipelines.repair.decision import Way
from pipelines.target.record import target_record
from pipelines.target.scan import WireItem

Key = tuple[str, str]
"""Table and key."""

SuspectId = tuple[str, str, str]
"""Table, key, source key; "" where there is none."""


def suspect_id(suspect: Suspect) -> SuspectId:
    return suspect.table, suspect.key or "", suspect.source_key or ""


@dataclass(frozen=True)
class Image:
    """`version`: the row's, as it was judged; `wrote`: the `_v` that the repair writes, None where it removes the item;
    `digest`: of the item that it writes, hexadecimal, None where that is a tombstone or nothing. `item`: canonical,
    where it is set without a ledger. `old`: None where nothing was there. `suspect`: whose image it is."""

    suspect: SuspectId
    item_type: str
    table: str
    key: str
    source_key: str | None
    verdict: str
    way: Way
    version: int | None
    wrote: int | None
    digest: str | None
    item: str | None
    old: WireItem | None

    @property
    def at(self) -> Key:
        return self.table, self.key

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(json.loads(self.key))

    @property
    def row(self) -> tuple[str, str]:
        return self.item_type, self.source_key or ""

    @classmethod
    def of(cls, judgement: Judgement, key: str, way: Way, old: WireItem | None) -> Image:
        source, suspect = judgement.source, judgement.suspect
        assembled = source.outcome if isinstance(source.outcome, Assembled) else None
        wrote = _wrote(judgement, way)
        return cls(
            suspect=suspect_id(suspect),
            item_type=suspect.item_type or "",
            table=suspect.table,
            key=key,
            source_key=source.source_key,
            verdict=judgement.verdict.value,
            way=way,
            version=source.version,
            wrote=wrote,
            digest=assembled.digest.hex() if assembled is not None and wrote is not None else None,
            item=assembled.item if assembled is not None and way is Way.SET else None,
            old=old,
        )

    def is_done(self, item: WireItem | None, wrote: int | None) -> bool:
        """Whether what is there is what the repair has made of it. `wrote`: `_v`, which the repair has raised once more
        where it met the same row at another key."""
        if self.wrote is None or item is None:
            return self.wrote is None and item is None
        record = target_record(item, self.key_names)
        if record.version not in (self.wrote, wrote):
            return False
        return (
            record.is_tombstone if self.digest is None else _has_digest(record.item, self.digest, record.is_tombstone)
        )

    def set_item(self, names_row: bool) -> WireItem | None:
        """What is to be there without a ledger: at the row's version, or 0, as a backfill puts it."""
        if self.item is None:
            return None
        owner = {} if names_row else {SOURCE_ATTRIBUTE: {"S": self.source_key}}
        return {**json.loads(self.item), VERSION_ATTRIBUTE: {"N": str(self.wrote)}, **owner}


def _has_digest(item: str, wanted: str, is_tombstone: bool) -> bool:
    return not is_tombstone and digest(item).hex() == wanted


def _wrote(judgement: Judgement, way: Way) -> int | None:
    if not way.by_ledger:
        return judgement.source.version if way is Way.SET else None
    stored = judgement.target.version if judgement.target is not None else None
    assert judgement.source.version is not None  # where there is a ledger and a row
    return max(judgement.source.version, -1 if stored is None else stored) + 1


def as_lines(images: Iterable[Image]) -> str:
    return "".join(json.dumps(asdict(image), separators=(",", ":")) + "\n" for image in images)


def from_lines(text: str, where: str) -> list[Image]:
    """Raises WarehouseError."""
    try:
        return [_image(json.loads(line)) for line in text.splitlines()]
    except (ValueError, TypeError, KeyError):
        raise WarehouseError(f"{where}: damaged; old images cannot be read from it") from None


def _image(document: Mapping[str, Any]) -> Image:
    table, key, source_key = document["suspect"]
    return Image(**{**document, "way": Way(document["way"]), "suspect": (table, key, source_key)})
