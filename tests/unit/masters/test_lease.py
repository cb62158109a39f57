"""How long what was read of the masters is relied on, and who asks again."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from pipelines.errors import TargetError
from pipelines.masters.lease import Leases
from pipelines.masters.standing import Standing
from pipelines.source.ledger.masters import Phase

pytestmark = pytest.mark.unit

RDS, DYNAMODB = Standing(), Standing(Phase.DYNAMODB_FIRST)


class Table:
    """`takes`: seconds of the clock, by which a reading is over."""

    def __init__(self, standing: Standing, takes: float = 0.0) -> None:
        self.standing, self.takes = standing, takes
        self.now, self.asked, self.away = 100.0, 0, False
        self.leases = Leases(self.read, 5.0, lambda: self.now)

    def read(self) -> Mapping[str, Standing]:
        self.asked += 1
        found = {"g": self.standing}  # as it was when it was asked for
        self.now += self.takes
        if self.away:
            raise TargetError("away")
        return found

    def known(self, after: float | None = None, *, insist: bool = False) -> bool:
        """Whether it is in force."""
        return self.leases.in_force(self.leases.known("g", after, insist=insist))


def test_it_is_relied_on_until_a_request_might_outlast_it() -> None:
    table = Table(DYNAMODB)
    assert table.known() and table.asked == 1
    table.now += 2.9
    assert table.known() and table.asked == 1
    table.now += 0.2
    known = table.leases._known
    assert not table.leases.in_force(known)
    assert table.known() and table.asked == 2


def test_it_counts_from_before_it_was_asked_for() -> None:
    table = Table(DYNAMODB, takes=2.0)
    assert table.known()
    table.now += 1.1
    table.takes = 3.1  # longer than it is good for
    assert not table.known() and table.asked == 2


def test_what_was_asked_for_before_a_refusal_does_not_count_after_it() -> None:
    table = Table(RDS)
    assert table.known()
    table.now += 0.1
    assert table.known(after=100.0) and table.asked == 1
    assert table.known(after=100.05) and table.asked == 2


def test_where_nobody_can_be_asked_rds_is_not_held_up_by_asking() -> None:
    table = Table(RDS)
    assert table.known()
    table.now, table.away = 200.0, True
    assert not table.known() and not table.known() and table.asked == 2
    assert table.leases.failure == "away"
    assert not table.known(insist=True) and table.asked == 3
    table.now, table.away = 205.1, False
    assert table.known() and table.asked == 4 and table.leases.failure == ""


def test_one_thread_asks_and_the_others_go_on_with_rds_or_wait_for_dynamodb() -> None:
    for standing, waits in ((RDS, False), (DYNAMODB, True)):
        table, going, done = Table(standing), threading.Event(), threading.Event()
        assert table.known()
        table.now += 100
        read = table.read

        def slow(read: object = read, going: threading.Event = going, done: threading.Event = done) -> object:
            going.set()
            assert done.wait(10)
            return read()  # type: ignore[operator]

        table.leases._read = slow  # type: ignore[assignment]
        first = threading.Thread(target=table.known)
        first.start()
        assert going.wait(10)
        answers: list[bool] = []
        second = threading.Thread(target=lambda table=table, answers=answers: answers.append(table.known()))
        second.start()
        second.join(0.3)
        assert second.is_alive() is waits
        done.set()
        first.join(10)
        second.join(10)
        assert answers == [waits] and table.asked == 2
