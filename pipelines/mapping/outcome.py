"""What becomes of one source row: an item, a reject, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.items.reject import RejectReason, Unrepresentable

NO_SOURCE_KEY = "the source key is NULL or has no text"
SAME_SOURCE_KEY = "several rows have this source key"


@dataclass(frozen=True)
class Assembled:
    """The record's columns, without its bucket and version; `key` and `item` are canonical."""

    table: str
    key: str
    item: str
    digest: bytes
    size: int


@dataclass(frozen=True)
class Rejected:
    """`key` is None where the key itself could not be built; `size` is set for ITEM_TOO_LARGE alone."""

    table: str
    key: str | None
    reason: RejectReason
    attribute: str | None
    size: int | None
    detail: str


@dataclass(frozen=True)
class Absent:
    """There is no such row, or the item's `where` does not hold for it."""


Outcome = Assembled | Rejected | Absent


@dataclass(frozen=True)
class OnlineItem:
    """`source_key`: canonical JSON, `{"order_id":"6"}`, as in a record. `version`: of the same snapshot; 0 where
    nothing tells it, None where a column of the row would, and there is no row, or nothing in it. `undelivered`: no
    relay has marked that version yet; `marked`: an open mark reaches the item."""

    source_key: str
    outcome: Outcome
    version: int | None = 0
    undelivered: bool = False
    marked: bool = False


class Rejection(Exception):  # noqa: N818 (a step in judging a row, no failure)
    """Carries the first problem of an item from where it is found to where the item is rejected.

    `attribute`: the path from the map that has been left so far, `lines[2].price`; "" for the value itself.
    """

    def __init__(self, reason: RejectReason, detail: str, attribute: str = "") -> None:
        super().__init__(reason, attribute)
        self.reason = reason
        self.detail = detail
        self.attribute = attribute

    @classmethod
    def of(cls, refusal: Unrepresentable, attribute: str = "") -> Rejection:
        return cls(refusal.reason, refusal.detail, attribute)

    def inside(self, step: str) -> Rejection:
        """The same problem seen from the map or list around: `step` is an attribute's name or `[2]`."""
        joint = "." if self.attribute and not self.attribute.startswith("[") else ""
        return Rejection(self.reason, self.detail, f"{step}{joint}{self.attribute}")
