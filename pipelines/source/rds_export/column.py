"""One column of an export, given the physical form of `pipelines.items.source_type.Kind`."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pipelines.items.source_type import TEMPORAL, Kind, SourceType
from pipelines.source.rds_export.cast_error import CastError, no_value_of
from pipelines.source.rds_export.numbers import floats, integers, numerics
from pipelines.source.rds_export.texts import binaries, booleans, padded, uuids, written
from pipelines.source.rds_export.times import Exported, value_and_raw

_CASTS: dict[Kind, Callable[[pa.Array, SourceType], pa.Array]] = {
    Kind.INTEGER: integers,
    Kind.NUMERIC: numerics,
    Kind.FLOAT4: floats,
    Kind.FLOAT8: floats,
    Kind.BOOLEAN: booleans,
    Kind.BYTES: binaries,
    Kind.UUID: uuids,
    Kind.CHAR: padded,
}

# What information_schema.columns calls the types that have a kind of their own: how an export names a column's type.
# https://www.postgresql.org/docs/current/infoschema-columns.html (data_type; of a domain it is the type underneath)
_KINDS = {
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "numeric": Kind.NUMERIC,
    "money": Kind.NUMERIC,
    "real": Kind.FLOAT4,
    "double precision": Kind.FLOAT8,
    "boolean": Kind.BOOLEAN,
    "bytea": Kind.BYTES,
    "text": Kind.TEXT,
    "character varying": Kind.TEXT,
    "character": Kind.CHAR,
    "uuid": Kind.UUID,
    "date": Kind.DATE,
    "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "ARRAY": Kind.ARRAY,
}
_VECTORS = frozenset({"int2vector", "oidvector"})  # ARRAY there, and types of their own here


def physical_columns(exported: Exported, type: SourceType, wanted: list[pa.DataType]) -> list[pa.Array]:
    """One array, of temporal types two, of the types `wanted`. Raises CastError."""
    try:
        if type.kind in TEMPORAL:
            return list(value_and_raw(exported, type))
        found = _CASTS.get(type.kind, written)(exported.column, type)
    except pa.ArrowInvalid:
        raise no_value_of(type.name) from None
    return [found if found.type == wanted[0] else found.cast(wanted[0])]


def check_unchanged(original: str | None, type: SourceType) -> None:
    """Raises CastError where the column had a type of another family when the RDS snapshot was taken."""
    kind = None if type.name in _VECTORS else _KINDS.get(original or "")
    if kind is not None and (kind is not type.kind or (original == "money") != (type.name == "money")):
        raise CastError(f"was {original} when the RDS snapshot was taken and is {type.name} now")


MISSING = "is not in the export: it is younger than the RDS snapshot, or was renamed since; export a newer snapshot"
