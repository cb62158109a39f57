"""Evidence from a database: one read-only transaction over its catalogue and statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.assess.collect.catalogue import Family, missing_schemas, read_families, read_views
from pipelines.assess.collect.collations import read_collations
from pipelines.assess.collect.column_statistics import read_statistics
from pipelines.assess.collect.keys import read_foreign_keys, read_indexes
from pipelines.assess.collect.row_counts import count_rows
from pipelines.assess.collect.server_statements import read_server_statements
from pipelines.assess.evidence import Evidence, StatementsEvidence, StatementsFrom, TableEvidence
from pipelines.assess.observed import Observation, Observed
from pipelines.errors import SourceError
from pipelines.source.connect import connect, identity
from pipelines.source.introspect import read_catalog
from pipelines.source.server_error import in_one_line
from pipelines.source.session_limits import milliseconds, session_limits

STATEMENT_SECONDS = 60.0
"""One statement of ours runs no longer than this unless CROSSOVER_STATEMENT_TIMEOUT says otherwise."""


@dataclass(frozen=True)
class Collected:
    """`statements`: None where the server has none to tell."""

    evidence: Evidence
    statements: tuple[Observed, ...] | None


def collect(url: str, schemas: Sequence[str], *, with_statements: bool) -> Collected:
    """`with_statements`: pg_stat_statements is asked, too. Raises UsageError or SourceError."""
    with closing(connect(url)) as connection, in_one_line(identity(url), "its catalogue could not be read"):
        _bound(connection)
        missing = missing_schemas(connection, schemas)
        if missing:
            raise SourceError(f"source {identity(url)}: there is no schema {missing[0]}: name another by --schema")
        families = read_families(connection, schemas)
        if not families:
            raise SourceError(
                f"source {identity(url)}: schema {', '.join(schemas)} has no table that this role can see"
            )
        observed = read_server_statements(connection) if with_statements else None
        evidence = _evidence(connection, identity(url), tuple(schemas), families, observed)
        statements = tuple(observed.statements) if isinstance(observed, Observation) else None
        return Collected(evidence, statements)


def _evidence(
    connection: Connection[TupleRow],
    source: str,
    schemas: tuple[str, ...],
    families: Sequence[Family],
    observed: Observation | str | None,
) -> Evidence:
    oids = [family.oid for family in families]
    counts = count_rows(connection, families)
    statistics = read_statistics(connection, families, {oid: count.rows for oid, count in counts.items()})
    keys = read_indexes(connection, oids)
    collations = read_collations(connection, oids)
    tables = tuple(
        TableEvidence(
            ref=family.ref,
            rows=counts[family.oid].rows,
            rows_from=counts[family.oid].source,
            bytes=sum(member.table_bytes for member in family.members),
            index_bytes=sum(member.index_bytes for member in family.members),
            analysed=bool(statistics[family.oid]),
            partitions=family.partitions,
            unique_keys=tuple(keys[family.oid].unique_keys),
            indexes=tuple(keys[family.oid].indexes),
            activity=family.activity,
            columns=statistics[family.oid],
            collations=collations.get(family.oid, {}),
        )
        for family in families
    )
    return Evidence(
        source=source,
        schemas=schemas,
        statistics_since=_statistics_since(connection),
        catalog=read_catalog(connection, [family.ref for family in families]),
        tables=tables,
        foreign_keys=read_foreign_keys(connection, oids),
        views=read_views(connection, schemas),
        statements=_statements(observed),
        notes=tuple(_notes(tables, observed)),
    )


def _statements(observed: Observation | str | None) -> StatementsEvidence:
    if not isinstance(observed, Observation):
        return StatementsEvidence(source=StatementsFrom.NONE, window_seconds=None, statements=0, calls=0)
    statements = tuple(observed.statements)
    return StatementsEvidence(
        source=StatementsFrom.PG_STAT_STATEMENTS,
        window_seconds=observed.window_seconds,
        statements=len(statements),
        calls=sum(one.calls for one in statements),
        notes=observed.notes,
    )


def _notes(tables: Sequence[TableEvidence], observed: Observation | str | None) -> Iterator[str]:
    if isinstance(observed, str):
        yield observed
    unknown = [str(one.ref) for one in tables if not one.analysed and one.rows != 0]
    if unknown:
        yield (
            f"no statistics of {len(unknown)} tables ({_some(unknown)}): run ANALYZE, and give this role SELECT on "
            "them; until then shares, distinct values and children per parent are not known"
        )


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def _statistics_since(connection: Connection[TupleRow]) -> datetime | None:
    row = connection.execute(
        "SELECT stats_reset FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()"
    ).fetchone()
    return row[0] if row is not None else None


def _bound(connection: Connection[TupleRow]) -> None:
    """The session's transactions are READ ONLY already, and wait for locks no longer than CROSSOVER_LOCK_TIMEOUT."""
    if session_limits().statement_seconds is None:
        connection.execute(f"SET LOCAL statement_timeout TO {milliseconds(STATEMENT_SECONDS)}".encode())
