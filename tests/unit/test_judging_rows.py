"""What the target says of whose an item is may have been written by anybody; what is no row's is not asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.judging.rows import Namer, claimed_twice
from pipelines.mapping.outcome import Absent, Assembled, OnlineItem
from tests.unit.mapping.small_catalog import compiled

pytestmark = pytest.mark.unit


def namer() -> Namer:
    (item,) = compiled(
        '  one:\n    table: shop\n    from: lines\n    key: {pk: "O#{order_id}", sk: "L#{line_no}"}\n'
    ).items
    return Namer(item)


@pytest.mark.parametrize(
    ("owner", "source_key"),
    [
        ('{"order_id":"6","line_no":"2"}', '{"order_id":"6","line_no":"2"}'),
        ('{ "line_no": "2", "order_id": "6" }', '{"order_id":"6","line_no":"2"}'),
        (None, None),
        ("", None),
        ("{", None),
        ('["6","2"]', None),
        ("[" * 100_000, None),
        ('{"order_id":"6"}', None),
        ('{"order_id":"6","line_no":2}', None),
        ('{"order_id":"6","line_no":"2","more":"1"}', None),
        ('{"order_id":"6","line_no":"\\ud800"}', None),
    ],
)
def test_an_owner_is_a_source_key_or_nobody(owner: str | None, source_key: str | None) -> None:
    assert namer().of_owner(owner) == source_key


@pytest.mark.parametrize(
    ("column", "text", "can_be"),
    [
        ("due", "2026-02-28", True),
        ("due", "2026-02-30", False),
        ("due", "2026-W09-6", False),  # which Python reads, and PostgreSQL does not
        ("due", "20260228", False),
        ("placed_at", "2026-02-28T10:00:00.000000Z", True),
        ("placed_at", "yesterday", False),
        ("placed_at", "2026-02-28T10:00:00.000000+23:59", False),
        ("placed_at", "0001-01-01T00:00:00.000000+23:59", False),
        ("placed_at", "2026-02-28T10", False),
        ("total", "-1.5", True),
        ("total", "0." + "0" * 129 + "1", True),
        ("total", "9" * 131_073, False),
        ("total", "0." + "1" * 16_384, False),
        ("total", "1; DROP", False),
        ("paid", "true", True),
        ("paid", "maybe", False),
        ("status", "any text", True),
        ("order_id", "9" * 40, True),  # no integer: the reading knows that it is equal to nothing
    ],
)
def test_a_text_that_no_value_has_is_nobodys(column: str, text: str, can_be: bool) -> None:
    """One that PostgreSQL cannot read would fail the reading of all."""
    (item,) = compiled('  one:\n    table: shop\n    from: orders\n    key: {pk: "O#{order_id}", sk: x}\n').items
    owner = f'{{"{column}":"{text}"}}'
    table = item.root.table.model_copy(update={"primary_key": (column,)})
    item = replace(item, root=replace(item.root, table=table))
    assert (Namer(item).of_owner(owner) == owner) is can_be


def test_a_key_tells_its_row_where_it_can() -> None:
    assert namer().of_key('{"pk":{"S":"O#6"},"sk":{"S":"L#2"}}') == '{"order_id":"6","line_no":"2"}'
    assert namer().of_key('{"pk":{"S":"P#6"},"sk":{"S":"L#2"}}') is None


def test_keys_that_two_rows_claim() -> None:
    def claims(row: str, key: str) -> tuple[str, OnlineItem]:
        return row, OnlineItem(row, Assembled("shop", key, "{}", b"", 2))

    found = dict([claims("1", "a"), claims("2", "b"), claims("3", "a"), ("4", OnlineItem("4", Absent()))])
    assert claimed_twice(found) == {"a"}
