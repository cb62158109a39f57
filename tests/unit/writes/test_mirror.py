"""Whether the control table's row says what the ledger says; what it is put against, and what is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipelines.errors import StageError
from pipelines.mapping.groups import Group
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import Key, Row
from pipelines.writes.mirror import Mirror, says

if TYPE_CHECKING:
    from pydantic import JsonValue

pytestmark = pytest.mark.unit

GROUP = Group(("customer", "order"), ())
FIRST = Phase.DYNAMODB_FIRST
DOCUMENT: dict[str, JsonValue] = {
    "phase": "dynamodb_first",
    "fenced": False,
    "item_types": ["customer", "order"],
    "epoch": 3,
}


def test_no_row_is_rds_first_without_a_fence() -> None:
    assert says(None, GROUP, Phase.RDS_FIRST, fenced=False, epoch=3)
    assert not says(None, GROUP, Phase.RDS_FIRST, fenced=True, epoch=3)
    assert not says(None, GROUP, FIRST, fenced=False, epoch=3)


@pytest.mark.parametrize(
    "other",
    [{"phase": "dynamodb_only"}, {"fenced": True}, {"item_types": ["order"]}, {"epoch": 2}, {"phase": None}],
)
def test_each_part_counts(other: dict[str, Any]) -> None:
    assert says(DOCUMENT, GROUP, FIRST, fenced=False, epoch=3)
    assert not says({**DOCUMENT, **other}, GROUP, FIRST, fenced=False, epoch=3)


def test_the_epoch_counts_where_items_are_written() -> None:
    document: dict[str, JsonValue] = {**DOCUMENT, "phase": "rds_first"}
    assert says(document, GROUP, Phase.RDS_FIRST, fenced=False, epoch=4)
    assert says(DOCUMENT, GROUP, FIRST, fenced=False, epoch=None)


class Table:
    """`puts`: what was asked for; refused where `overtaken`."""

    name = "crossover-small"

    def __init__(self, row: Row | None, overtaken: bool = False) -> None:
        self.row, self.overtaken = row, overtaken
        self.puts: list[tuple[Row, ...]] = []

    def get(self, key: Key) -> Row | None:
        assert key == Key("writes", "customer+order")
        return self.row

    def put_next(self, *rows: Row) -> bool:
        self.puts.append(rows)
        return not self.overtaken


def mirror(table: Table) -> Mirror:
    return Mirror.read(table, GROUP, 3)  # type: ignore[arg-type]


def test_each_put_follows_what_was_read_with_its_record() -> None:
    table = Table(Row(Key("writes", "customer+order"), {**DOCUMENT, "epoch": 1}, 7))
    one = mirror(table)
    one.put(FIRST, fenced=True, why="a switch has begun")
    one.put(FIRST, fenced=False, why="taken back")
    (row, audit), (again, _) = table.puts
    assert (row.version, again.version) == (8, 9)  # also where it is the same document
    assert {name: row.document[name] for name in DOCUMENT} == {**DOCUMENT, "fenced": True}
    assert set(row.document) == {*DOCUMENT, "changed_at", "by"}
    assert audit.key == Key("audit", f"{row.document['changed_at']}#writes#customer+order")
    assert audit.document == {
        "what": "writes#customer+order",
        "from": {**DOCUMENT, "epoch": 1},
        "to": row.document,
        "why": "a switch has begun",
    }
    assert audit.version == 0
    assert one.says(FIRST, fenced=False)


def test_the_first_put_is_version_1_and_one_that_comes_late_changes_nothing() -> None:
    table = Table(None, overtaken=True)
    one = mirror(table)
    with pytest.raises(StageError, match="was changed meanwhile; run it again"):
        one.put(FIRST, fenced=False, why="switched")
    assert table.puts[0][0].version == 1
    assert one.document is None and not one.says(FIRST, fenced=False)
