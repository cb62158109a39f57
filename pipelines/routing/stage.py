"""Where a query is answered from, and the row of the control table that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import xxhash

from pipelines.target.control_table import Key, Row

if TYPE_CHECKING:
    from pydantic import JsonValue


class Stage(StrEnum):
    """In their order: each asks more of DynamoDB than the one before it."""

    RDS = "rds"
    SHADOW = "shadow"
    CANARY = "canary"
    DYNAMODB = "dynamodb"

    @property
    def rank(self) -> int:
        return [*Stage].index(self)


@dataclass(frozen=True)
class Setting:
    """`share` (0 to 1): of the keys, in `canary` alone. `shadow_share`: of the calls that RDS answers in `shadow` and
    `canary`, the share that asks DynamoDB too. `version`: 0 where nobody has set anything."""

    stage: Stage = Stage.RDS
    share: float = 0.0
    version: int = 0
    changed_at: str = ""
    by: str = ""
    forced: bool = False
    shadow_share: float = 1.0

    def document(self) -> dict[str, JsonValue]:
        return {
            "stage": self.stage.value,
            "share": self.share,
            "shadow_share": self.shadow_share,
            "changed_at": self.changed_at,
            "by": self.by,
            "forced": self.forced,
        }

    @classmethod
    def of(cls, row: Row | None) -> Setting:
        """Raises ValueError where the row is none."""
        if row is None:
            return cls()
        return cls(
            stage=Stage(str(row.document.get("stage"))),
            share=_share(row.document.get("share")),
            version=row.version,
            changed_at=str(row.document.get("changed_at", "")),
            by=str(row.document.get("by", "")),
            forced=row.document.get("forced") is True,
            shadow_share=_share(row.document.get("shadow_share", 1.0)),
        )


def _share(found: JsonValue) -> float:
    if not isinstance(found, int | float) or not (math.isfinite(found) and 0 <= found <= 1):
        raise ValueError("no share from 0 to 1")
    return float(found)


def stage_key(query: str) -> Key:
    return Key(f"query#{query}", "stage")


def name_key(query: str) -> Key:
    """Of the row by which an application makes itself known with the query."""
    return Key("queries", query)


def in_share(key: object, share: float) -> bool:
    """Whether a key belongs to the share: the same in every process and query, and still so when the share grows.

    Told by the key's `repr`: of a text, a number, a UUID or a tuple of those it is the same everywhere.
    """
    return xxhash.xxh64_intdigest(repr(key).encode("utf-8", "surrogatepass")) < share * 2.0**64
