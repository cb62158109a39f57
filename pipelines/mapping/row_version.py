"""A row's version where a column of the root tells it (`version: COLUMN`): a whole number as it is, a time in
microseconds since 1970-01-01 UTC. In Spark it is `bulk.own_version`."""

from __future__ import annotations

from pipelines.items.temporal import epoch_micros
from pipelines.mapping.plan import ItemPlan
from pipelines.mapping.source_row import SourceRow

NO_VERSION = "the version column is NULL, below 0, or a time before 1970 or after 9999"


def row_version(item: ItemPlan, row: SourceRow | None) -> int | None:
    """From 0 up; 0 where the mapping names no column; None where there is no row, or its column holds no version."""
    if item.version is None:
        return 0
    value = None if row is None else row.value(item.version)
    if value is None:
        return None
    version = value if isinstance(value, int) else epoch_micros(value)
    return version if version >= 0 else None
