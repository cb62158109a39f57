"""A table of any columns, read by psycopg row by row, and what docs/types.md makes of each row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from tests.oracle.canonical_items import canonical, size_of
from tests.oracle.plain_values import ABSENT
from tests.oracle.typed_values import Attribute, Refused, attribute

SESSION = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;"
    "SET bytea_output = 'hex'; SET search_path = ''"
)
MOST_BYTES = 409_587

Row = Mapping[str, bytes | None]


@dataclass(frozen=True)
class Expected:
    """Either an item (its text, digest and size) or a reason with the attribute's name, where there is one."""

    item: str | None = None
    digest: bytes | None = None
    size: int | None = None
    reason: str | None = None
    attribute: str | None = None


@dataclass(frozen=True)
class Typed:
    """A column: the oracle's word for its type, and the encoding."""

    name: str
    family: str
    encoding: str


def open_as_is(url: str) -> psycopg.Connection[TupleRow]:
    """A session that prints values as the page says; in a database without an encoding, byte by byte."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(SESSION.encode())
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        connection.execute("SET client_encoding = 'SQL_ASCII'")
    return connection


def printed(connection: psycopg.Connection[TupleRow], query: sql.Composed) -> Iterator[list[bytes | None]]:
    """Each row's values as the server's output functions print them."""
    result = connection.pgconn.exec_(query.as_bytes(connection))
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        raise psycopg.errors.lookup((result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode())
    for row in range(result.ntuples):
        yield [result.get_value(row, column) for column in range(result.nfields)]


def expected_rows(
    connection: psycopg.Connection[TupleRow], table: str, columns: Sequence[Typed]
) -> dict[str, Expected]:
    """By the text of `id`, the table's key, an integer that is the item's key, too."""
    names = ["id", *(column.name for column in columns)]
    query = sql.SQL("SELECT {} FROM {} ORDER BY id").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier("public", table)
    )
    return {
        (row[0] or b"").decode(): expected(dict(zip(names, row, strict=True)), columns)
        for row in printed(connection, query)
    }


def expected(row: Row, columns: Sequence[Typed]) -> Expected:
    """The first attribute by name that cannot be, or the whole item."""
    item: dict[str, Attribute] = {"id": Decimal((row["id"] or b"").decode())}
    for column in sorted(columns, key=lambda column: column.name):
        text = row[column.name]
        try:
            value = ABSENT if text is None else attribute(column.family, column.encoding, text)
        except Refused as refused:
            return Expected(reason=str(refused), attribute=column.name)
        if value is not ABSENT:
            item[column.name] = value
    size = size_of(item)
    if size > MOST_BYTES:
        return Expected(reason="item_too_large", size=size)
    text_of_all = canonical(item)
    return Expected(item=text_of_all, digest=hashlib.sha256(text_of_all.encode()).digest(), size=size)
