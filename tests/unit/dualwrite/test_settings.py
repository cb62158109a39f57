"""What a DualWriter is given, and what is refused in one line."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from pipelines.dualwrite.counts import WAIT_BOUNDS_SECONDS, Counts, Tally
from pipelines.dualwrite.notices import EVERY_SECONDS, Notices
from pipelines.dualwrite.opening import ledger_address
from pipelines.dualwrite.waiting import Reason
from pipelines.errors import UsageError
from pipelines.source.ledger.follow import Touched

pytestmark = pytest.mark.unit


def test_the_engines_own_address() -> None:
    engine = create_engine("postgresql+psycopg://ann:p%40ss@db:5433/shop?sslmode=require")
    assert ledger_address(engine, None) == "postgresql://ann:p%40ss@db:5433/shop?sslmode=require"
    assert ledger_address(engine, "postgresql://relay@db/shop") == "postgresql://relay@db/shop"
    assert ledger_address(create_async_engine("postgresql+psycopg://db/shop"), None) == "postgresql://db/shop"


@pytest.mark.parametrize(
    ("url", "ledger_url", "told"),
    [
        (None, None, "the ledger's URL has to be given"),
        ("sqlite://", None, "one for sqlite"),
        ("postgresql+psycopg://ann:secret@db/shop?nonsense=1", None, "the engine's URL"),
        (None, "nonsense://secret", "ledger_url is not a PostgreSQL URL"),
    ],
)
def test_addresses_that_are_refused(url: str | None, ledger_url: str | None, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        ledger_address(create_engine(url) if url else None, ledger_url)
    assert "secret" not in str(refused.value)


def test_what_a_session_is_told_is_read_by_migration() -> None:
    text = '\nshop\torder\t{"id":"1"}\n\nother\torder\t{"id":"2"}\n\nshop\tseat\t{"a":"b\\tc"}\n'
    items = (("order", '{"id":"1"}'), ("seat", '{"a":"b\\tc"}'))
    assert Touched.of((text, "on"), "shop") == Touched(items)
    assert Touched.of((text + "\n+\n", None), "shop") == Touched(items, is_cut=True, is_following=False)
    assert Touched.of((None, "on"), "shop") == Touched.of(("", "on"), "shop") == Touched()


def test_a_warning_comes_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    notices = Notices("shop", lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            notices.warn(Reason.DEADLINE, "late")
        notices.warn(Reason.FAILED, "no such table")
        now[0] += EVERY_SECONDS
        notices.warn(Reason.DEADLINE, "late")
    assert [record.getMessage() for record in caplog.records] == [
        "shop: left to the relay: deadline: late",
        "shop: left to the relay: failed: no such table",
        "shop: left to the relay: deadline: late (2 more since the last such line)",
    ]


def test_counts_only_grow_and_stand_still_once_taken() -> None:
    tally = Tally()
    before = tally.snapshot()
    tally.commit(None, 0.01)
    tally.commit(Reason.DEADLINE, 60.0)
    tally.commit(Reason.CLOSED_WAY)
    waits = [0, 1, *(0 for _ in WAIT_BOUNDS_SECONDS[2:]), 1]
    assert before == Counts()
    assert tally.snapshot() == Counts(
        commits=3,
        left_to_relay={Reason.DEADLINE: 1, Reason.CLOSED_WAY: 1},
        waits=tuple(waits),
        waited_seconds=60.01,
    )
