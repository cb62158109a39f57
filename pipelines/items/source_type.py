"""Types on both sides: what a source column is, and how it is encoded as an AttributeValue."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Kind(StrEnum):
    """Families of PostgreSQL types that share one physical form and one default encoding.

    Physical form: what a column looks like in the snapshot's Parquet and in a row of an online read.
    """

    INTEGER = "integer"  # int2, int4, int8, oid: int64
    NUMERIC = "numeric"  # string, as PostgreSQL prints it (may be NaN, ±Infinity); money: the number alone, no symbol
    FLOAT4 = "float4"  # string, shortest digits that round-trip, as PostgreSQL prints it (may be NaN, ±Infinity)
    FLOAT8 = "float8"
    BOOLEAN = "boolean"  # bool
    BYTES = "bytes"  # binary
    TEXT = "text"  # string: text, varchar, name, citext
    CHAR = "char"  # string, padded as drivers return it: char(n)
    UUID = "uuid"  # string, lower case
    ENUM = "enum"  # string
    DATE = "date"  # date32, and a string column `<name>::raw`
    TIMESTAMP = "timestamp"  # timestamp[us] without zone, and `<name>::raw`
    TIMESTAMPTZ = "timestamptz"  # timestamp[us, UTC], and `<name>::raw`
    JSON = "json"  # string: json, jsonb as PostgreSQL prints it
    ARRAY = "array"  # string, PostgreSQL's array literal `{a,"b c",NULL}`
    OTHER = "other"  # string: interval, inet, ranges, … as PostgreSQL prints it
    # An unknown type of an extension is OTHER too, with `known` false.
    # In a SQL_ASCII database TEXT, CHAR, ENUM, JSON, ARRAY and OTHER are binary: bytes that may be no UTF-8.


RAW_SUFFIX = "::raw"
"""DATE, TIMESTAMP and TIMESTAMPTZ columns come in two physical columns: the value, null where it is not within
0001-01-01 .. 9999-12-31, and `<name>::raw`, PostgreSQL's text of the value just there, null elsewhere."""

MONEY = "money"
"""Of kind NUMERIC, but PostgreSQL compares it with no other number: it is cast first."""

TEMPORAL = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
NUMBERS = frozenset({Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8})
TEXTS = frozenset({Kind.TEXT, Kind.CHAR, Kind.UUID, Kind.ENUM})
WRITTEN = frozenset({Kind.TEXT, Kind.CHAR, Kind.ENUM, Kind.JSON, Kind.ARRAY, Kind.OTHER})
"""Kinds whose text may hold any character of the database's encoding."""


class SourceType(BaseModel):
    """A column's type. `name` is PostgreSQL's own spelling (`numeric(12,2)`), domains resolved to their base type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    precision: int | None = None  # of NUMERIC, where declared
    scale: int | None = None
    element: SourceType | None = None  # of ARRAY
    known: bool = True
    exact: bool = True  # of texts: PostgreSQL's = means the same bytes; not so for citext and for loose collations
    utf8: bool = True  # False: WRITTEN in a SQL_ASCII database, where the text may be no UTF-8


AS_BYTES = "surrogateescape"
"""How bytes that are no UTF-8 stand in a Python text: as lone surrogates, which no text of PostgreSQL's has."""


class Encoding(StrEnum):
    """How a column's value becomes an AttributeValue. The reference is docs/mapping.md, "Types"."""

    S = "S"
    N = "N"
    B = "B"
    BOOL = "BOOL"
    SS = "SS"
    NS = "NS"
    BS = "BS"
    LIST = "list"  # the default of arrays; cannot be asked for
    JSON = "json"  # M, L or a scalar, with every digit
    TEXT = "text"  # S, PostgreSQL's own text, never a reject
    EPOCH_SECONDS = "epoch_seconds"
    EPOCH_MILLIS = "epoch_millis"
    DATE = "date"
