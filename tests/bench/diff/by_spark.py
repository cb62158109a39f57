"""Spark's own full outer join of all columns, counted."""

from __future__ import annotations

from pyspark.sql import functions as F  # noqa: N812

from pipelines.spark import open_session
from tests.bench.diff.by_duckdb import COLUMNS
from tests.bench.diff.contestant import Counts, serve, sides


def main() -> None:
    spark = open_session()

    def compare(dump: str) -> Counts:
        source, target = (spark.read.parquet(pattern.removesuffix("/*/*.parquet")) for pattern in sides(dump))
        both = source.alias("s").join(target.alias("t"), ["table", "key"], "full_outer")
        differs = ~F.lit(True)
        for column in COLUMNS:
            differs = differs | ~F.col(f"s.{column}").eqNullSafe(F.col(f"t.{column}"))
        outcome = (
            F.when(F.col("t.digest").isNull(), "missing")
            .when(F.col("s.digest").isNull(), "extra")
            .when(differs, "differ")
            .otherwise("match")
        )
        return {row["outcome"]: row["count"] for row in both.groupBy(outcome.alias("outcome")).count().collect()}

    serve(compare)


if __name__ == "__main__":
    main()
