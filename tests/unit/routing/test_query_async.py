"""The asynchronous form: what a caller gets, whatever the candidate does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipelines.routing.options import Options
from pipelines.routing.query_async import AsyncQuery
from pipelines.routing.stage import Stage
from tests.unit.routing.stand_in import Order, asked, counts

pytestmark = pytest.mark.unit


async def rds(number: int) -> str:
    await asyncio.sleep(0)
    return f"rds {number}"


async def lying(number: int) -> str:
    return "lie"


async def throwing(number: int) -> str:
    raise SystemExit(3)


async def hanging(number: int) -> str:
    await asyncio.Event().wait()
    return "never"


def run(
    stage: Stage, candidate: Any, *, calls: int = 1, at_once: int = 10, first: bool = True, **options: Any
) -> tuple[list[str], dict[str, Any]]:
    """The answers, and what was counted once nothing is under way."""

    async def story() -> tuple[list[str], dict[str, Any]]:
        one = asked(stage, Options(**options), 1.0, Order(first=first))
        query: AsyncQuery[Any, str] = AsyncQuery(one, rds, candidate, at_once)
        answers = [await query(number) for number in range(calls)]
        while query._under_way:
            await asyncio.wait(set(query._under_way))
        return answers, counts(one)

    return asyncio.run(story())


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("candidate", "seen"),
    [
        (rds, {"candidate_answers": 1, "shadow_compared": 1}),
        (lying, {"candidate_answers": 1, "shadow_compared": 1, "shadow_mismatches": 1}),
        (throwing, {"candidate_errors": 1}),
        (hanging, {"candidate_late": 1}),
    ],
)
def test_a_shadow_read_is_seen_by_nobody_but_the_counters(first: bool, candidate: Any, seen: dict[str, int]) -> None:
    deadline = 0.01 if candidate is hanging else 60
    found = run(Stage.SHADOW, candidate, first=first, deadline_seconds=deadline)
    assert found == (["rds 0"], {"rds_answers": 1, **seen})


def test_too_many_under_way_are_dropped() -> None:
    answers, seen = run(Stage.SHADOW, hanging, calls=5, at_once=1, deadline_seconds=0.5)
    assert answers == [f"rds {number}" for number in range(5)]
    assert seen["shadow_dropped"] == 4


@pytest.mark.parametrize("stage", [Stage.CANARY, Stage.DYNAMODB])
@pytest.mark.parametrize(("candidate", "seen"), [(throwing, "dynamodb_errors"), (hanging, "dynamodb_late")])
def test_rds_answers_where_dynamodb_does_not(stage: Stage, candidate: Any, seen: str) -> None:
    deadline = 0.01 if candidate is hanging else 60
    found = run(stage, candidate, fallback=True, deadline_seconds=deadline)
    assert found == (["rds 0"], {"rds_answers": 1, "fallbacks": 1, seen: 1})


def test_at_dynamodb_it_is_dynamodb_that_answers() -> None:
    assert run(Stage.DYNAMODB, lying) == (["lie"], {"dynamodb_answers": 1})
    assert run(Stage.CANARY, lying) == (["lie"], {"dynamodb_answers": 1})
