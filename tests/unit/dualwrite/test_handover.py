"""From a commit to the workers and back, with a deliverer that does as it is told."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from pipelines.deliver.outcome import Delivered
from pipelines.dualwrite.breaker import PAUSE_SECONDS
from pipelines.dualwrite.counts import Counts
from pipelines.dualwrite.handover import Handover
from pipelines.dualwrite.opening import Opening
from pipelines.dualwrite.waiting import Reason
from pipelines.errors import TargetError
from pipelines.source.ledger.follow import Touched
from pipelines.target.conditional_write import Sent

pytestmark = pytest.mark.unit

DEADLINE_SECONDS = 20.0
ORDER, SEAT = ("order", '{"id":"1"}'), ("seat", '{"id":"1"}')


class Scripted:
    """Opens itself. `answer`: of all puts, or what deliveries fail with. `asked`: for which item types, in order."""

    def __init__(self) -> None:
        self.answer: Sent | Exception = Sent.WRITTEN
        self.asked: queue.Queue[str] = queue.Queue()
        self.before: Callable[[], object] = lambda: None

    @contextmanager
    def deliverer(self) -> Iterator[Scripted]:
        yield self

    def deliver(
        self, item_type: str, source_keys: Sequence[str], on_put: Callable[[str, Sent], None], **_: Any
    ) -> Delivered:
        answer = self.answer
        self.before()
        if not isinstance(answer, Exception):
            for key in source_keys:
                on_put(key, answer)
        self.asked.put(item_type)
        if isinstance(answer, Exception):
            raise answer
        return Delivered()

    def close(self) -> None:
        pass


class Made:
    def __init__(self) -> None:
        self.now = 100.0
        self.script = Scripted()
        self.handover = Handover("shop", cast(Opening, self.script), DEADLINE_SECONDS, 2, clock=lambda: self.now)

    def commit(self, *keys: tuple[str, str]) -> bool:
        """Whether it waited."""
        before = sum(self.handover.counts().waits)
        if self.handover.asks():
            self.handover.deliver(Touched(keys))
        return sum(self.handover.counts().waits) > before

    def asked(self) -> str:
        """The item type that a worker has been asked for next."""
        return self.script.asked.get(timeout=20)


@pytest.fixture
def made() -> Iterator[Made]:
    made = Made()
    yield made
    made.handover.close()


def test_nobody_waits_until_a_trial_has_succeeded(made: Made) -> None:
    made.script.answer = TargetError("no such table")
    assert made.commit(ORDER) and made.asked() == "order"
    assert not made.commit(ORDER) and not made.handover.asks()
    made.now += PAUSE_SECONDS
    made.script.answer = Sent.WRITTEN
    assert not made.commit()  # it has touched nothing, and is no trial
    assert not made.commit(ORDER)
    assert made.asked() == "order"
    assert made.handover.counts().left_to_relay == {Reason.FAILED: 1, Reason.CLOSED_WAY: 3}


def test_what_was_tried_in_vain_is_tried_again_in_the_next_pause(made: Made) -> None:
    made.script.answer = TargetError("no such table")
    assert made.commit(ORDER) and made.asked() == "order"
    made.now += PAUSE_SECONDS
    assert not made.commit(SEAT) and made.asked() == "seat"
    made.now += PAUSE_SECONDS - 1
    assert not made.handover.asks()
    made.now += 1
    made.script.answer = Sent.REFUSED
    assert not made.commit(ORDER) and made.asked() == "order"
    assert made.commit(ORDER, SEAT)


def test_an_answer_that_comes_too_late_is_no_success(made: Made) -> None:
    """[commits would wait out their deadline for ever]"""
    made.script.answer = TargetError("no such table")
    assert made.commit(ORDER) and made.asked() == "order"

    def slowly() -> None:
        made.now += DEADLINE_SECONDS

    made.script.answer, made.script.before = Sent.WRITTEN, slowly
    for _ in range(2):
        made.now += PAUSE_SECONDS
        assert not made.commit(ORDER) and made.asked() == "order"
    made.script.before = lambda: None
    made.now += PAUSE_SECONDS
    assert not made.commit(ORDER) and made.asked() == "order"
    assert made.commit(ORDER)


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (Sent.WRITTEN, {}),
        (Sent.REFUSED, {}),
        (Sent.UNKNOWN, {Reason.NO_ANSWER: 1}),
        (Sent.NOT_SENT, {Reason.NO_ANSWER: 1}),
        (Sent.IMPOSSIBLE, {Reason.IMPOSSIBLE: 1}),
    ],
)
def test_what_answers_mean(made: Made, sent: Sent, left: dict[Reason, int]) -> None:
    made.script.answer = sent
    assert made.commit(ORDER)
    assert made.handover.counts().left_to_relay == left


def test_touching_nothing_is_no_commit_to_count(made: Made) -> None:
    assert not made.commit()
    assert made.handover.counts() == Counts()


def test_a_mistake_of_ours_is_logged(
    made: Made, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more_threads(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", no_more_threads)
    assert not made.commit(ORDER)
    assert [record.getMessage() for record in caplog.records] == ["a commit was not handed over (RuntimeError)"]


def test_once_closed_it_does_nothing(made: Made) -> None:
    made.handover.close()
    assert not made.commit(ORDER)
    assert made.handover.counts().left_to_relay == {Reason.ENDED: 1}
    assert made.script.asked.empty()
