"""datacompy's comparison of two pandas frames, where it is installed."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from tests.bench.diff.by_duckdb import COLUMNS
from tests.bench.diff.contestant import Counts, serve, sides


def main() -> None:
    import datacompy  # type: ignore[import-not-found, unused-ignore]

    def compare(dump: str) -> Counts:
        frames = [
            pq.ParquetDataset(sorted(Path("/").glob(pattern[1:])), partitioning=None)
            .read(["table", "key", *COLUMNS])
            .to_pandas()
            .assign(digest=lambda frame: frame["digest"].map(bytes.hex))  # no two bytes are equal to it
            for pattern in sides(dump)
        ]
        found = datacompy.PandasCompare(*frames, join_columns=["table", "key"])
        matching, common = found.count_matching_rows(), len(found.intersect_rows)
        return {
            "match": int(matching),
            "differ": int(common - matching),
            "missing": len(found.df1_unq_rows),
            "extra": len(found.df2_unq_rows),
        }

    serve(compare)


if __name__ == "__main__":
    main()
