"""Everything else: booleans, bytes, and the types that a snapshot holds as PostgreSQL's own text.

Documented: BOOLEAN is BOOLEAN, BYTEA is BINARY, all others are STRING, DOMAIN over any of them too:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from pipelines.items.source_type import Kind, SourceType
from pipelines.source.rds_export.cast_error import exported_as, lost, no_value_of
from pipelines.source.rds_export.exportable import innermost_of
from pipelines.source.rds_export.interval_text import INTERVALS
from pipelines.source.rds_export.matching import all_match

_BYTES = r"^\\x([0-9a-fA-F]{2})*$"
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_LENGTH = re.compile(r"character\((\d+)\)")
_ELSEWHERE = r"\d\d:\d\d:\d\d(\.\d+)?[+-](00:?)?(0[1-9]|[1-9]\d)"
_RANGES_OF_INSTANTS = frozenset({"tstzrange", "tstzmultirange"})


def booleans(column: pa.Array, type: SourceType) -> pa.Array:
    if types.is_boolean(column.type):
        return column
    if not types.is_string(column.type):
        raise exported_as(column.type, type.name)
    if not all_match(column, r"^(t|f|true|false)$"):
        raise no_value_of(type.name)
    return pc.starts_with(column, "t")


def binaries(column: pa.Array, type: SourceType) -> pa.Array:
    if types.is_binary(column.type):
        return column
    if not types.is_string(column.type):
        raise exported_as(column.type, type.name)
    if not all_match(column, _BYTES):
        raise no_value_of(type.name)
    return pa.array([None if one is None else bytes.fromhex(one[2:]) for one in column.to_pylist()], pa.binary())


def uuids(column: pa.Array, type: SourceType) -> pa.Array:
    if types.is_fixed_size_binary(column.type) and column.type.byte_width == 16:
        return pa.array([None if one is None else _uuid(one.hex()) for one in column.to_pylist()], pa.string())
    texts = pc.ascii_lower(_texts(column, type))
    if not all_match(texts, _UUID):
        raise no_value_of(type.name)
    return texts


def padded(column: pa.Array, type: SourceType) -> pa.Array:
    """char(n) is n characters long, whoever cut its blanks; in a SQL_ASCII database, n bytes."""
    texts = _texts(column, type)
    length = _LENGTH.fullmatch(type.name)
    pad = pc.utf8_rpad if type.utf8 else pc.ascii_rpad
    return pad(texts, int(length[1]), " ") if length else texts


def written(column: pa.Array, type: SourceType) -> pa.Array:
    """As PostgreSQL prints it: the export's text. Refused where the text is that of another session's settings."""
    texts = _texts(column, type)
    innermost = innermost_of(type)
    if innermost.name.startswith("interval") and not all_match(texts, INTERVALS):
        raise lost("its intervals are in another style than postgres")
    if _may_hold_instants(innermost) and _any_match(texts, _ELSEWHERE):
        raise lost("its texts are in another time zone than UTC")
    return texts


def _may_hold_instants(type: SourceType) -> bool:
    """A composite or a range of one's own, which has its schema in its name, is not looked into; it may."""
    own = type.kind is Kind.OTHER and type.known and "." in type.name
    return own or type.kind is Kind.TIMESTAMPTZ or type.name in _RANGES_OF_INSTANTS


def _texts(column: pa.Array, type: SourceType) -> pa.Array:
    """Arrow does not look into the strings that it reads, so it is asked to."""
    found = column.storage if isinstance(column, pa.ExtensionArray) else column
    if types.is_large_string(found.type) or types.is_string_view(found.type) or types.is_binary(found.type):
        found = _decoded(found)
    if not types.is_string(found.type):
        raise exported_as(column.type, type.name)
    _decoded(found.cast(pa.binary()))
    return found


def _decoded(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        raise lost("a text in the export is no UTF-8") from None


def _any_match(texts: pa.Array, pattern: str) -> bool:
    return pc.any(pc.match_substring_regex(texts, pattern), min_count=0).as_py() is True


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
