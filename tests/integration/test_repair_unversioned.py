"""Repair and undo where no ledger tells versions: by compare-and-set on what was observed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import StageError
from pipelines.items.canonical import canonical_item
from pipelines.judging.verdict import Verdict
from pipelines.repair import writing
from pipelines.repair.apply import apply_repair
from pipelines.repair.image import Image
from pipelines.repair.opened import Tools
from pipelines.repair.plan import plan_repair
from pipelines.repair.undo import undo_repair
from pipelines.repair.writing import Ended
from pipelines.tables import create_tables
from pipelines.target.batch_get import ItemReader
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.exact_write import Exact, ExactWrite, ExactWriter
from pipelines.target.wire import Wire
from tests.captured_shop import Captured, opened
from tests.delivered_shop import MAPPING, SCHEMA, all_live, expected, put, source_key, stored
from tests.fault_proxy import FaultProxy
from tests.faults import Fault
from tests.repaired_shop import changed, everything, of_order, of_seat, quick_clients, removed, run_of

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_clients")]
__all__ = ["quick_clients"]

USUAL: frozenset[Verdict] = frozenset()


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Captured:
    """Filled, and both sides equal."""
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    shop = Captured(database_url, opened(tmp_path, MAPPING + "checks: {settle_seconds: 0}\n"))
    shop.run(
        SCHEMA,
        "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 6) n",
        "INSERT INTO lines VALUES (2, 1, NULL)",
        "INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Ben')",
    )
    create_tables(shop.migration.mapping, dynamodb_client())
    for table, items in expected(database_url).items():
        for item in items.values():
            owner = {"_s": {"S": source_key(int(item["id"]["N"]))}} if table == "seats" else {}
            put(table, {**item, "_v": {"N": "0"}, **owner})
    return shop


PLANTED = ("C1/O1", "C1/O2", "C1/O3", "C1/O99", "A", "B")


def plant() -> None:
    changed("orders", of_order(1), note={"S": "bad"}, more={"SS": ["b", "a"]})
    changed("orders", of_order(2), lines={"L": [{"M": {"n": {"N": "1.5"}}}]}, draft=None)
    removed("orders", of_order(3))
    put("orders", {**of_order(99), "note": {"S": "invented"}, "_v": {"N": "0"}})
    changed("seats", of_seat("A"), guest=None)
    removed("seats", of_seat("B"))


def test_what_was_observed_is_replaced_and_put_back(shop: Captured) -> None:
    equal = everything()
    plant()
    changed("orders", of_order(4), _v={"N": "5"})
    changed("orders", of_order(5), _v=None, note={"S": "theirs"})
    run, before = run_of(shop, "no_ledger"), everything()
    assert plan_repair(shop.migration, run, USUAL).standings() == {"repairable": 6, "not_repairable": 2}
    done = apply_repair(shop.migration, run, USUAL)
    assert (done.judged, done.repaired, done.not_repairable) == (8, 6, 2)
    named = apply_repair(shop.migration, run, frozenset({Verdict.AHEAD, Verdict.FOREIGN}))
    assert (named.repaired, named.no_longer_different) == (2, 6)
    assert everything() == equal
    assert all_live() == expected(shop.url)
    assert (undo_repair(shop.migration, run).undone, undo_repair(shop.migration, run).undone) == (2, 6)
    assert everything() == before


def test_what_changes_after_it_was_judged_stays(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the last instant: an attribute of what is there is another one, or something has come."""
    plant()
    run = run_of(shop, "no_ledger")
    real = writing.written

    def written(tools: Tools, images: Sequence[Image]) -> list[Ended]:
        for image in images:
            item = image.old or {**json.loads(image.key), "note": {"S": "came"}}
            name = next(name for name in item if not name.startswith("_") and name not in image.key_names)
            put(image.table, {**item, name: {"S": "newer"}})
        return real(tools, images)

    monkeypatch.setattr("pipelines.repair.apply.written", written)
    done = apply_repair(shop.migration, run, USUAL)
    assert (done.repaired, done.pending) == (0, 6)
    planted = [items[key] for items in everything().values() for key in items if key in PLANTED]
    assert len(planted) == len(PLANTED)
    assert all({"S": "newer"} in item.values() for item in planted)
    assert undo_repair(shop.migration, run).left == {"the target's item is not what the repair wrote": 6}


@pytest.mark.parametrize(
    "fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE, Fault.ERROR_500_AFTER, Fault.THROTTLED, Fault.DAMAGED]
)
def test_a_lost_answer_is_looked_into(fault: Fault, shop: Captured, dynamodb_environment: str) -> None:
    observed = stored("orders")["C1/O1"]
    write = ExactWrite("orders", canonical_item(of_order(1)), observed, {**observed, "note": {"S": "y"}})
    faults = FaultProxy(dynamodb_environment, lambda number, body: fault if number == 0 else None, actions=("PutItem",))
    with faults.serving(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", faults.url)
        with Wire(Address.of(dynamodb_client()), 1) as wire:
            assert ExactWriter(wire).write(write) is Exact.DONE
    assert stored("orders")["C1/O1"]["note"] == {"S": "y"}


def test_the_condition_asks_for_every_attribute(shop: Captured) -> None:
    """Of all types; also where nothing is left but the key, and where there are too many."""
    values: list[dict[str, Any]] = [
        {"S": ""},
        {"N": "1.50"},
        {"B": "AAE="},
        {"BOOL": False},
        {"NULL": True},
        {"SS": ["b", "a"]},
        {"NS": ["2", "1"]},
        {"M": {"x": {"L": [{"N": "1"}, {"M": {}}]}}},
        {"L": []},
    ]
    key = canonical_item(of_seat("all"))
    put("seats", {**of_seat("all"), **{f"a.{n}": value for n, value in enumerate(values)}})
    with Wire(Address.of(dynamodb_client()), 1) as wire:
        writer, reader = ExactWriter(wire), ItemReader(wire)
        observed = reader.read_wire("seats", [key])[key]
        for name in list(observed):
            if name != "pk":
                other = {**observed, name: {"S": "other"}}
                assert writer.write(ExactWrite("seats", key, other, None)) is Exact.CHANGED
        taken = ExactWrite("seats", key, {**of_seat("all")}, {**of_seat("all"), "a.0": {"S": "new"}})
        assert writer.write(taken) is Exact.CHANGED  # an attribute that was not observed is there
        assert writer.write(ExactWrite("seats", key, None, of_seat("all"))) is Exact.CHANGED
        assert reader.read_wire("seats", [key]) == {key: observed}
        assert writer.write(ExactWrite("seats", key, observed, of_seat("all"))) is Exact.DONE
        assert writer.write(ExactWrite("seats", key, of_seat("all"), None)) is Exact.DONE
        assert writer.write(ExactWrite("seats", key, of_seat("all"), None)) is Exact.DONE  # it is gone already
        many = {**of_seat("all"), **{f"n{n}": {"N": str(n)} for n in range(151)}}
        assert writer.write(ExactWrite("seats", key, many, None)) is Exact.UNSAYABLE


def test_a_ledger_that_is_gone_ends_it(shop: Captured) -> None:
    run = run_of(shop, "ledger")
    with pytest.raises(StageError, match="nothing can be repaired"):
        plan_repair(shop.migration, run, USUAL)
