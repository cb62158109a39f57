"""What was seen of a database: `evidence.json`. Pure data; no value of a row is in it, only counts and shares."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict, Field

from pipelines.mapping.catalog import Catalog, TableRef

FORMAT = 1


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RowsFrom(StrEnum):
    """How a table's number of rows is known."""

    EMPTY = "empty"  # it has no page
    STATISTICS = "statistics"  # ANALYZE's density times its pages of now
    PAGES = "pages"  # never analysed: the density of its first pages times its pages
    ACTIVITY = "activity"  # never analysed: rows inserted less rows deleted, as the server has counted
    UNKNOWN = "unknown"


class ColumnEvidence(Frozen):
    """From pg_stats. `distinct`: values other than NULL, an estimate; `common`: shares of all rows that the most common
    values have, falling, without the values; `average_bytes`: of those that are not NULL; `beyond`: whether a date or
    time among them is infinite or outside of the years 1 to 9999."""

    null_share: float
    distinct: float | None
    common: tuple[float, ...]
    average_bytes: int
    beyond: bool = False


class Collation(Frozen):
    """Of texts that are in another order than that of their bytes. `name`: its own, or the locale of the database whose
    default it is. Where it is not `deterministic`, texts are equal whose bytes are not."""

    name: str
    deterministic: bool = True


class IndexEvidence(Frozen):
    """`columns`: in order, None for an expression; without INCLUDE's. `scans`: since the statistics' reset."""

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    primary: bool
    partial: bool
    scans: int
    bytes: int


class ForeignKey(Frozen):
    """`columns` of `table` refer to `parent_columns` of `parent`, pair by pair."""

    name: str
    table: TableRef
    columns: tuple[str, ...]
    parent: TableRef
    parent_columns: tuple[str, ...]
    on_delete: str  # "no action", "restrict", "cascade", "set null", "set default"


class Activity(Frozen):
    """Since the statistics' reset, of all partitions."""

    inserts: int
    updates: int
    deletes: int
    sequential_scans: int
    index_scans: int


class Growth(Frozen):
    """Since an earlier run; `rows` is None where either run did not know them."""

    since: datetime
    days: float
    rows: int | None
    bytes: int


class TableEvidence(Frozen):
    """A partitioned table is one, with the sums of its partitions. `bytes`: rows with TOAST, without indexes."""

    ref: TableRef
    rows: int | None
    rows_from: RowsFrom
    bytes: int
    index_bytes: int
    analysed: bool
    partitions: tuple[TableRef, ...]
    unique_keys: tuple[tuple[str, ...], ...]  # beside the primary key; neither partial nor of expressions
    indexes: tuple[IndexEvidence, ...]
    activity: Activity
    columns: dict[str, ColumnEvidence]  # those that have statistics
    collations: dict[str, Collation] | None = None  # of columns; those by bytes are not told; None in older evidence
    growth: Growth | None = None


class ViewEvidence(Frozen):
    """`definition`: its query, with parameters in place of constants; None where it could not be read."""

    ref: TableRef
    definition: str | None


class StatementsFrom(StrEnum):
    PG_STAT_STATEMENTS = "pg_stat_statements"
    SQL = "sql"
    CSVLOG = "csvlog"
    STDERR = "stderr"
    NONE = "none"


class StatementsEvidence(Frozen):
    """Where the statements come from. `window_seconds`: the time that they cover; None where it is not known."""

    source: StatementsFrom
    window_seconds: float | None
    statements: int  # texts that were read
    calls: int
    notes: tuple[str, ...] = ()


class Evidence(Frozen):
    """`tables`: what there is to know of each of the catalog's tables, in its order."""

    format: int = FORMAT
    crossover: str = Field(default_factory=lambda: version("crossover"))
    source: str  # host, port and database, without user or password
    schemas: tuple[str, ...]
    taken_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    statistics_since: datetime | None
    catalog: Catalog
    tables: tuple[TableEvidence, ...]
    foreign_keys: tuple[ForeignKey, ...]
    views: tuple[ViewEvidence, ...]
    statements: StatementsEvidence
    notes: tuple[str, ...]  # what could not be seen, and what to do about it
