"""What a refusal means, row by row of the table in docs/protocol.md (rule 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipelines.target.conditional_write import Answered, Sent, Write
from pipelines.target.scan import WireItem
from pipelines.target.write_verdict import Now, Verdict, judge

pytestmark = pytest.mark.unit

ONE, TWO = '{"id":"1"}', '{"id":"2"}'
KEY = '{"pk":{"S":"A"}}'
PUT = Write("seats", "pk", KEY, '{"guest":{"S":"Ann"},"pk":{"S":"A"}}', 5, ONE, 0)
TOMBSTONE = replace(PUT, item=None)
SAME: dict[str, Any] = {"guest": {"S": "Ann"}}
OTHER: dict[str, Any] = {"guest": {"S": "Bob"}}
DEAD: dict[str, Any] = {"_deleted": {"BOOL": True}, "_at": {"N": "1"}}
STILL = Now(5, moved=False)
MOVED = Now(6, moved=True)
MARKED = Now(5, moved=True)


def met(version: int | None, owner: str | None = ONE, **attributes: Any) -> WireItem:
    item = {"pk": {"S": "A"}, **attributes}
    if version is not None:
        item["_v"] = {"N": str(version)}
    return item if owner is None else item | {"_s": {"S": owner}}


@pytest.mark.parametrize(
    ("old", "now", "put", "tombstone"),
    [
        (met(None, None, **SAME), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(None, ONE, **DEAD), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(5, None, **SAME), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(4, "theirs", **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(4, '{"x":"1"}', **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(4, '{"id":2}', **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(4, '{"id": "2"}', **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(4, '{"id":"2"', **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(4, "[" * 100_000, **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(6, **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(6, **SAME), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(6, **OTHER), MOVED, Verdict.SUPERSEDED, Verdict.SUPERSEDED),
        (met(6, **DEAD), MOVED, Verdict.SUPERSEDED, Verdict.SUPERSEDED),
        (met(5, **SAME), STILL, Verdict.DONE, Verdict.CONFLICT),
        (met(5, **DEAD), STILL, Verdict.CONFLICT, Verdict.DONE),
        (met(5, **OTHER), STILL, Verdict.CONFLICT, Verdict.CONFLICT),
        (met(5, **OTHER), MOVED, Verdict.AGAIN, Verdict.AGAIN),
        (met(5, **OTHER), MARKED, Verdict.AGAIN, Verdict.AGAIN),
        (met(9, TWO, **DEAD), STILL, Verdict.TAKEN_OVER, Verdict.TAKEN_OVER),
        (met(9, TWO, **OTHER), STILL, Verdict.HELD, Verdict.NOT_OURS),
        (met(4, TWO, **OTHER), STILL, Verdict.HELD, Verdict.NOT_OURS),
        (met(3, TWO, **OTHER), STILL, Verdict.HELD, Verdict.RAISE_HOLDER),
    ],
)
def test_a_refusal_is_judged_by_the_old_item(old: WireItem, now: Now, put: Verdict, tombstone: Verdict) -> None:
    assert judge(Answered(PUT, Sent.REFUSED, old), None, now) is put
    assert judge(Answered(TOMBSTONE, Sent.REFUSED, old), 4, now) is tombstone


def test_an_item_whose_key_names_its_row_is_always_its_own() -> None:
    old = met(5, None, **SAME)
    assert judge(Answered(replace(PUT, owner=None), Sent.REFUSED, old), None, STILL) is Verdict.DONE


@pytest.mark.parametrize(
    ("sent", "put", "tombstone"),
    [
        (Sent.WRITTEN, Verdict.WRITTEN, Verdict.TOMBSTONED),
        (Sent.UNKNOWN, Verdict.UNKNOWN, Verdict.UNKNOWN),
        (Sent.NOT_SENT, Verdict.NOT_SENT, Verdict.NOT_SENT),
        (Sent.IMPOSSIBLE, Verdict.IMPOSSIBLE, Verdict.IMPOSSIBLE),
    ],
)
def test_what_was_not_refused(sent: Sent, put: Verdict, tombstone: Verdict) -> None:
    assert judge(Answered(PUT, sent), None, None) is put
    assert judge(Answered(TOMBSTONE, sent), 4, None) is tombstone


def test_a_refusal_that_does_not_tell_what_is_there_is_unknown() -> None:
    assert judge(Answered(PUT, Sent.REFUSED), None, STILL) is Verdict.UNKNOWN
    assert not Verdict.UNKNOWN.settled
