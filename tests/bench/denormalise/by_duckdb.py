"""One process: `denormalise.sql` RUNS times, the last one measured. Says its seconds and digests."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import duckdb

from pipelines.migration import Migration
from tests.bench.denormalise.data import MAPPING, RUNS, SNAPSHOT
from tests.bench.denormalise.digests import digest_of
from tests.on_disk import on_disk


def main() -> None:
    folder = Migration.open(MAPPING).folder
    out = on_disk(folder.root) / "by_duckdb"
    text = Path(__file__).with_name("denormalise.sql").read_text(encoding="utf-8")
    query = text.format(snapshot=folder.snapshot(SNAPSHOT), out=out)
    seconds = 0.0
    for _ in range(RUNS):
        shutil.rmtree(out, ignore_errors=True)
        started = time.perf_counter()
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            connection.execute(query)
        seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "digest": digest_of(out)}) + "\n")


if __name__ == "__main__":
    main()
