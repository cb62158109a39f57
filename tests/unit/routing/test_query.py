"""What a caller gets at each stage, whatever the candidate does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.routing.stage import Stage
from tests.unit.routing.stand_in import Hanging, Order, Queries, counts

pytestmark = pytest.mark.unit


def rds(number: int = 0) -> str:
    return f"rds {number}"


def same(number: int = 0) -> str:
    return f"rds {number}"


def lying(number: int = 0) -> str:
    return "lie"


def throwing(number: int = 0) -> str:
    raise SystemExit(3)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    one = Hanging()
    yield one
    one.go.set()


def never(*_: Any) -> str:
    raise AssertionError("must not be asked")


def test_at_rds_dynamodb_is_not_asked() -> None:
    queries = Queries()
    asked: list[int] = []
    assert queries.query(Stage.RDS, rds, lambda number: asked.append(number))(7) == "rds 7"
    assert queries.settled() == {"rds_answers": 1}
    assert asked == []


def test_at_dynamodb_rds_is_not_asked() -> None:
    assert Queries().query(Stage.DYNAMODB, never, lying)(7) == "lie"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("candidate", "seen"),
    [
        (same, {"candidate_answers": 1, "shadow_compared": 1}),
        (lying, {"candidate_answers": 1, "shadow_compared": 1, "shadow_mismatches": 1}),
        (throwing, {"candidate_errors": 1}),
    ],
)
def test_a_shadow_read_is_seen_by_nobody_but_the_counters(first: bool, candidate: Any, seen: dict[str, int]) -> None:
    queries = Queries()
    assert queries.query(Stage.SHADOW, rds, candidate, order=Order(first=first))(7) == "rds 7"
    assert queries.settled() == {"rds_answers": 1, **seen}


@pytest.mark.parametrize("first", [True, False])
def test_a_candidate_that_hangs_keeps_no_caller_waiting_and_then_is_dropped(first: bool, hanging: Hanging) -> None:
    queries = Queries(threads=1, waiting=1)
    query = queries.query(Stage.SHADOW, rds, hanging, order=Order(first=first))
    assert [query(number) for number in range(5)] == [f"rds {number}" for number in range(5)]
    assert counts(queries.asked) == {"rds_answers": 5, "shadow_dropped": 3}
    hanging.go.set()
    assert queries.settled()["shadow_compared"] == 2


def test_each_of_the_two_is_asked_first_at_times() -> None:
    queries = Queries(waiting=100)
    query = queries.query(Stage.SHADOW, rds, same)
    assert {queries.asked.candidate_first() for _ in range(50)} == {True, False}
    assert query(1) == "rds 1"


def test_the_error_of_rds_is_the_callers_in_shadow() -> None:
    queries = Queries()

    def failing(_: int) -> str:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        queries.query(Stage.SHADOW, failing, same, order=Order(first=True))(7)
    assert queries.settled() == {"rds_errors": 1, "candidate_answers": 1, "not_compared": 1}


def test_noise_asks_rds_twice_and_dynamodb_never() -> None:
    queries = Queries()
    answers = iter(["one", "other"])
    query = queries.query(Stage.SHADOW, lambda: next(answers), never, order=Order(first=False), noise=1.0)
    assert query() == "one"
    assert queries.settled() == {"rds_answers": 1, "noise_answers": 1, "noise_compared": 1, "noise_mismatches": 1}


def test_what_the_caller_changes_is_compared_as_it_was() -> None:
    queries = Queries()
    gate = Hanging()

    def candidate() -> list[int]:
        gate()
        return [1]

    query = queries.query(Stage.SHADOW, lambda: [1], candidate, order=Order(first=True), snapshot=list)
    query().append(2)
    gate.go.set()
    assert "shadow_mismatches" not in queries.settled()


@pytest.mark.parametrize("stage", [Stage.CANARY, Stage.DYNAMODB])
def test_a_candidate_that_hangs_or_throws_is_answered_by_rds(stage: Stage, hanging: Hanging) -> None:
    for candidate, seen in ((hanging, "dynamodb_late"), (throwing, "dynamodb_errors")):
        queries = Queries()
        query = queries.query(
            stage, rds, candidate, share=1.0, fallback=True, deadline_seconds=0.01 if seen.endswith("late") else 60
        )
        assert query(7) == "rds 7"
        assert counts(queries.asked) == {"rds_answers": 1, "fallbacks": 1, seen: 1}


def test_where_too_many_hang_rds_answers_at_once(hanging: Hanging) -> None:
    queries = Queries(threads=1)
    query = queries.query(Stage.CANARY, rds, hanging, share=1.0, deadline_seconds=0.01)
    assert [query(1), query(2)] == ["rds 1", "rds 2"]
    assert counts(queries.asked)["dynamodb_dropped"] == 1


def test_without_fallback_the_callers_see_what_dynamodb_raises() -> None:
    queries = Queries()
    with pytest.raises(SystemExit):
        queries.query(Stage.DYNAMODB, never, throwing)(7)
    assert counts(queries.asked) == {"dynamodb_errors": 1}


def test_a_call_outside_of_the_share_is_a_shadow_call() -> None:
    queries = Queries(waiting=2000)
    query = queries.query(Stage.CANARY, rds, lying, share=0.25, key=lambda number: number, deadline_seconds=60)
    answers = {number: query(number) for number in range(400)}
    chosen = {number for number, answer in answers.items() if answer == "lie"}
    assert 60 < len(chosen) < 140
    assert {number for number in range(400) if query(number) == "lie"} == chosen
    seen = queries.settled()
    assert seen["dynamodb_answers"] == 2 * len(chosen)
    assert seen["shadow_mismatches"] == 800 - 2 * len(chosen)


def test_a_key_that_cannot_be_told_goes_to_rds() -> None:
    queries = Queries()
    query = queries.query(Stage.CANARY, rds, never, share=1.0, key=lambda number: number["id"])
    assert query(7) == "rds 7"
    assert queries.settled()["key_errors"] == 1


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.CANARY])
def test_of_shadow_calls_only_the_share_asks_the_candidate(stage: Stage) -> None:
    queries = Queries(waiting=2000)
    query = queries.query(stage, rds, same, share=0.0, shadow_share=0.25, deadline_seconds=60)
    assert [query(number) for number in range(400)] == [f"rds {number}" for number in range(400)]
    seen = queries.settled()
    assert seen["rds_answers"] == 400
    assert 60 < seen["candidate_answers"] == seen["shadow_compared"] < 140


def test_no_share_of_shadow_calls_touches_the_other_stages() -> None:
    for stage, share in ((Stage.DYNAMODB, 0.0), (Stage.CANARY, 1.0)):
        assert Queries().query(stage, rds, lying, share=share, shadow_share=0.0)(7) == "lie"
