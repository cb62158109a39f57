"""What was measured of a mapping on a database. Numbers and names; no value of a row is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.items.reject import RejectReason
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.model import TargetTable
from pipelines.mapping.plan import ItemPlan, MigrationPlan


@dataclass(frozen=True)
class IndexSizes:
    """What one index holds of an item type. `share`: of the items that are in it, 0 to 1; `mean_bytes`: of those, as
    the index holds them."""

    share: float
    mean_bytes: float


@dataclass(frozen=True)
class Sizes:
    """Of a sample's items, in bytes by DynamoDB's rules, without Crossover's own attributes.

    Units are means over the items: `read_units` of a GetItem, eventually consistent; `write_units` of a put with all
    indexes; `backfill_units` the same with `_v` in the item. `object_bytes`: of a line that ImportTable reads.
    """

    mean_bytes: float
    p50_bytes: int
    p99_bytes: int
    max_bytes: int
    read_units: float
    write_units: float
    backfill_units: float
    object_bytes: float
    indexes: Mapping[str, IndexSizes] = field(default_factory=dict)

    @property
    def index_bytes(self) -> float:
        """What one item takes in all indexes together."""
        return sum(one.share * one.mean_bytes for one in self.indexes.values())

    @property
    def copies(self) -> float:
        """Indexes that one item is in, on average."""
        return sum(one.share for one in self.indexes.values())


@dataclass(frozen=True)
class TypeMeasured:
    """One item type. `rows`: of its root that pass `where`; `sampled`: rows that were built, rejected ones among them.

    `random`: whether they were drawn from the whole table; else they are the first that came.
    """

    plan: ItemPlan
    rows: int
    exact: bool
    sampled: int
    random: bool
    rejects: Mapping[RejectReason, int]
    sizes: Sizes

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())

    @property
    def items(self) -> float:
        """Rows less the share of the sample that can be no item."""
        return self.rows * (1 - self.rejected / self.sampled) if self.sampled else float(self.rows)


@dataclass(frozen=True)
class Group:
    """Rows of `table` that share the values of `columns`."""

    table: TableRef
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Groups:
    """`rows`: of the whole table; `groups`: values that are not NULL; `mean`, `p99`, `most`: rows of one value.

    `exact`: counted; else by the server's statistics, where `most` is an upper bound, and `p99` is not known.
    """

    rows: float
    groups: float
    mean: float
    p99: float | None
    most: float
    exact: bool

    @property
    def with_value(self) -> float:
        return self.groups * self.mean


@dataclass(frozen=True)
class Measured:
    """`types`: in the mapping's order; `groups`: of the columns that embeds are joined by, where they are known."""

    plan: MigrationPlan
    tables: Mapping[str, TargetTable]
    types: Mapping[str, TypeMeasured]
    groups: Mapping[Group, Groups]
    notes: tuple[str, ...] = ()
