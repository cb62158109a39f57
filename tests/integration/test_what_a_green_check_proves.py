"""Each row of docs/what-a-green-check-proves.md: what is planted, and whether the diff says so as the page does."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.diff import again, kernel, run_diff
from pipelines.diff.again import Again
from pipelines.diff.sample import sampled_buckets
from pipelines.fanout import in_process
from pipelines.items.bucket import bucket_of
from pipelines.judging.verdict import WRONG, Verdict
from pipelines.tables import create_tables
from pipelines.warehouse.manifest import DiffManifest
from tests.captured_shop import Captured, captured, opened
from tests.delivered_shop import WRITTEN_SHOP, expected, stored
from tests.integration.test_judging import change, emptied, of_order, put
from tests.kept_client import client
from tests.online_verification import BUCKETS, compared, differences, prepared
from tests.planted_corruption import COLUMNS, PLANTS, PROVEN, ROWS, Stores
from tests.torture import TORTURE
from tests.versioned_shop import COUNTERS, expected_with_versions, with_versions

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "what-a-green-check-proves.md"
MODES = ("ledger", "version", "no_ledger")


def rows_of_page(table: int) -> list[list[str]]:
    """The cells of the page's tables, without their heads."""
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[table].splitlines()[2:]]


SAID = {name: dict(zip(MODES, said, strict=True)) for name, *said in rows_of_page(0)}


