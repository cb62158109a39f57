"""The sequences of tables, set above what stands in the columns that they number.

While DynamoDB is the master nobody draws from them, and rows come with numbers that somebody else has given. A sequence
is a column's by being owned by it (serial, identity) or by its default's nextval. One that a default reaches through a
function or a text is not found (PostgreSQL, pg_depend).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.mapping.catalog import TableRef

_SEQUENCES: LiteralString = """
SELECT DISTINCT sn.nspname, s.relname, tn.nspname, t.relname, a.attname, q.seqincrement > 0, q.seqcache,
       a.atttypid IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype,
                      'numeric'::pg_catalog.regtype)
FROM (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  UNION
    SELECT d.refobjid, f.adrelid, f.adnum
    FROM pg_catalog.pg_attrdef f
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
) AS u
JOIN pg_catalog.pg_class s ON s.oid = u.sequence AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
JOIN pg_catalog.pg_class t ON t.oid = u.relation
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = tn.nspname AND wanted.table_name = t.relname
JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number AND NOT a.attisdropped
ORDER BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True)
class Raised:
    """`to`: what its next value comes after, None where it was so already. `cached`: sessions hold back values of it
    (CACHE), which somebody else may have given meanwhile. `beyond`: its column holds what it can never reach."""

    sequence: str
    to: int | None
    cached: bool
    beyond: bool = False


def raise_sequences(connection: Connection[TupleRow], tables: Iterable[TableRef]) -> list[Raised]:
    """Each in a statement of its own; never lowered (of one that counts down: never raised). Raises psycopg.Error.

    `connection`: in autocommit mode, so that one that fails leaves the others done.
    """
    refs = list(tables)
    found = connection.execute(_SEQUENCES, ([ref.schema_name for ref in refs], [ref.table for ref in refs])).fetchall()
    raised: dict[str, Raised] = {}
    for schema, name, table_schema, table, column, upwards, cache, is_number in found:
        if not is_number:
            continue
        shown = f"{schema}.{name}"
        before = raised.get(shown, Raised(shown, None, cache > 1))
        sequence, holder = sql.Identifier(schema, name), sql.Identifier(table_schema, table)
        try:
            to = _raise(connection, sequence, holder, sql.Identifier(column), upwards)
            raised[shown] = before if to is None else replace(before, to=to)
        except psycopg.DataError:
            raised[shown] = replace(before, beyond=True)
    return list(raised.values())


def _raise(
    connection: Connection[TupleRow], sequence: sql.Identifier, table: sql.Identifier, column: sql.Identifier, up: bool
) -> int | None:
    """Where it was never called, its next value is `last_value` itself."""
    row = connection.execute(
        sql.SQL(
            "SELECT pg_catalog.setval({name}::pg_catalog.regclass, m.most::pg_catalog.int8)"
            " FROM (SELECT {extreme}({column}) AS most FROM {table}) AS m, {sequence} AS s"
            " WHERE CASE WHEN s.is_called THEN m.most {beyond} s.last_value ELSE m.most {beyond}= s.last_value END"
        ).format(
            name=sql.Literal(sequence.as_string(connection)),
            extreme=sql.SQL("pg_catalog.max" if up else "pg_catalog.min"),
            column=column,
            table=table,
            sequence=sequence,
            beyond=sql.SQL(">" if up else "<"),
        )
    ).fetchone()
    return None if row is None else int(row[0])
