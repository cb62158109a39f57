"""The stage `check`: the mapping against the live schema, and the role's rights against the mapping."""

from __future__ import annotations

import psycopg

from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.inverse import inverses_of
from pipelines.mapping.model import Mapping
from pipelines.mapping.plan import MigrationPlan
from pipelines.source.introspect import read_catalog
from pipelines.source.privileges import require_readable


def check(mapping: Mapping, connection: psycopg.Connection) -> MigrationPlan:
    """The compiled mapping. Raises MappingError with every problem, SourceError where the schema or the rows of a table
    may not be read."""
    plan = compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))
    require_readable(connection, plan.columns_by_table())
    return plan


def notes(plan: MigrationPlan) -> list[str]:
    """What keeps DynamoDB from becoming the master of an item type, and tables that nobody would write then. Nothing of
    it matters as long as the database is the master (docs/reverse.md)."""
    inverses = inverses_of(plan)
    problems = [problem for inverse in inverses for problem in inverse.problems]
    read_only = dict.fromkeys(str(table.ref) for inverse in inverses for table in inverse.read_only)
    return [
        *(f"cannot be written back from DynamoDB: {problem}" for problem in problems),
        *(f"{table} is read only while DynamoDB is master: no item type writes it" for table in read_only),
    ]
