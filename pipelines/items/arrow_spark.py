"""Python functions over whole Arrow batches, as functions of Spark columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql.pandas.functions import arrow_udf

from pipelines.items import sql_text
from pipelines.items.source_type import AS_BYTES

Batch = Callable[[pa.Array], pa.Array]
"""Gives an array of the length of the one it is given."""


@dataclass(frozen=True)
class ArrowFunction:
    """`batch` under a name of its own, for texts of Spark SQL. The name stands for what it does: two functions of
    one name are one."""

    name: str
    batch: Batch
    result_ddl: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArrowFunction) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __call__(self, argument: sql_text.Column) -> sql_text.Column:
        called = sql_text.call(self.name, argument)
        return sql_text.Column(called.text, functions=called.functions | {self})

    def register(self, spark: SparkSession) -> None:
        spark.udf.register(self.name, _wrapped(self.batch, self.result_ddl))


def arrow_function(batch: Batch, result_ddl: str) -> Callable[[Column], Column]:
    """A function of PySpark's columns; `result_ddl` names the type that `batch` gives."""
    return cast(Callable[[Column], Column], _wrapped(batch, result_ddl))


def texts_of(values: pa.Array) -> list[str | None]:
    """The texts of a batch whose bytes may be no UTF-8."""
    return [None if v is None else v.decode(errors=AS_BYTES) for v in values.cast(pa.binary()).to_pylist()]


def text_function(convert: Callable[[str], str]) -> ArrowFunction:
    """`convert`, a function of a module, for each text that is not null."""

    def convert_batch(values: pa.Array) -> pa.Array:
        converted = [None if v is None else convert(v).encode(errors=AS_BYTES) for v in texts_of(values)]
        return pa.array(converted, pa.binary()).view(pa.string())

    return ArrowFunction(f"crossover_{convert.__name__}", convert_batch, "string")


def _wrapped(batch: Batch, result_ddl: str) -> Any:
    wrap: Any = arrow_udf  # its published types fit no call of this form
    return wrap(batch, result_ddl)
