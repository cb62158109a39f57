"""`version: COLUMN` of an item type: a column of its root that can order a row's states."""

from __future__ import annotations

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.model import Item
from pipelines.mapping.problems import Problems
from pipelines.mapping.scope import Scope

_KINDS = frozenset({Kind.INTEGER, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_ALLOWED = "allowed: smallint, integer, bigint, timestamp and timestamptz"


def version_column(scope: Scope, item: Item, problems: Problems) -> str | None:
    """Its name, among the columns that are read from now on; None where there is none, or a problem with it."""
    name = item.version
    if name is None:
        return None
    problem = _problem(scope, name)
    if problem:
        problems.add((*scope.path, "version"), problem)
        return None
    scope.use(name)
    return name


def _problem(scope: Scope, name: str) -> str:
    """Empty where there is none."""
    column = scope.table.column(name)
    if column is None:
        return scope.unknown_column(name)
    if column.type.kind not in _KINDS:
        return f"`{name}` is {column.type.name}, which cannot be a version; {_ALLOWED}"
    if _is_rounded(column.type):
        return f"`{name}` is {column.type.name}: two changes could get one version; give it microseconds"
    if name in scope.table.primary_key:
        return f"`{name}` is in the primary key, so it never changes; name a column that every change raises"
    return ""


def _is_rounded(type: SourceType) -> bool:
    """`timestamp(3) with time zone`."""
    return "(" in type.name and "(6)" not in type.name
