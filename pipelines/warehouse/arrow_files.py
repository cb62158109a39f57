"""Parquet files of one schema as one Arrow dataset, which reads the columns asked for, wherever the files are."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.dataset as ds

from pipelines.warehouse.place import Place


def arrow_dataset(files: Sequence[Place]) -> ds.Dataset:
    """At least one file. Raises WarehouseError; what fails later, while it is read, is an OSError of Arrow's."""
    system, _ = files[0].in_arrow()
    return ds.dataset([file.in_arrow()[1] for file in files], filesystem=system, format="parquet")
