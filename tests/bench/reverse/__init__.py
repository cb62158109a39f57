"""States of items applied to the source: how many a second one process applies, and what it costs that process.
PostgreSQL shares the machine's cores."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.deliver.opened import opened_ledger
from pipelines.reverse.apply.applier import Applier
from pipelines.reverse.apply.image import Image, Outcome
from pipelines.source.embedded import EmbeddedPostgres
from tests import reversed_shop
from tests.bench.table import render
from tests.captured_shop import Captured
from tests.reversed_shop import customer_item, key_text, order_item, product_item, text

ITEMS = 10_000
BATCH = 250
FIRST = 2**40


def run() -> str:
    """Raises RuntimeError where a state was not applied."""
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "postgres") as server:
            shop = reversed_shop.reversed_shop(server.url, folder / "shop", rows=())
            reversed_shop.set_master(shop)
            rows = [_row(shop, *case) for case in _CASES]
    return render(
        f"reverse: {ITEMS:,} states of items, {BATCH} a transaction",
        ["", "seconds", "items/s", "CPU us each of the process"],
        rows,
    )


def _product(n: int, version: int) -> Image:
    return _image(product_item(f"P{n}", f"name {version}", stock=version), version)


def _order(n: int, version: int) -> Image:
    lines = [(no, no, f"P{no}", version) for no in range(1, 6)]
    return _image(order_item(n, 1, "Ann", lines, note=f"state {version}"), version)


def _gone(n: int, version: int) -> Image:
    item = order_item(n, 1, "Ann")
    return Image("reversed", key_text(item), None, FIRST + version)


_CASES: Sequence[tuple[str, Callable[[int, int], Image], int]] = (
    ("single rows, new", _product, 1),
    ("single rows, changed", _product, 2),
    ("orders with 5 lines, new", _order, 1),
    ("orders with 5 lines, all changed", _order, 2),
    ("orders with 5 lines, told again", _order, 2),
    ("orders with 5 lines, gone", _gone, 3),
)


def _row(shop: Captured, name: str, state: Callable[[int, int], Image], version: int) -> list[str]:
    with opened_ledger(shop.migration, shop.url) as ledger:
        applier = Applier(ledger.session, ledger.plan)
        applier.apply([_image(customer_item(1, "Ann"), 1)])
        images = [state(n, version) for n in range(ITEMS)]
        started, worked = time.perf_counter(), time.process_time()
        outcomes = [
            one.outcome
            for at in range(0, ITEMS, BATCH)
            for one in applier.apply(images[at : at + BATCH], all_is_read=True)
        ]
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
    wanted = Outcome.OLDER if "again" in name else Outcome.APPLIED
    if any(outcome is not wanted for outcome in outcomes):
        raise RuntimeError(f"{name}: {sum(outcome is not wanted for outcome in outcomes)} were not {wanted.value}")
    return [name, f"{seconds:.1f}", f"{ITEMS / seconds:,.0f}", f"{worked / ITEMS * 1e6:,.0f}"]


def _image(item: dict[str, object], version: int) -> Image:
    return Image("reversed", key_text(item), text(item), FIRST + version)
