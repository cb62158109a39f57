"""What runs beside what in `tests/integration/test_everything_on.py`, each in a process that is killed at random.

    python -m tests.storm_task application URL MAPPING WAREHOUSE MODE SEED TRANSACTIONS PER_SECOND
    python -m tests.storm_task verify URL MAPPING WAREHOUSE
    python -m tests.storm_task backfill URL MAPPING WAREHOUSE

`application`: `tests.dual_shop_writer`, with its DualWriters in the mode; prints what became of its transactions.
`verify`: a snapshot, a dump and their diff, judged again on the live stores; prints its verdicts. `backfill`: live, of
the newest records; goes on with one that was killed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from pipelines.backfill import run_backfill
from pipelines.errors import CrossoverError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from tests.captured_shop import Captured
from tests.dual_shop_writer import Mode, write
from tests.online_verification import compared, prepared


def verify(shop: Captured) -> dict[str, Any]:
    manifest = compared(shop, prepared(shop))
    return {"verdicts": manifest.verdicts.model_dump(), "judged": manifest.judged_again}


def backfill(shop: Captured) -> dict[str, Any]:
    manifest = run_backfill(shop.migration, in_process, mode="live")
    return {"written": manifest.written, "superseded": manifest.superseded, "failed": manifest.failed}


def main(what: str, url: str, mapping: str, warehouse: str, *more: str) -> None:
    shop = Captured(url, Migration.open(Path(mapping), Path(warehouse)))
    try:
        match what:
            case "application":
                mode, seed, count, per_second = more
                said: dict[str, Any] = write(
                    shop.migration, url, cast("Mode", mode), seed, int(count), float(per_second)
                )
            case "verify":
                said = verify(shop)
            case _:
                said = backfill(shop)
    except CrossoverError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
