"""Python functions over whole Arrow batches, as functions of Spark columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql.pandas.functions import arrow_udf


def arrow_function(batch: Callable[[pa.Array], pa.Array], result_ddl: str) -> Callable[[Column], Column]:
    """`batch` gives an array of the length of the one it is given, of the type that `result_ddl` names."""
    wrap: Any = arrow_udf  # its published types fit no call of this form
    return cast(Callable[[Column], Column], wrap(batch, result_ddl))


def text_function(convert: Callable[[str], str]) -> Callable[[Column], Column]:
    """`convert` for each text that is not null."""

    def convert_batch(values: pa.Array) -> pa.Array:
        return pa.array([None if v is None else convert(v) for v in values.to_pylist()], pa.string())

    return arrow_function(convert_batch, "string")
