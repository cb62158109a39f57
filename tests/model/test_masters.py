"""Rules 15 and 16 of docs/protocol.md hold in every state, and each of them is needed."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.model.masters import ALL, Rules, Scenario
from tests.torture import TORTURE

pytestmark = pytest.mark.unit

TWO = ((1, 2), (4,))
FORWARD = Scenario("forward", TWO, ("forward",), repeats=1)
BACK = Scenario("back", TWO, ("back",), repeats=1, begin="dynamodb")
THERE_AND_BACK = Scenario("there and back", TWO, ("forward", "back"))
SCENARIOS = (FORWARD, BACK, THERE_AND_BACK)

NEEDED = (
    ("guard", THERE_AND_BACK, "an application that has not heard of the switch writes RDS after the drain"),
    ("drained_forward", FORWARD, "a change that no relay delivers any more"),
    ("mirror_last", THERE_AND_BACK, "applications write DynamoDB while the relay still delivers"),
    ("leases_ended", BACK, "an application that believes in DynamoDB writes it after the drain"),
    ("request_within_lease", BACK, "a request that lands after its lease"),
    ("drained_back", BACK, "RDS takes writes before it has them all"),
    ("guard_until_phase", THERE_AND_BACK, "RDS takes writes while DynamoDB is still applied to it"),
    ("conditional_on_old", BACK, "two applications change what both have read"),
    ("next_version", BACK, "a write that looks like the one before"),
    ("newer_wins_back", BACK, "a state that is repeated after a newer one"),
    ("marked_delivered", FORWARD, "the reverse relay's own write comes back as an echo"),
)

NOT_NEEDED_ALONE = {
    "relay_leaves_group": "nothing is undelivered where DynamoDB is the master, unless somebody gets past the guard",
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_with_all_rules_no_state_is_wrong(scenario: Scenario) -> None:
    explored = scenario.explored()
    assert explored.counterexample is None, f"\n{explored.counterexample}"
    assert explored.finished


@pytest.mark.parametrize(("rule", "scenario"), [case[:2] for case in NEEDED], ids=[f"{c[0]}: {c[2]}" for c in NEEDED])
def test_without_the_rule_the_model_finds_what_goes_wrong(rule: str, scenario: Scenario) -> None:
    counterexample = scenario.explored(replace(ALL, **{rule: False})).counterexample
    assert counterexample is not None


def test_every_rule_is_taken_out_once() -> None:
    assert {case[0] for case in NEEDED} | set(NOT_NEEDED_ALONE) == {field.name for field in fields(Rules)}


@pytest.mark.skipif(not TORTURE, reason="make torture")
def test_more_applications_there_and_back_twice() -> None:
    explored = Scenario("twice", ((1, 2), (4,), (8,)), ("forward", "back") * 2, repeats=2).explored(limit=2_000_000)
    assert explored.counterexample is None, f"\n{explored.counterexample}"
