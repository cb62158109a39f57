"""The stage `check`: the mapping against the live schema, and the role's rights against the mapping."""

from __future__ import annotations

import psycopg

from pipelines.mapping.compile import compile_mapping, tables_used
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
