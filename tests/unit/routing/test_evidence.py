"""No step towards DynamoDB without evidence: each that is missing is told, and missing alone is enough."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from pipelines.routing.evidence import Evidence, missing
from pipelines.routing.stage import Setting, Stage
from tests.unit.routing.stand_in import NOW

pytestmark = pytest.mark.unit

GOOD = {"shadow_compared": 1_000, "candidate_answers": 1_000, "dynamodb_answers": 100}


def evidence(hours_ago: int = 1, **counts: int) -> Evidence:
    return Evidence(Counter({**GOOD, **counts}), {}, NOW - timedelta(hours=hours_ago))


NONE = Evidence(Counter(), {}, None)


@pytest.mark.parametrize(
    ("was", "stage", "share"),
    [
        (Setting(Stage.SHADOW), Stage.CANARY, 0.1),
        (Setting(Stage.CANARY, 0.1), Stage.CANARY, 0.2),
        (Setting(Stage.CANARY, 0.1), Stage.DYNAMODB, 0.0),
    ],
)
def test_good_evidence_is_enough_and_each_lack_of_it_is_not(was: Setting, stage: Stage, share: float) -> None:
    assert missing(was, stage, share, evidence(shadow_mismatches=1, candidate_late=10), NOW) == ()
    for lacking in (
        evidence(shadow_compared=999),
        evidence(shadow_mismatches=2),
        evidence(candidate_errors=11),
        evidence(candidate_late=11),
        evidence(hours_ago=3),
        NONE,
    ):
        assert missing(was, stage, share, lacking, NOW)


@pytest.mark.parametrize("lacking", [{"dynamodb_answers": 99}, {"dynamodb_errors": 2}, {"dynamodb_late": 2}])
def test_the_last_stage_needs_calls_that_dynamodb_answered(lacking: dict[str, int]) -> None:
    assert len(missing(Setting(Stage.CANARY, 0.1), Stage.DYNAMODB, 0.0, evidence(**lacking), NOW)) == 1


@pytest.mark.parametrize(
    ("was", "stage"), [(Stage.RDS, Stage.CANARY), (Stage.RDS, Stage.DYNAMODB), (Stage.SHADOW, Stage.DYNAMODB)]
)
def test_no_stage_is_skipped(was: Stage, stage: Stage) -> None:
    assert len(missing(Setting(was), stage, 0.1, evidence(), NOW)) == 1


def test_to_ask_less_of_dynamodb_needs_nothing() -> None:
    assert missing(Setting(Stage.RDS), Stage.SHADOW, 0.0, NONE, NOW) == ()
    assert missing(Setting(Stage.CANARY, 0.2), Stage.CANARY, 0.1, NONE, NOW) == ()
    for was in Stage:
        for stage in [*Stage][: was.rank + 1]:
            assert missing(Setting(was, 0.1), stage, 0.1, NONE, NOW) == ()
