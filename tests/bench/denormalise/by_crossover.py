"""One process: a Spark session, the records RUNS times, the last one measured. Says its seconds and digests."""

from __future__ import annotations

import json
import shutil
import sys
import time

from pipelines.denormalise import make_records
from pipelines.migration import Migration
from pipelines.spark import open_session
from tests.bench.denormalise.data import MAPPING, RUNS, SNAPSHOT
from tests.bench.denormalise.digests import digest_of
from tests.on_disk import on_disk


def main() -> None:
    migration = Migration.open(MAPPING)
    folder = on_disk(migration.folder.records(SNAPSHOT))
    spark = open_session()
    seconds = 0.0
    for _ in range(RUNS):
        shutil.rmtree(folder, ignore_errors=True)
        started = time.perf_counter()
        make_records(migration, spark)
        seconds = time.perf_counter() - started
    spark.stop()
    sys.stdout.write(json.dumps({"seconds": seconds, "digest": digest_of(folder / "records")}) + "\n")


if __name__ == "__main__":
    main()
