"""The stage `diff` on a warm Spark session: the join, the paths, the differences, the accounts, the manifest."""

from __future__ import annotations

import shutil

from pipelines.diff import run_diff
from pipelines.fanout import SparkFanOut
from pipelines.migration import Migration
from pipelines.spark import open_session
from tests.bench.diff.contestant import Counts, serve
from tests.bench.diff.data import MAPPING
from tests.on_disk import on_disk


def main() -> None:
    migration = Migration.open(MAPPING)
    fan_out = SparkFanOut(open_session())

    def compare(dump: str) -> Counts:
        diff = run_diff(migration, fan_out, snapshot_id=dump.split("-")[0], dump_id=dump)
        shutil.rmtree(on_disk(migration.folder.diff(diff.id)))
        counts = diff.verdicts
        return {
            "match": counts.match,
            "differ": counts.mismatch,
            "missing": counts.missing,
            "extra": counts.extra,
        }

    serve(compare)


if __name__ == "__main__":
    main()
