"""The stage `check`: the mapping against the live schema."""

from __future__ import annotations

import psycopg

from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.model import Mapping
from pipelines.mapping.plan import MigrationPlan
from pipelines.source.introspect import read_catalog


def check(mapping: Mapping, connection: psycopg.Connection) -> MigrationPlan:
    """The compiled mapping. Raises MappingError with every problem, SourceError where the schema cannot be read."""
    return compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))
