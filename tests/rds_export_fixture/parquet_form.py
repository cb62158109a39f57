"""PostgreSQL's types in Parquet, as in the table "PostgreSQL data type mapping to Parquet" of
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

# | SMALLINT, SMALLSERIAL | INT32 | INT_16 |      | INTEGER, SERIAL | INT32 |      | BIGINT, BIGSERIAL | INT64 |
# | REAL | FLOAT |     | DOUBLE PRECISION | DOUBLE |     | BOOLEAN | BOOLEAN |     | BYTEA | BINARY |
# Everything else, DECIMAL, MONEY, DATE, TIMESTAMP, ARRAY, JSON, UUID, ENUM, DOMAIN, … | BYTE_ARRAY | STRING |
_DOCUMENTED = {
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "bool": pa.bool_(),
    "bytea": pa.binary(),
}

# | OBJECT IDENTIFIER | N/A |
NOT_EXPORTED = (
    *("oid", "xid", "xid8", "cid", "tid", "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace"),
    *("regoper", "regoperator", "regproc", "regprocedure", "regrole", "regtype"),
)


def documented(type_name: str) -> pa.DataType:
    """`type_name` as pg_type has it. A domain's name is its own, so it is a STRING, as documented."""
    return _DOCUMENTED.get(type_name, pa.string())


def array_of(texts: Sequence[bytes | None], stored: pa.DataType) -> pa.Array:
    """From PostgreSQL's own texts of the values, as its output functions print them.

    "The underlying data exported is always the same as the data from the source": a STRING has the source's bytes, of
    a database without an encoding too, where they may be no UTF-8.
    """
    if pa.types.is_string(stored):
        return pa.array(texts, pa.binary()).view(pa.string())
    read = _reader(stored)
    return pa.array([None if text is None else read(text.decode()) for text in texts], stored)


def _reader(stored: pa.DataType) -> Callable[[str], object]:
    if pa.types.is_integer(stored):
        return int
    if pa.types.is_floating(stored):
        return float
    if pa.types.is_boolean(stored):
        return lambda text: text == "t"
    if pa.types.is_decimal(stored):
        return Decimal
    if pa.types.is_date(stored):
        return date.fromisoformat
    if pa.types.is_timestamp(stored):
        return datetime.fromisoformat
    if pa.types.is_fixed_size_binary(stored):
        return lambda text: bytes.fromhex(text.replace("-", ""))
    return lambda text: bytes.fromhex(text.removeprefix("\\x")) if text.startswith("\\x") else text.encode()
