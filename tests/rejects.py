"""All rejects of a dataset at once, which only tests want."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipelines.items.record import REJECT_SCHEMA
from pipelines.warehouse.dataset import reject_batches
from pipelines.warehouse.place import Place


def read_rejects(dataset: Place | Path) -> pa.Table:
    """As REJECT_SCHEMA; empty where it has none."""
    return pa.concat_tables([REJECT_SCHEMA.empty_table(), *reject_batches(dataset, REJECT_SCHEMA.names)])
