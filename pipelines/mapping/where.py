"""The `where` filter: a small language with one meaning in Python, in Spark and in PostgreSQL.

parse_where   text → Predicate, refusing all that the three could see differently
evaluate      the Python form
to_sql        the PostgreSQL form
to_column     the Spark form, in `pipelines.mapping.where_spark`: Spark is not imported for the other two
"""

from __future__ import annotations

from pipelines.mapping.catalog import Table
from pipelines.mapping.predicate import And, Compare, Comparison, IsNull, Not, Or, Predicate, WhereError, columns_of
from pipelines.mapping.where_evaluate import evaluate
from pipelines.mapping.where_sql import to_sql

__all__ = [
    "And",
    "Compare",
    "Comparison",
    "IsNull",
    "Not",
    "Or",
    "Predicate",
    "WhereError",
    "columns_of",
    "evaluate",
    "parse_where",
    "to_sql",
]


def parse_where(text: str, table: Table) -> Predicate:
    """Raises WhereError."""
    from pipelines.mapping import where_parse  # sqlglot takes a while, and most mappings have no `where`

    return where_parse.parse_where(text, table)
