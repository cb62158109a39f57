"""Numbers of an export in the physical forms of a live snapshot: int64, and texts as PostgreSQL prints them.

Documented: SMALLINT and INTEGER are INT32, BIGINT is INT64, REAL is FLOAT, DOUBLE PRECISION is DOUBLE, DECIMAL and
MONEY are STRING, and a DOMAIN over any of them is STRING:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
"""

from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from pipelines.items.source_type import Kind, SourceType
from pipelines.source.rds_export.cast_error import exported_as, lost, no_value_of
from pipelines.source.rds_export.float_text import inside_its_bounds, laid_out
from pipelines.source.rds_export.matching import all_match, mapped_where_not

_PLAIN = r"^-?(\d+(\.\d+)?|Infinity)$|^NaN$"
_SCIENTIFIC = re.compile(r"-?\d+(\.\d+)?[eE][+-]?\d{1,6}", re.ASCII)
_FLOAT = r"^-?(\d+(\.\d*)?([eE][+-]?\d+)?|Infinity)$|^NaN$"
_MONEY = re.compile(r"(?P<minus>-|\()?[^\d.,()-]*(?P<whole>\d{1,3}(?:,\d{3})*|\d+)(?P<cents>\.\d\d)?\)?", re.ASCII)
_DIGITS = {Kind.FLOAT4: 6, Kind.FLOAT8: 15}  # PostgreSQL prints as many before the point, then turns to 1e+06


def integers(column: pa.Array, type: SourceType) -> pa.Array:
    if types.is_integer(column.type):
        return column.cast(pa.int64())
    if types.is_decimal(column.type) and column.type.scale == 0:
        return column.cast(pa.int64())
    if not types.is_string(column.type):
        raise exported_as(column.type, type.name)
    if not all_match(column, r"^-?\d+$"):
        raise no_value_of(type.name)
    return column.cast(pa.int64())


def numerics(column: pa.Array, type: SourceType) -> pa.Array:
    """A DECIMAL is exact only where its scale is the column's: PostgreSQL prints 1.50 and 1.5 as they were written."""
    if types.is_decimal(column.type) and type.scale == column.type.scale:
        return pa.array([None if one is None else format(one, "f") for one in column.to_pylist()], pa.string())
    if not types.is_string(column.type):
        raise exported_as(column.type, type.name)
    if type.name == "money":
        return pa.array([None if one is None else _amount(one) for one in column.to_pylist()], pa.string())
    return mapped_where_not(_PLAIN, column, _without_exponent)


def floats(column: pa.Array, type: SourceType) -> pa.Array:
    """The shortest digits that give the same float, laid out as PostgreSQL lays them out."""
    wanted = pa.float32() if type.kind is Kind.FLOAT4 else pa.float64()
    found = column
    if types.is_string(column.type):
        if not all_match(column, _FLOAT):
            raise no_value_of(type.name)
        found = column.cast(wanted)
    elif types.is_float64(column.type) and wanted == pa.float32():
        found = _narrowed(column, type)
    elif column.type != wanted:
        raise exported_as(column.type, type.name)
    most = _DIGITS[type.kind]
    return mapped_where_not(
        rf"^-?([1-9]\d{{0,{most - 1}}}(\.\d+)?|0|0\.0{{0,3}}[1-9]\d*)$",
        found.cast(pa.string()),
        lambda text: laid_out(inside_its_bounds(text, type.kind), most),
    )


def _narrowed(column: pa.Array, type: SourceType) -> pa.Array:
    narrow = column.cast(pa.float32(), safe=False)
    same = pc.or_(pc.equal(narrow.cast(pa.float64()), column), pc.and_(pc.is_nan(narrow), pc.is_nan(column)))
    if pc.all(same, skip_nulls=True, min_count=0).as_py() is False:
        raise exported_as(column.type, type.name)
    return narrow


def _without_exponent(text: str) -> str:
    """Java's BigDecimal prints 1E-7 and 0E-10 where PostgreSQL prints all digits."""
    if not _SCIENTIFIC.fullmatch(text):
        raise no_value_of("numeric")
    return format(Decimal(text), "f")


def _amount(text: str) -> str:
    """`-$1,234.56` → `-1234.56`. Currencies with other marks for thousands and cents are refused."""
    match = _MONEY.fullmatch(text)
    if match is None:
        raise lost("an amount is not written as 1,234.56")
    amount = match["whole"].replace(",", "") + (match["cents"] or "")
    return f"-{amount}" if match["minus"] else amount
