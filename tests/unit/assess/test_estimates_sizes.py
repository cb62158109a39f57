"""Sizes and units of items that were built: by hand from DynamoDB's rules."""

from __future__ import annotations

import json

import pytest

from pipelines.assess.estimates.tally import SizeTally, percentile, read_units, write_units
from pipelines.items.reject import RejectReason
from pipelines.mapping.model import TargetTable
from pipelines.mapping.outcome import Assembled, Rejected

pytestmark = pytest.mark.unit

TABLE = TargetTable.model_validate(
    {
        "partition_key": {"name": "pk", "type": "S"},
        "indexes": {
            "whole": {"partition_key": {"name": "a", "type": "S"}},
            "keys": {"partition_key": {"name": "a", "type": "S"}, "projection": "keys_only"},
            "some": {"partition_key": {"name": "b", "type": "S"}, "projection": {"include": ["c"]}},
        },
    }
)


def item(size: int, **texts: str) -> Assembled:
    """`size`: as the encoder says it; the text need not have it."""
    text = json.dumps({"pk": {"S": "k"}, **{name: {"S": value} for name, value in texts.items()}})
    return Assembled("shop", "{}", text, b"", size)


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1024, 1), (1025, 2), (409_600, 400)])
def test_a_write_unit_for_each_kilobyte_begun(size: int, units: int) -> None:
    assert write_units(size) == units


@pytest.mark.parametrize(("size", "units"), [(0, 0.5), (4096, 0.5), (4097, 1.0), (409_600, 50.0)])
def test_half_a_read_unit_for_each_4_kb_begun(size: int, units: float) -> None:
    assert read_units(size) == units


def test_an_item_is_only_in_the_indexes_whose_keys_it_has() -> None:
    """Of the second item `keys` holds pk and a: (2 + 1) + (1 + 3) bytes; `some` holds pk, b and c: 3 + 3 + 5."""
    tally = SizeTally(TABLE)
    tally.add(item(3))
    tally.add(item(2000, a="xyz", b="xy", c="wxyz", d="z" * 1900))
    found = tally.sizes()
    assert found is not None
    assert {name: (one.share, one.mean_bytes) for name, one in found.indexes.items()} == {
        "whole": (0.5, 2000),
        "keys": (0.5, 7),
        "some": (0.5, 11),
    }
    assert found.index_bytes == (2000 + 7 + 11) / 2
    assert found.write_units == (1 + 2 + 2 + 1 + 1) / 2


def test_a_backfill_writes_the_version_too() -> None:
    """13 bytes more: in the item, and in an index that holds all of it."""
    tally = SizeTally(TABLE)
    tally.add(item(1020, a="xyz"))
    found = tally.sizes()
    assert found is not None
    assert (found.write_units, found.backfill_units) == (1 + 1 + 1, 2 + 2 + 1)


def test_an_object_holds_the_item_as_it_is_written() -> None:
    one = item(3)
    line = f'{{"Item":{one.item[:-1]},"_v":{{"N":"{2**63 - 1}"}}}}}}\n'
    tally = SizeTally(TABLE)
    tally.add(one)
    found = tally.sizes()
    assert found is not None
    assert found.object_bytes == len(line)


def test_rejects_are_counted_and_no_item_is_none() -> None:
    tally = SizeTally(TABLE)
    tally.add(Rejected("shop", None, RejectReason.NOT_A_NUMBER, None, None, ""))
    assert tally.rejects == {RejectReason.NOT_A_NUMBER: 1}
    assert tally.sizes() is None


def test_percentiles() -> None:
    ordered = list(range(1, 201))
    assert [percentile(ordered, share) for share in (0.5, 0.99, 1.0)] == [100, 198, 200]
    assert percentile([7], 0.5) == 7
