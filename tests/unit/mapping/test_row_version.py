"""The version that a column of the root tells, and the row that has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipelines.items.reject import RejectReason
from pipelines.mapping.assemble import Node
from pipelines.mapping.online import assemble
from pipelines.mapping.outcome import Assembled, Rejected
from pipelines.mapping.row_version import row_version
from pipelines.mapping.source_row import SourceRow
from tests.unit.mapping.small_catalog import order

pytestmark = pytest.mark.unit

PLAN = order("    include: [status]\n    version: placed_at\n").item("order")
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (0, 0),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (-1, None),
        (None, None),
        (datetime(1970, 1, 2, tzinfo=UTC), DAY),
        (datetime(1970, 1, 2, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))), DAY + 1),
        (datetime(1970, 1, 2, 0, 0, 0, 1), DAY + 1),
        (datetime(1970, 1, 1), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999999), None),
        (datetime(9999, 12, 31, 23, 59, 59, 999999), 253_402_300_799_999_999),
    ],
)
def test_a_version_is_from_0_up(value: object, version: int | None) -> None:
    assert row_version(PLAN, SourceRow({"placed_at": value})) == version


def test_a_row_that_is_gone_has_none_and_without_a_column_each_has_0() -> None:
    assert row_version(PLAN, None) is None
    assert row_version(replace(PLAN, version=None), None) == 0


def test_a_row_without_a_version_is_rejected() -> None:
    physical = {"order_id": 1, "status": "new", "placed_at": None, "placed_at::raw": "infinity"}
    outcome = assemble(PLAN, Node(SourceRow(physical), {}))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.attribute) == (RejectReason.NO_VERSION, None)
    assert outcome.key is not None
    assert isinstance(assemble(PLAN, Node(SourceRow({**physical, "placed_at": datetime(2026, 1, 1)}), {})), Assembled)
    too_large = assemble(PLAN, Node(SourceRow({**physical, "status": "x" * 500_000}), {}))
    assert isinstance(too_large, Rejected)
    assert too_large.reason is RejectReason.ITEM_TOO_LARGE
