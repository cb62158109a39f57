"""What becomes of a write's answers, and when nothing is sent any more; the wire is scripted."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from pipelines.errors import TargetError, UsageError
from pipelines.masters.lease import Leases
from pipelines.masters.refusals import UnknownWriteError, WriteFencedError
from pipelines.masters.sender import Put, Sender
from pipelines.masters.standing import Standing
from pipelines.masters.turn import MasterMovedError, Turn, Waiting
from pipelines.source.ledger.masters import Phase
from pipelines.target.wire import Answer, Refusal

pytestmark = pytest.mark.unit

PUT = Put("t", "pk", '{"pk":{"S":"k"}}', '{"pk":{"S":"k"}}', 7, 8, "mine01")
LOST = Refusal("ReadTimeoutError", "", passing=True)
REFUSED = Refusal("ConditionalCheckFailedException", "", passing=False)


def there(version: int, *marks: str) -> Mapping[str, Any]:
    return {"pk": {"S": "k"}, "_v": {"N": str(version)}, "_w": {"S": "".join(marks)}}


class Scene:
    """Both a wire and a table of the masters. `answers`: of the requests that write; `item`: what a read finds."""

    endpoint = "http://x"

    def __init__(self, *answers: Any, item: Mapping[str, Any] | None = None) -> None:
        self.answers, self.item = list(answers), item
        self.now, self.standing, self.sent, self.closed = 0.0, Standing(Phase.DYNAMODB_FIRST), 0, 0
        self.prepares = 0.0
        leases = Leases(lambda: {"g": self.standing}, 5.0, lambda: self.now)
        self.turn = Turn(leases, "g", "order", Waiting(10.0, lambda: self.now, self.sleep, random.Random(1)))
        self.sender = Sender(lambda: self, self.turn)  # type: ignore[arg-type, return-value]

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)

    def borrow(self) -> Scene:
        return self

    def close(self) -> None:
        self.closed += 1

    def prepare(self, exchange: object, action: str, body: bytes) -> None:
        self.action = action
        self.now += self.prepares

    def perform(self) -> None:
        self.sent += 1

    def conclude(self, exchange: object, action: str, error: object) -> Any:
        if self.action == "GetItem":
            return self.call("GetItem", b"")
        answer = self.answers.pop(0)
        return answer() if callable(answer) else answer

    def call(self, action: str, body: bytes) -> Answer:
        assert action == "GetItem"
        return Answer({} if self.item is None else {"Item": self.item})

    def moved(self) -> Refusal:
        """RDS becomes the master while the answer is lost."""
        self.now += 4
        self.standing = Standing()
        return LOST


def test_a_write_is_told_by_its_answer() -> None:
    assert Scene(Answer({})).sender.put(PUT) is True
    assert Scene(REFUSED, item=there(8, "other1")).sender.put(PUT) is False
    assert Scene(REFUSED, item=there(8, "mine01")).sender.put(PUT) is False  # it was sent once only


def test_after_a_lost_answer_the_same_is_sent_again_and_a_refusal_is_looked_into() -> None:
    assert Scene(LOST, Answer({})).sender.put(PUT) is True
    assert Scene(LOST, LOST, REFUSED, item=there(9, "after1", "mine01")).sender.put(PUT) is True
    assert Scene(LOST, REFUSED, item=there(8, "other1")).sender.put(PUT) is False
    with pytest.raises(UnknownWriteError, match="nothing tells"):
        Scene(LOST, REFUSED, item=there(40, "after1")).sender.put(PUT)
    throttled = Refusal("ThrottlingException", "", passing=True)
    assert Scene(throttled, REFUSED, item=there(8, "mine01")).sender.put(PUT) is False


def test_only_what_was_written_counts() -> None:
    scene = Scene(Answer({}), REFUSED)
    scene.sender.put(PUT)
    scene.sender.put(PUT)
    assert scene.turn.written == 1
    canceled = Refusal("TransactionCanceledException", "… [None, ConditionalCheckFailed]", passing=False)
    conflict = Refusal("TransactionCanceledException", "… [None, TransactionConflict]", passing=False)
    scene = Scene(conflict, Answer({}), canceled)
    assert scene.sender.transact([PUT, PUT]) is True and scene.turn.written == 2
    assert scene.sender.transact([PUT, PUT]) is False and scene.turn.written == 2


NEW = Put("t", "pk", PUT.key, PUT.stored, None, 8, "mine01")


def test_what_was_lost_when_rds_became_the_master_is_found_or_done_there() -> None:
    """RDS has all that had arrived: what has not is written there, once."""
    arrived: list[tuple[Put, Mapping[str, Any]]] = [(PUT, there(8, "mine01")), (NEW, there(9, "after1", "mine01"))]
    for put, found in arrived:
        scene = Scene(item=found)
        scene.answers = [scene.moved]
        assert scene.sender.put(put) is True and scene.sent == 1
    missing: list[tuple[Put, Mapping[str, Any] | None]] = [(PUT, there(7)), (PUT, there(8, "other1")), (NEW, None)]
    for put, item in missing:
        scene = Scene(item=item)
        scene.answers = [scene.moved]
        with pytest.raises(MasterMovedError):
            scene.sender.put(put)
        assert (scene.sent, scene.turn.written) == (1, 0)
    unclear: list[tuple[Put, Mapping[str, Any] | None]] = [(PUT, there(40, "after1")), (PUT, None)]
    for put, item in unclear:
        scene = Scene(item=item)
        scene.answers = [scene.moved]
        with pytest.raises(UnknownWriteError, match="nothing tells"):
            scene.sender.put(put)


def test_what_was_lost_and_cannot_be_sent_again_may_still_be_under_way() -> None:
    denied = Refusal("AccessDeniedException", "", passing=False)
    assert Scene(LOST, denied, item=there(8, "mine01")).sender.put(PUT) is True
    with pytest.raises(UnknownWriteError, match="nobody knows"):
        Scene(LOST, denied, item=there(7)).sender.put(PUT)


def test_nothing_is_sent_where_to_prepare_it_outlasted_the_lease() -> None:
    scene = Scene(Answer({}))
    scene.turn.hold()
    scene.standing = Standing()
    scene.prepares = 3.5
    with pytest.raises(MasterMovedError):
        scene.sender.put(PUT)
    assert (scene.sent, scene.closed) == (0, 1)
    scene.standing = Standing(Phase.DYNAMODB_FIRST, fenced=True)
    with pytest.raises(WriteFencedError):
        scene.sender.put(PUT)
    assert (scene.sent, scene.closed) == (0, 2)


def test_what_does_not_pass_is_raised_at_once_and_what_does_at_the_deadline() -> None:
    with pytest.raises(TargetError, match="may not call dynamodb:PutItem"):
        Scene(Refusal("AccessDeniedException", "", passing=False)).sender.put(PUT)
    for message in ("[None, ValidationError]", "[ValidationError, TransactionConflict]", "unheard of"):
        with pytest.raises(TargetError, match="TransactWriteItems was refused"):
            Scene(Refusal("TransactionCanceledException", message, passing=False)).sender.transact([PUT, PUT])
    scene = Scene(*[Refusal("ThrottlingException", "", passing=True)] * 1000)
    with pytest.raises(TargetError, match="was throttled for too long"):
        scene.sender.put(PUT)
    assert 10 <= scene.now < 12
    large = Put("t", "pk", PUT.key, '{"a":"' + "x" * 1_000_000 + '"}', 7, 8, "mine01")
    with pytest.raises(UsageError, match="1000000 at most"):
        Scene().sender.put(large)
