"""The GRANTs and the policy of each purpose, for one migration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from pipelines.mapping.capture import compile_capture
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.model import Mapping
from pipelines.permissions.grants import Source, Statement, grants
from pipelines.permissions.policy import Allow
from pipelines.permissions.purpose import Purpose
from pipelines.permissions.resources import Objects, Where
from pipelines.permissions.statements import Used, statements
from pipelines.settings import S3_KMS_KEY, WAREHOUSE, optional
from pipelines.source.access import read_access
from pipelines.source.address import source_address
from pipelines.source.connect import connect, known_source_url
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.relations import blind_tables, read_relations
from pipelines.warehouse.place import Place
from pipelines.warehouse.s3_place import S3Place


@dataclass(frozen=True)
class Permissions:
    """`role`: the database's. `grants`, `statements`: None where they were not asked for."""

    purpose: Purpose
    role: str
    grants: Sequence[Statement] | None
    statements: Sequence[Allow] | None


def permissions(
    purposes: Iterable[Purpose], role: str | None, source: Source | None, used: Used | None
) -> list[Permissions]:
    """`role`: each purpose has one of its own unless it is given."""
    return [
        Permissions(
            one,
            role or one.default_role,
            None if source is None else grants(one, source, role or one.default_role),
            None if used is None else statements(one, used),
        )
        for one in purposes
    ]


def read_source(mapping: Mapping, url: str) -> Source:
    """By any role that can connect: what is asked stands in the catalogue. Raises SourceError, MappingError."""
    with closing(connect(url)) as connection:
        catalog = read_catalog(connection, tables_used(mapping))
        plan = compile_mapping(mapping, catalog)
        relations = read_relations(connection, (table.ref for table in catalog.tables))
        capture = compile_capture(plan, blind_tables(relations))
        captured = dict.fromkeys(member for one in capture.tables for member in relations[one.table.ref].members)
        refs = [*(table.ref for table in plan.columns_by_table()), *captured]
        return Source(plan, catalog.server_version, read_access(connection, refs), tuple(captured))


def used_of(mapping: Mapping, region: str | None, account: str | None) -> Used:
    """Asks nobody. Raises UsageError."""
    url = known_source_url(mapping)
    return Used(
        name=mapping.migration,
        where=Where.of(region, account),
        tables={name: table.ttl is not None for name, table in mapping.target.tables.items()},
        warehouse=_objects(mapping.migration),
        kms_key=optional(S3_KMS_KEY),
        source=None if url is None else source_address(url),
    )


def _objects(migration: str) -> Objects | None:
    address = optional(WAREHOUSE)
    place = None if address is None else Place.of(address)
    if not isinstance(place, S3Place):
        return None
    return Objects(place.bucket, f"{place.key}/{migration}".lstrip("/"))
