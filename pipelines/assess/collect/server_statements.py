"""Statements from pg_stat_statements, where the extension is there and may be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.assess.observed import Observation, Observed

AT_MOST = 20_000
"""Statements that are read, those that took longest first; the extension keeps 5,000 unless told otherwise."""

_EXTENSION: LiteralString = """
SELECT n.nspname::text, array_agg(a.attname::text)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE e.extname = 'pg_stat_statements'
GROUP BY 1
"""

_RESET: LiteralString = """
SELECT extract(epoch FROM pg_catalog.clock_timestamp() - stats_reset)::float8 FROM {}.pg_stat_statements_info
"""
_HIDDEN = "<insufficient privilege>"


@dataclass(frozen=True)
class _Extension:
    schema: str
    columns: frozenset[str]

    @property
    def time(self) -> str:
        """Renamed in PostgreSQL 13."""
        return "total_exec_time" if "total_exec_time" in self.columns else "total_time"


def read_server_statements(connection: Connection[TupleRow]) -> Observation | str:
    """Or why there are none, in one line that says what to do."""
    row = connection.execute(_EXTENSION).fetchone()
    if row is None:
        return (
            "pg_stat_statements is not installed in this database: CREATE EXTENSION pg_stat_statements, with "
            "shared_preload_libraries = 'pg_stat_statements'; or give a file of SQL or a log by --queries"
        )
    extension = _Extension(row[0], frozenset(row[1]))
    try:
        with connection.transaction():
            return _read(connection, extension)
    except psycopg.errors.InsufficientPrivilege:
        return "pg_stat_statements may not be read: GRANT pg_read_all_stats to this role, or give --queries"
    except psycopg.errors.ObjectNotInPrerequisiteState:
        return (
            "pg_stat_statements is installed but not loaded: add it to shared_preload_libraries and restart the "
            "server, or give --queries"
        )


def _read(connection: Connection[TupleRow], extension: _Extension) -> Observation:
    view = sql.Identifier(extension.schema, "pg_stat_statements")
    query = sql.SQL(
        "SELECT queryid, query, sum(calls)::int8, sum({time})::float8, sum(rows)::int8 FROM {view} WHERE dbid = "
        "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
        "GROUP BY queryid, query ORDER BY 4 DESC LIMIT {limit}"
    ).format(time=sql.Identifier(extension.time), view=view, limit=sql.Literal(AT_MOST))
    rows = connection.execute(query).fetchall()
    seen = [row for row in rows if row[1] is not None and row[1] != _HIDDEN]
    statements = tuple(
        Observed(text, f"queryid {queryid}", calls, milliseconds, count)
        for queryid, text, calls, milliseconds, count in seen
    )
    return Observation(statements, _window(connection, extension), tuple(_notes(len(rows), len(rows) - len(seen))))


def _notes(read: int, hidden: int) -> list[str]:
    notes = []
    if hidden:
        notes.append(f"{hidden} statements of other roles are hidden: GRANT pg_read_all_stats to this role")
    if read == AT_MOST:
        notes.append(f"only the {AT_MOST:,} statements that took longest were read")
    return notes


def _window(connection: Connection[TupleRow], extension: _Extension) -> float | None:
    """Since the statistics were reset; PostgreSQL 13 and older do not tell."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = 'pg_stat_statements_info')",
        (extension.schema,),
    ).fetchone()
    if row is None or not row[0]:
        return None
    found = connection.execute(sql.SQL(_RESET).format(sql.Identifier(extension.schema))).fetchone()
    return found[0] if found is not None else None
