"""Dates and timestamps of an export as (value, raw), like those of a live snapshot.

Documented: DATE, TIMESTAMP and TIMESTAMP WITH TIME ZONE are STRING; the form of the text is not. PostgreSQL's ISO
form is taken, with any offset from UTC, for the exporting session may have another time zone than UTC:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from pipelines.items.source_type import Kind, SourceType
from pipelines.source.calendar import DAY, FIRST, LAST, instant_of, text_of
from pipelines.source.rds_export.cast_error import exported_as, no_value_of

_YEAR = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d\d\d)"
_CLOCK = r"[ T]([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?"
_USUAL = {
    Kind.DATE: rf"^{_YEAR}-\d\d-\d\d$",
    Kind.TIMESTAMP: rf"^{_YEAR}-\d\d-\d\d{_CLOCK}$",
    Kind.TIMESTAMPTZ: rf"^{_YEAR}-\d\d-\d\d{_CLOCK}(\+00(:?00)?|Z)$",
}
_UTC = r"(\+00(:?00)?|Z)$"
_FORMS = {
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Exported:
    """A column as it is read. Arrow reads INT96, which says nothing of zones, as a timestamp without one."""

    column: pa.Array
    int96: bool = False


def value_and_raw(exported: Exported, type: SourceType) -> tuple[pa.Array, pa.Array]:
    column = exported.column
    if types.is_string(column.type):
        return _of_texts(column, type)
    if types.is_date32(column.type) and type.kind is Kind.DATE:
        return _within(column.cast(pa.int32()).cast(pa.int64()), type, DAY)
    if types.is_timestamp(column.type) and _says_the_same(exported, type.kind):
        return _within(column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()), type, 1)
    raise exported_as(column.type, type.name)


def _says_the_same(exported: Exported, kind: Kind) -> bool:
    """An instant for timestamptz (INT96 is one by convention, in UTC); a clock on the wall for timestamp."""
    if kind is Kind.TIMESTAMPTZ:
        return exported.int96 or exported.column.type.tz is not None
    return kind is Kind.TIMESTAMP and not exported.int96 and exported.column.type.tz is None


def _of_texts(texts: pa.Array, type: SourceType) -> tuple[pa.Array, pa.Array]:
    usual = pc.fill_null(pc.match_substring_regex(texts, _USUAL[type.kind]), False)
    values = _parsed(pc.if_else(usual, texts, pa.scalar(None, pa.string())), type)
    unusual = pc.and_(pc.invert(usual), pc.is_valid(texts))
    if not pc.any(unusual, min_count=0).as_py():
        return values, pa.nulls(len(texts), pa.string())
    others = [_read(text, type) for text in texts.filter(unusual).to_pylist()]
    found = _form([value for value, _ in others], type)
    raws = pc.replace_with_mask(
        pa.nulls(len(texts), pa.string()), unusual, pa.array([r for _, r in others], pa.string())
    )
    return pc.replace_with_mask(values, unusual, found), raws


def _parsed(texts: pa.Array, type: SourceType) -> pa.Array:
    try:
        if type.kind is Kind.TIMESTAMPTZ:
            clock = pc.replace_substring_regex(texts, _UTC, "")
            return clock.cast(pa.timestamp("us")).cast(_FORMS[type.kind])
        return texts.cast(_FORMS[type.kind])
    except pa.ArrowInvalid:
        raise no_value_of(type.name) from None


def _read(text: str, type: SourceType) -> tuple[int | None, str | None]:
    """Microseconds since 1970, or the text where the value cannot hold it."""
    if text in ("infinity", "-infinity"):
        return None, text
    instant = instant_of(text, type.kind)
    if instant is None:
        raise no_value_of(type.name)
    return (instant, None) if FIRST <= instant <= LAST else (None, text_of(instant, type.kind))


def _within(numbers: pa.Array, type: SourceType, unit: int) -> tuple[pa.Array, pa.Array]:
    """Of a column that is typed in the export: numbers of days, or of microseconds."""
    inside = pc.and_(pc.greater_equal(numbers, FIRST // unit), pc.less_equal(numbers, LAST // unit))
    values = pc.if_else(inside, numbers, pa.scalar(None, pa.int64()))
    raws = [
        None if one is None else text_of(one * unit, type.kind)
        for one in pc.if_else(inside, pa.scalar(None, pa.int64()), numbers).to_pylist()
    ]
    return _typed(values, type), pa.array(raws, pa.string())


def _form(instants: list[int | None], type: SourceType) -> pa.Array:
    unit = DAY if type.kind is Kind.DATE else 1
    return _typed(pa.array([None if one is None else one // unit for one in instants], pa.int64()), type)


def _typed(numbers: pa.Array, type: SourceType) -> pa.Array:
    if type.kind is Kind.DATE:
        return numbers.cast(pa.int32()).cast(pa.date32())
    return numbers.cast(_FORMS[type.kind])
