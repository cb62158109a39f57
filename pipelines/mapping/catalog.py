"""What the mapping needs to know of the source schema: tables, columns, types, keys.

Pure data. `pipelines.source.introspect` fills it from PostgreSQL's catalogue; every snapshot manifest carries it.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from pipelines.items.source_type import SourceType


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Frozen):
    name: str
    type: SourceType
    nullable: bool
    defaulted: bool = False  # an INSERT that leaves it out gives it a value: a default, of its domain too, an identity
    generated: bool = False  # GENERATED ALWAYS AS (…): nothing can be written to it


class TableRef(_Frozen):
    schema_name: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema_name}.{self.table}"


class Relation(StrEnum):
    TABLE = "table"
    PARTITIONED = "partitioned"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized_view"
    FOREIGN = "foreign"


class Table(_Frozen):
    ref: TableRef
    relation: Relation
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]  # in key order; empty where there is none
    inherited: bool = False  # other tables inherit from it: their rows are its rows too, but its key binds them not

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Catalog(_Frozen):
    """The tables that were asked for and exist."""

    server_version: int  # PostgreSQL's server_version_num, 180006
    tables: tuple[Table, ...]

    def table(self, ref: TableRef) -> Table | None:
        # by the names: a model's own comparison is slow, and some schemas have hundreds of tables
        found = (one for one in self.tables if one.ref.table == ref.table and one.ref.schema_name == ref.schema_name)
        return next(found, None)
