"""The metrics of a verification: what it found, or that it came to no verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipelines.monitoring import measures
from pipelines.monitoring.metric import Metric
from pipelines.monitoring.sinks import Sinks


def verification_metrics(verdicts: Mapping[str, int], consistent: bool) -> list[Metric]:
    """`verdicts`: the count of each, 0 included, so that what is over is seen to be over."""
    return [
        *(Metric(measures.VERIFIED_ITEMS, count, verdict=verdict) for verdict, count in verdicts.items()),
        Metric(measures.CONSISTENT, int(consistent)),
        Metric(measures.VERIFICATION_FAILED, 0),
    ]


@contextmanager
def failure_told(sinks: Sinks) -> Iterator[None]:
    """Whatever ends what is inside, but an interrupt, is told as a verification that failed."""
    try:
        yield
    except Exception:
        sinks.emit([Metric(measures.VERIFICATION_FAILED, 1)])
        raise
