"""What no export holds: told before one is made, and before one is read."""

from __future__ import annotations

from pipelines.errors import SourceError
from pipelines.items.source_type import MONEY, SourceType
from pipelines.mapping.catalog import Relation
from pipelines.source.rds_export.live_schema import LiveSchema

# https://www.postgresql.org/docs/current/datatype-oid.html
_BY_SEARCH_PATH = frozenset(
    {
        "regclass",
        "regcollation",
        "regconfig",
        "regdictionary",
        "regoper",
        "regoperator",
        "regproc",
        "regprocedure",
        "regtype",
    }
)
_NOT_EXPORTED = _BY_SEARCH_PATH | {"cid", "oid", "regnamespace", "regrole", "tid", "xid", "xid8"}


def check_exportable(live: LiveSchema) -> None:
    """Raises SourceError for a relation that is no table, and for a column whose values are lost, whatever they are."""
    for table, columns in live.columns.items():
        if table.relation not in (Relation.TABLE, Relation.PARTITIONED):
            kind = table.relation.replace("_", " ")
            raise SourceError(f"{table.ref}: it is a {kind}, and RDS exports tables; use --from live")
        for column in table.columns:
            why = _why_lost(column.type) if column.name in columns else None
            if why is not None:
                raise SourceError(
                    f"{table.ref}: column {column.name!r} is of type {column.type.name}, {why}; exclude it in the "
                    "mapping, or use --from live"
                )


def innermost_of(type: SourceType) -> SourceType:
    """What the members of an array are, and of its arrays where they are arrays themselves; else the type."""
    while type.element is not None:
        type = type.element
    return type


def _why_lost(type: SourceType) -> str | None:
    """Object identifiers are not exported: AWS's table of types has N/A for them. Arrays of them are texts."""
    innermost = innermost_of(type).name
    if type.name in _NOT_EXPORTED:
        return "which RDS does not export"
    if type.element is not None and innermost == MONEY:
        return "whose text depends on the exporting session's currency"
    if innermost in _BY_SEARCH_PATH:
        return "whose text depends on the exporting session's search path"
    return None
