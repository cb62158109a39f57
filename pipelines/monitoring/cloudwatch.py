"""PutMetricData: straight to CloudWatch.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.monitoring.client import aws_errors
from pipelines.monitoring.metric import NAMESPACE, Distribution, Metric

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

MOST_METRICS = 1000  # of a request
MOST_BYTES = 1_000_000
_BYTES, _BYTES_OF_A_VALUE = 600, 120  # of a metric as a query string, at most; a value comes with its count


class CloudWatchSink:
    def __init__(self, migration: str, client: CloudWatchClient) -> None:
        self._migration = migration
        self._client = client

    def emit(self, metrics: Sequence[Metric], at: float) -> None:
        for batch in _batches(metrics):
            with aws_errors("CloudWatch", "PutMetricData"):
                self._client.put_metric_data(
                    Namespace=NAMESPACE, MetricData=[_datum(one, self._migration, at) for one in batch]
                )

    def close(self) -> None:
        self._client.close()


def _batches(metrics: Sequence[Metric]) -> Iterator[list[Metric]]:
    batch: list[Metric] = []
    total = 0
    for metric in metrics:
        size = _BYTES + (_BYTES_OF_A_VALUE * len(metric.value.values) if isinstance(metric.value, Distribution) else 0)
        if batch and (len(batch) == MOST_METRICS or total + size > MOST_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(metric)
        total += size
    if batch:
        yield batch


def _datum(metric: Metric, migration: str, at: float) -> MetricDatumTypeDef:
    datum: MetricDatumTypeDef = {
        "MetricName": metric.measure.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions(migration).items()],
        "Timestamp": datetime.fromtimestamp(at, UTC),
        "Unit": metric.measure.unit.value,
    }
    if isinstance(metric.value, Distribution):
        return {**datum, "Values": list(metric.value.values), "Counts": [float(one) for one in metric.value.counts]}
    return {**datum, "Value": metric.value}
