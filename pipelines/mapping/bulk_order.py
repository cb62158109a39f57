"""By what rows are joined and sorted in Spark, as `pipelines.mapping.source_row` has it in Python.

An order is a list of columns that sort ascending. Numbers, times and booleans descend by being negated; a text or
bytes that descends cannot be negated, and asks for a window instead of a sorted array.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.arrow_spark import text_function
from pipelines.items.encode_spark import temporal_text
from pipelines.items.number_spark import plain_number
from pipelines.items.source_type import NUMBERS, TEMPORAL, Kind, SourceType
from pipelines.items.sql_text import Column
from pipelines.mapping.bulk_frame import Frame
from pipelines.mapping.plan import OrderTerm
from pipelines.mapping.templates_spark import Physical

MAX_DECIMAL_DIGITS = 38
_RAW_DAY = r"^(\d+)-(\d\d)-(\d\d)"
_RAW_TIME = r"(\d\d:\d\d:\d\d(?:\.\d+)?)"
_WITHIN_CALENDAR = 2


@dataclass(frozen=True)
class SortKey:
    """`descending` only where the column could not be turned round itself."""

    column: Column
    descending: bool = False

    @property
    def ordering(self) -> Column:
        return F.ordered(self.column, self.descending)


def sort_keys(frame: Frame, terms: tuple[OrderTerm, ...]) -> list[SortKey]:
    """NULLs last in either direction."""
    return [key for term in terms for key in _term_keys(frame, term)]


def match_column(type: SourceType, other: SourceType, physical: Physical) -> Column:
    """What two columns must share to be equal in a join; null for NULL. Numbers by value, char(n) unpadded."""
    value = physical.value
    if type.kind in TEMPORAL:
        return F.coalesce(temporal_text(type, value), physical.raw) if physical.raw is not None else value
    if type.kind in NUMBERS and not type.kind == other.kind == Kind.INTEGER:
        finite = ~value.cast("string").isin("NaN", "Infinity", "-Infinity")
        return F.when(finite, plain_number(type, value)).otherwise(value.cast("string"))
    return F.rtrim(value) if type.kind is Kind.CHAR else value


def _term_keys(frame: Frame, term: OrderTerm) -> list[SortKey]:
    physical = frame.physical(term.column)
    column = frame.row.table.column(term.column)
    keys: list[SortKey] = []
    if column is None or column.nullable:
        missing = physical.value.isNull()
        keys.append(SortKey(missing if physical.raw is None else missing & physical.raw.isNull()))
    return keys + _value_keys(term, physical)


def _value_keys(term: OrderTerm, physical: Physical) -> list[SortKey]:
    value, sign = physical.value, -1 if term.descending else 1
    match term.type.kind:
        case Kind.INTEGER:
            return [SortKey(F.call("~", value) if term.descending else value)]
        case Kind.BOOLEAN:
            return [SortKey(value.cast("int") * sign)]
        case Kind.FLOAT4 | Kind.FLOAT8:
            number = value.cast("double")
            is_nan = F.call("isnan", number).cast("int")
            return [SortKey(is_nan * sign), SortKey(F.when(is_nan == 0, number * sign + F.lit(0.0)))]
        case Kind.NUMERIC:
            return _numeric_keys(term.type, value, term.descending)
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return [SortKey(part * sign) for part in _time_parts(term.type.kind, physical)]
    return [SortKey(F.rtrim(value) if term.type.kind is Kind.CHAR else value, term.descending)]


def _numeric_keys(type: SourceType, value: Column, descending: bool) -> list[SortKey]:
    sign = -1 if descending else 1
    scale = type.scale or 0
    if type.precision is None or not 0 <= scale <= type.precision <= MAX_DECIMAL_DIGITS:
        return [SortKey(text_function(number_order_text)(value), descending)]
    number = F.when(value != "NaN", value).try_cast(f"decimal({type.precision},{scale})")
    return [
        SortKey((value == "NaN").cast("int") * sign),
        SortKey(-number if descending else number),
    ]


def _time_parts(kind: Kind, physical: Physical) -> list[Column]:
    """Integers that sort as the times do: era, day outside the calendar, microseconds."""
    raw = physical.raw
    assert raw is not None
    micros = (
        F.call("unix_date", physical.value).cast("long")
        if kind is Kind.DATE
        else F.call("unix_micros", physical.value.cast("timestamp"))
    )
    before = raw.endswith(" BC")
    era = F.when(raw.isNull(), _WITHIN_CALENDAR).when(raw == "-infinity", 0).when(raw == "infinity", 4).when(before, 1)
    number = [_extracted(raw, _RAW_DAY, group).try_cast("long") for group in (1, 2, 3)]
    year = F.when(before, 1 - number[0]).otherwise(number[0])
    day = F.when(raw.isNotNull(), (year * 12 + number[1]) * 31 + number[2])
    time = F.concat(F.lit("2000-01-01 "), _extracted(raw, _RAW_TIME, 1)).try_cast("timestamp")
    return [
        era.otherwise(3),
        F.coalesce(day, F.lit(0)),
        F.coalesce(micros, F.when(raw.isNotNull(), F.call("unix_micros", time)), F.lit(0)),
    ]


def _extracted(text: Column, pattern: str, group: int) -> Column:
    return F.call("regexp_extract", text, F.lit(pattern), F.lit(group))


_NINES = str.maketrans("0123456789", "9876543210")


def number_order_text(text: str) -> str:
    """A text that sorts by code points as the numbers do by value: -Infinity, the finite ones, Infinity, NaN."""
    if not re.search(r"\d", text):
        return {"-Infinity": "0", "Infinity": "4"}.get(text, "5")
    sign, digits, exponent = Decimal(text).as_tuple()
    significant = "".join(map(str, digits)).lstrip("0")
    if not significant:
        return "2"
    magnitude = f"{len(significant) + int(exponent) + 10**9:010d}{significant.rstrip('0')}"
    # `~` is above every digit: of two negative numbers the one with more digits is the smaller
    return f"1{magnitude.translate(_NINES)}~" if sign else f"3{magnitude}"
