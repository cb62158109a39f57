"""What is queued for the workers, and who is told when it is answered."""

from __future__ import annotations

import threading

import pytest

from pipelines.dualwrite.queue import BATCH, Batch, Queue
from pipelines.dualwrite.waiting import Key, Reason, Waiting

pytestmark = pytest.mark.unit

A, B, SEAT = ("order", "a"), ("order", "b"), ("seat", "a")


def put(queue: Queue, *keys: Key, reason: Reason | None = None) -> Waiting:
    waiting = Waiting(keys, 1.0, reason)
    queue.put(waiting, keys)
    return waiting


def taken(queue: Queue) -> Batch:
    batch = queue.take(0)
    assert batch is not None
    return batch


def test_items_of_one_type_are_taken_together() -> None:
    queue = Queue()
    first, second = put(queue, A, SEAT), put(queue, A, B)
    batch = taken(queue)
    assert batch.keys() == [A, B]
    assert batch.waiting == {"a": [first, second], "b": [second]}
    assert taken(queue).keys() == [SEAT]
    assert queue.take(0) is None


def test_an_item_is_under_way_once() -> None:
    """[twice: the second finds the lease of the first]"""
    queue = Queue()
    put(queue, A)
    first = taken(queue)
    put(queue, A, B)
    second = taken(queue)
    assert second.keys() == [B] and queue.take(0) is None
    queue.done(first)
    assert taken(queue).keys() == [A]


def test_what_was_busy_is_tried_again_while_somebody_waits() -> None:
    queue = Queue()
    waits, gone = put(queue, A), put(queue, B)
    batch = taken(queue)
    gone.give_up()
    queue.done(batch, ["a", "b"])
    assert taken(queue).waiting == {"a": [waits]}
    assert queue.take(0) is None


def test_batches_have_an_end() -> None:
    queue = Queue()
    put(queue, *(("order", str(n)) for n in range(BATCH + 1)))
    assert [len(taken(queue).waiting) for _ in range(2)] == [BATCH, 1]


def test_how_many_workers_are_missing() -> None:
    queue = Queue()
    waiting = Waiting([A, B, SEAT], 1.0)
    assert queue.put(waiting, [A, B, SEAT]) == 2


def test_after_the_end_what_is_there_is_taken() -> None:
    queue = Queue()
    put(queue, A)
    queue.end()
    assert taken(queue).keys() == [A]
    assert queue.take(60) is None


def test_a_worker_waits_for_work() -> None:
    queue = Queue()
    found: list[Batch | None] = []
    worker = threading.Thread(target=lambda: found.append(queue.take(60)))
    worker.start()
    put(queue, A)
    worker.join()
    assert [one.keys() for one in found if one] == [[A]]


def test_all_who_wait_for_an_item_are_answered() -> None:
    queue = Queue()
    first, second = put(queue, A), put(queue, A, B)
    batch = taken(queue)
    batch.answered("a")
    assert first.is_over and not second.is_over
    batch.answered("b", Reason.NO_ANSWER)
    assert second.is_over
    assert (first.reason, second.reason) == (None, Reason.NO_ANSWER)
    batch.answered("b", Reason.IMPOSSIBLE)
    assert second.reason is Reason.NO_ANSWER


def test_an_answer_can_come_too_late() -> None:
    batch = Batch("order", {"a": [Waiting([A], 1.0), Waiting([A], 2.0)]})
    assert batch.is_in_time("a", 1.5) and not batch.is_in_time("a", 2.0)


def test_patience_ends_with_the_reason_of_what_is_open() -> None:
    waiting = Waiting([A, B], 1.0)
    waiting.held_up(A, Reason.BUSY)
    waiting.answered(B)
    waiting.give_up()
    assert waiting.is_over and waiting.reason is Reason.BUSY
    late = Waiting([A], 1.0)
    late.give_up()
    assert late.reason is Reason.DEADLINE
    nothing = Waiting([], 1.0, Reason.TOO_MANY)
    nothing.give_up()
    assert nothing.is_over and nothing.reason is Reason.TOO_MANY
