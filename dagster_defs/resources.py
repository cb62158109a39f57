"""What the assets need from outside."""

from __future__ import annotations

import dagster as dg
from pyspark.sql import SparkSession

from pipelines.spark import open_session


class SparkResource(dg.ConfigurableResource[SparkSession]):
    """The process's Spark session, started at the first call: a run that needs none does not wait for it."""

    def session(self) -> SparkSession:
        return open_session("crossover dagster")
