"""Spark's classes as Java has loaded and checked them, in a file that each later driver maps: two fifths of what a
session costs until its first rows are there, and the tests start dozens. `make test` makes the file.

    python -m tests.spark_classes
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pyarrow as pa
from pyspark import SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from pipelines.spark import open_session

SPARK_CLASSES = Path(sys.prefix) / "spark-classes.jsa"

_OPTIONS = "SPARK_SUBMIT_OPTS"
"""For drivers alone: the launcher before each of them, which loads other classes, has its output parsed."""


def use_spark_classes(environment: MutableMapping[str, str]) -> None:
    """For the drivers that this process and its children start. Java does without where the file is another Java's, or
    Spark's files have changed since."""
    if SPARK_CLASSES.exists() and " " not in str(SPARK_CLASSES):
        environment.setdefault(_OPTIONS, f"-XX:SharedArchiveFile={SPARK_CLASSES} -Xlog:cds*=off")


def _write_down() -> None:
    """Leaves what was there where this Java cannot write one."""
    made = SPARK_CLASSES.with_suffix(".new")
    made.unlink(missing_ok=True)
    os.environ[_OPTIONS] = f"-XX:ArchiveClassesAtExit={made} -Xlog:cds*=off"
    spark = open_session("crossover-classes")
    java = SparkContext._gateway.proc  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as folder:
        _work(spark, Path(folder))
    spark.stop()
    java.stdin.close()
    if java.wait(900) == 0 and made.exists():
        made.replace(SPARK_CLASSES)  # whole: part of one would end Java


def _work(spark: SparkSession, folder: Path) -> None:
    """A little of all that stages ask of Spark."""

    def as_it_is(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    rows = spark.range(100).select("id", (f.col("id") % 7).alias("parent"), f.col("id").cast("string").alias("text"))
    rows.write.partitionBy("parent").parquet(f"{folder}/rows")
    read = spark.read.parquet(f"{folder}/rows")
    children = read.groupBy("parent").agg(f.sort_array(f.collect_list(f.struct("id", "text"))).alias("children"))
    whole = rows.join(children, "parent", "left").withColumn("bucket", f.pmod(f.xxhash64("text"), f.lit(4)))
    passed = whole.repartition(4, "bucket").sortWithinPartitions("id").mapInArrow(as_it_is, whole.schema)
    passed.union(whole).orderBy("id").write.json(f"{folder}/json")
    spark.sparkContext.parallelize(range(4), 4).map(str).collect()


if __name__ == "__main__":
    _write_down()
