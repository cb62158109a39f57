"""Every measure of `pipelines.monitoring.measures`, whatever its name: none can be left out of a list of them."""

from __future__ import annotations

from pipelines.monitoring import measures
from pipelines.monitoring.metric import Measure

MEASURES = [one for one in vars(measures).values() if isinstance(one, Measure)]
