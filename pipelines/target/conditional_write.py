"""One item or tombstone written on condition that it is newer than what is there (rule 7).

    attribute_not_exists(#pk) OR #v < :v
    attribute_not_exists(#pk) OR (#v < :v AND (#s = :s OR attribute_exists(#deleted)))    where items bear `_s`

So the version at a key only grows, whoever writes; an item without `_v` is never overwritten. The condition names the
partition key: `attribute_not_exists(#v)` would hold for a foreign item. A refusal returns what is there; where it does
not, as with some stand-ins, that is read: it is what the put has met, or something newer still.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pipelines.items.canonical import quote
from pipelines.items.record import (
    DELETED_ATTRIBUTE,
    SOURCE_ATTRIBUTE,
    VERSION_ATTRIBUTE,
    WRITTEN_ATTRIBUTE,
)
from pipelines.target.charge import FREE, Charge
from pipelines.target.failures import refusal
from pipelines.target.scan import WireItem
from pipelines.target.wire import Answer, Refusal

PUT, GET, DELETE = "PutItem", "GetItem", "DeleteItem"
REFUSED = "ConditionalCheckFailedException"
ONE_ITEM = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"})
"""What DynamoDB says of one item that it will never take."""

_NEWER = "attribute_not_exists(#pk) OR #v < :v"
_NEWER_AND_OURS = "attribute_not_exists(#pk) OR (#v < :v AND (#s = :s OR attribute_exists(#deleted)))"


@dataclass(frozen=True)
class Write:
    """`key` and `item` are canonical JSON; `item` None: a tombstone, `written_at` its time. `partition_key` is that
    attribute's name. `owner`: the source key, where items bear it. `charge`: what it consumes, where there is a budget.
    """

    table: str
    partition_key: str
    key: str
    item: str | None
    version: int
    owner: str | None
    written_at: int = 0
    charge: Charge = FREE

    def body(self) -> bytes:
        version, owner = f'":v":{{"N":"{self.version}"}}', ""
        if self.owner is not None:
            owner = f',":s":{{"S":{quote(self.owner)}}}'
        return (
            f'{{"TableName":{quote(self.table)},"Item":{self.stored()},{_condition(self.partition_key, bool(owner))},'
            f'"ExpressionAttributeValues":{{{version}{owner}}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}}'
        ).encode()

    def lookup(self) -> bytes:
        """GetItem's body: what is at the key."""
        return lookup(self.table, self.key)

    def stored(self) -> str:
        """The item as it is to be in the table, Crossover's own attributes last."""
        own = f',"{VERSION_ATTRIBUTE}":{{"N":"{self.version}"}}'
        if self.item is None:
            own += f',"{DELETED_ATTRIBUTE}":{{"BOOL":true}},"{WRITTEN_ATTRIBUTE}":{{"N":"{self.written_at}"}}'
        if self.owner is not None:
            own += f',"{SOURCE_ATTRIBUTE}":{{"S":{quote(self.owner)}}}'
        return f"{(self.item or self.key)[:-1]}{own}}}"


def lookup(table: str, key: str) -> bytes:
    """GetItem's body: what is at a canonical key, strongly consistent."""
    return f'{{"TableName":{quote(table)},"Key":{key},"ConsistentRead":true}}'.encode()


@lru_cache(maxsize=256)
def _condition(partition_key: str, owned: bool) -> str:
    names = {"#pk": partition_key, "#v": VERSION_ATTRIBUTE}
    if owned:
        names |= {"#s": SOURCE_ATTRIBUTE, "#deleted": DELETED_ATTRIBUTE}
    condition = _NEWER_AND_OURS if owned else _NEWER
    return f'"ConditionExpression":{quote(condition)},"ExpressionAttributeNames":{_json(names)}'


class Sent(Enum):
    WRITTEN = "written"
    REFUSED = "refused by its condition"
    UNKNOWN = "no answer that can be understood"
    NOT_SENT = "the lease ended, or throttling did not"
    IMPOSSIBLE = "DynamoDB takes no such item"


@dataclass(frozen=True)
class Answered:
    """`old`: with REFUSED, what is there. `code`: DynamoDB's, of what failed."""

    write: Write
    sent: Sent
    old: WireItem | None = None
    code: str | None = None

    @property
    def is_untold(self) -> bool:
        """It was refused, and what is there is still to be looked up."""
        return self.sent is Sent.REFUSED and self.old is None


def understood(write: Write, answer: Answer | Refusal, endpoint: str) -> Answered:
    """What an answer to its PutItem says. Raises TargetError where no item can be written."""
    if isinstance(answer, Answer):
        return Answered(write, Sent.WRITTEN)
    if answer.code == REFUSED:
        return Answered(write, Sent.REFUSED, old=answer.item)
    if answer.passing:
        return Answered(write, Sent.UNKNOWN, code=answer.code)
    if answer.code in ONE_ITEM:
        return Answered(write, Sent.IMPOSSIBLE, code=answer.code)
    raise refusal(answer.code, PUT, write.table, endpoint)


def looked_up(write: Write, answer: Answer | Refusal, endpoint: str) -> Answered:
    """What an answer to its GetItem says, after a refusal that told nothing. UNKNOWN where it is gone, or no answer can
    be understood. Raises TargetError where no item can be read."""
    if isinstance(answer, Answer):
        old = answer.document.get("Item")
        return Answered(write, Sent.REFUSED, old) if old else Answered(write, Sent.UNKNOWN, code="GoneMeanwhile")
    if answer.passing:
        return Answered(write, Sent.UNKNOWN, code=answer.code)
    raise refusal(answer.code, GET, write.table, endpoint)


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