@pytest.fixture
def stores(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    dynamodb_environment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Stores:
    """`request.param`: of MODES. The diff joins a few items at a time."""
    monkeypatch.setattr(kernel, "BYTES_AT_ONCE", 300)
    later = "UPDATE orders SET note = 'new' WHERE id = 12"
    if request.param == "ledger":
        shop = captured(database_url, tmp_path, WRITTEN_SHOP + COLUMNS, PROVEN)
        delivering = emptied(shop, monkeypatch)
        delivering.run(*ROWS, "UPDATE orders SET note = 'x' WHERE id = 22")
        delivering.drain()
        former = stored("orders")["C1/O12"]
        delivering.run(later)
        delivering.drain()
        return Stores(shop, request.param, former)
    is_versioned = request.param == "version"
    shop = Captured(database_url, opened(tmp_path, with_versions(PROVEN) if is_versioned else PROVEN))
    shop.run(WRITTEN_SHOP, COLUMNS, *([COUNTERS] if is_versioned else []), *ROWS)
    create_tables(shop.migration.mapping, client())
    fill(shop, is_versioned)
    former = stored("orders")["C1/O12"]
    shop.run(later)
    fill(shop, is_versioned)
    return Stores(shop, request.param, former)


def fill(shop: Captured, is_versioned: bool) -> None:
    """The target, by the oracle."""
    for table, items in (expected_with_versions if is_versioned else expected)(shop.url).items():
        for key, item in items.items():
            expires = {"expires": {"N": "1"}} if key == "C1/O18" else {}
            put(table, {"_v": {"N": "0"}, **item, **expires})


def verdicts(shop: Captured, manifest: DiffManifest) -> dict[str, str]:
    keys = re.compile(r'\{"S":"([^"]*)"\}')
    return {"".join(keys.findall(row["key"])): row["verdict"] for row in differences(shop, manifest.id)}


def all_modes(test: Callable[..., None]) -> Any:
    return pytest.mark.parametrize("stores", MODES, indirect=True)(test)


def test_the_page_has_a_row_for_all_that_is_planted() -> None:
    assert SAID.keys() == PLANTS.keys()
    assert [name for name, *_ in rows_of_page(1)] == list(OTHER_RUNS)


@all_modes
def test_what_is_planted_is_said_as_the_page_says(stores: Stores, request: pytest.FixtureRequest) -> None:
    mode = stores.mode
    assert compared(stores.shop, prepared(stores.shop)).consistent
    keys = {name: plant(stores) for name, plant in PLANTS.items()}
    manifest = compared(stores.shop, prepared(stores.shop))
    assert manifest.mode == mode
    found = verdicts(stores.shop, manifest)
    assert {name: said_of(key, found) for name, key in keys.items()} == {name: SAID[name][mode] for name in keys}
    assert found.keys() <= {*keys.values(), "C1O19"}  # the other one of the two that were swapped


def said_of(key: str | None, found: dict[str, str]) -> str:
    if key is None:
        return "–"
    if key not in found:
        return "not"
    verdict = Verdict(found[key])
    is_red = verdict in (*WRONG, Verdict.IN_FLIGHT, Verdict.REJECTED)
    return f"{'always' if is_red else 'shown'}: `{verdict}`"


def in_a_sample(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found where the sample has its bucket; and a sample is never a green check of all."""
    for id in range(1, 41):
        change("orders", of_order(id), customer={"N": "999"})
    ids, share = prepared(stores.shop), Decimal("0.5")
    manifest = run_diff(
        stores.shop.migration,
        in_process,
        snapshot_id=ids[0],
        dump_id=ids[1],
        sample=share,
        again=Again(stores.shop.url),
    )
    chosen = sampled_buckets(share, BUCKETS)
    keys = {id: f'{{"pk":{{"S":"C1"}},"sk":{{"S":"O{id}"}}}}' for id in range(1, 41)}
    within = {f"C1O{id}" for id, key in keys.items() if bucket_of(key, BUCKETS) in chosen}
    assert 0 < len(within) < 40
    assert verdicts(stores.shop, manifest).keys() == within
    assert any("buckets compared" in reason for reason in manifest.reasons)


def after_the_dump(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = prepared(stores.shop)
    change("orders", of_order(1), customer={"N": "999"})
    assert compared(stores.shop, ids).consistent
    assert verdicts(stores.shop, compared(stores.shop, prepared(stores.shop))) == {"C1O1": "mismatch"}


def mended_before_it_is_judged(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    change("orders", of_order(1), customer={"N": "999"})
    ids = prepared(stores.shop)
    change("orders", of_order(1), customer={"N": "1"})
    assert compared(stores.shop, ids).consistent


def beyond_the_limit(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in range(1, 41):
        change("orders", of_order(id), customer={"N": "999"})
    manifest = compared(stores.shop, prepared(stores.shop), at_most=10)
    assert (manifest.verdicts.mismatch, manifest.not_judged_again, manifest.consistent) == (40, 30, False)


def never_standing_still(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ledger the item must differ in a row that is written all the time; without one it is never settled."""
    change("orders", of_order(1), customer={"N": "999"})
    ids = prepared(stores.shop)
    writing(stores, monkeypatch)
    manifest = compared(stores.shop, ids)
    assert (verdicts(stores.shop, manifest), manifest.consistent) == ({"C1O1": "in_flight"}, False)


def undelivered_for_too_long(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has delivered since capture was switched on, or since a relay has seen the change."""
    stores.run("UPDATE orders SET note = 'changed' WHERE id = 1")
    manifest = compared(stores.shop, prepared(stores.shop))
    if stores.mode != "ledger":
        assert not manifest.consistent
        return
    assert (verdicts(stores.shop, manifest), manifest.consistent) == ({"C1O1": "pending"}, True)
    stores.run("UPDATE crossover.control SET on_at = now() - interval '301 seconds'", "DELETE FROM crossover.relay")
    late = compared(stores.shop, prepared(stores.shop))
    assert (verdicts(stores.shop, late), late.consistent) == ({"C1O1": "pending"}, False)
    assert late.reasons[1].endswith(" s, 300 allowed")
    stores.run(
        "INSERT INTO crossover.relay VALUES ('green', 'r', now(), now(), now())".replace(
            "green", stores.shop.migration.mapping.migration
        )
    )
    assert compared(stores.shop, prepared(stores.shop)).consistent  # seen a moment ago, whoever is at work by now


def writing(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of order 1 between each reading of the source and of the target."""
    from pipelines.target.batch_get import ItemReader

    real = ItemReader.read

    def read(*arguments: Any) -> Any:
        stores.run("UPDATE orders SET note = note || '.' WHERE id = 1")
        return real(*arguments)

    monkeypatch.setattr(ItemReader, "read", read)


OTHER_RUNS: dict[str, Callable[[Stores, pytest.MonkeyPatch], None]] = {
    "a key outside a `--sample`": in_a_sample,
    "what is spoilt after the dump has read it": after_the_dump,
    "what is right again before it is judged": mended_before_it_is_judged,
    "what is beyond `--judge-at-most`": beyond_the_limit,
    "a change that is undelivered for longer than `checks.lag_limit_seconds`": undelivered_for_too_long,
    "an item whose row changes all the time": never_standing_still,
}


@pytest.mark.parametrize("name", OTHER_RUNS)
@pytest.mark.parametrize("stores", MODES if TORTURE else [mode for mode in MODES if mode != "version"], indirect=True)
def test_other_runs(stores: Stores, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "sleep", lambda _: None)
    OTHER_RUNS[name](stores, monkeypatch)
