"""What the mirror's rows say of the mapping's groups."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.mapping.groups import Group
from pipelines.masters.standing import Standing, read_standings
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import Key, NoControlTableError, Row

pytestmark = pytest.mark.unit

GROUPS = (Group(("order", "customer"), ()), Group(("counter",), ()))


class _Table:
    def __init__(self, *documents: dict[str, Any], is_there: bool = True) -> None:
        self.documents, self.is_there = documents, is_there

    def query(self, pk: str, first: str, last: str) -> Any:
        assert pk == "writes" and first < "a" and last > "\uffff"
        if not self.is_there:
            raise NoControlTableError("none")
        return (Row(Key(pk, "x"), document) for document in self.documents)


def standings(*documents: dict[str, Any], is_there: bool = True) -> dict[str, Standing]:
    return read_standings(_Table(*documents, is_there=is_there), GROUPS)  # type: ignore[arg-type]


def row(phase: Any, *types: str, fenced: Any = False, epoch: Any = 4) -> dict[str, Any]:
    return {"phase": phase, "item_types": list(types), "fenced": fenced, "epoch": epoch}


def test_what_was_never_switched_is_in_rds() -> None:
    assert standings() == standings(is_there=False) == {"order+customer": Standing(), "counter": Standing()}
    assert standings()["counter"].is_rds


def test_a_row_is_of_the_group_of_its_item_types() -> None:
    found = standings(row("dynamodb_first", "customer", "order"), row("dynamodb_only", "counter", fenced=True))
    assert found["order+customer"] == Standing(Phase.DYNAMODB_FIRST, False, 4)
    assert found["order+customer"].is_dynamodb
    assert found["counter"] == Standing(Phase.DYNAMODB_ONLY, True, 4)
    assert not found["counter"].is_dynamodb and not found["counter"].is_rds


@pytest.mark.parametrize(
    "document",
    [
        row("dynamodb_first", "order"),  # by a mapping in which `customer` was apart
        row("dynamodb_first", "order", "customer", "counter"),
        row("rds_first", "order", fenced=True),
        row("elsewhere", "order", "customer"),
        row("dynamodb_first", "order", "customer", epoch="4"),
        row("dynamodb_first", "order", "customer", epoch=None),
    ],
)
def test_nobody_writes_where_the_row_does_not_tell_the_groups_master(document: dict[str, Any]) -> None:
    standing = standings(document)["order+customer"]
    assert standing.problem and not standing.is_rds and not standing.is_dynamodb


def test_a_row_of_another_mapping_that_is_over_does_not_count() -> None:
    found = standings(row("rds_first", "order"), row("dynamodb_first", "order", "customer"))
    assert found["order+customer"].is_dynamodb
    assert standings(row("rds_first", "order"))["order+customer"].is_rds


def test_a_fence_that_cannot_be_read_is_one() -> None:
    assert standings(row("dynamodb_first", "counter", fenced="no"))["counter"].fenced
    assert not standings(row("rds_first", "counter", fenced=None))["counter"].is_rds
