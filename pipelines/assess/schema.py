"""What classification asks of the evidence: tables by name, keys, and which table's rows belong to which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipelines.assess.evidence import Collation, ColumnEvidence, Evidence, ForeignKey, IndexEvidence, TableEvidence
from pipelines.items.source_type import Kind
from pipelines.mapping.catalog import Table, TableRef


@dataclass(frozen=True, eq=False)
class Facts:
    """One table. `name` is how messages call it; `identity`: the primary key, else a unique key without NULLs."""

    ref: TableRef
    name: str
    table: Table
    evidence: TableEvidence

    @cached_property
    def columns(self) -> frozenset[str]:
        return frozenset(column.name for column in self.table.columns)

    @cached_property
    def identity(self) -> tuple[str, ...]:
        if self.table.primary_key:
            return self.table.primary_key
        needed = {column.name for column in self.table.columns if not column.nullable}
        return next((key for key in self.evidence.unique_keys if needed.issuperset(key)), ())

    @cached_property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The identity first, then every other unique key."""
        others = (key for key in self.evidence.unique_keys if key != self.identity)
        return tuple(key for key in (self.identity, *others) if key)

    @property
    def rows(self) -> int | None:
        return self.evidence.rows

    def statistics(self, column: str) -> ColumnEvidence | None:
        return self.evidence.columns.get(column)

    def collation(self, name: str) -> Collation | None:
        """Of a text that PostgreSQL sorts otherwise than by its bytes. Where the evidence does not tell, every text is
        taken for one: an order wrongly left to the reader costs a sort, one wrongly promised is a wrong result."""
        column = self.table.column(name)
        if column is None or column.type.kind not in (Kind.TEXT, Kind.CHAR):
            return None
        if self.evidence.collations is None:
            return Collation(name="unknown", deterministic=column.type.exact)
        found = self.evidence.collations.get(name)
        return found or (None if column.type.exact else Collation(name=column.type.name))  # citext's own order

    def rows_for(self, columns: Iterable[str]) -> float | None:
        """Rows that have one value of these columns, on average. None where it is not known."""
        distinct = [found.distinct for name in columns if (found := self.statistics(name)) is not None]
        known = [one for one in distinct if one]
        if self.rows is None or not known:
            return None
        return max(self.rows / max(known), 1.0) if self.rows else 0.0

    def index_on(self, column: str) -> IndexEvidence | None:
        found = (one for one in self.evidence.indexes if one.columns and one.columns[0] == column)
        return next(found, None)

    def bytes_of(self, columns: Iterable[str] | None) -> float | None:
        """Of one row's columns, on average, with their names, which an item repeats; None for all columns. None where
        it is not known."""
        whole = self.evidence.bytes / self.rows if self.rows else None
        names = self.columns if columns is None else columns
        known = [(name, found.average_bytes) for name in names if (found := self.statistics(name)) is not None]
        sizes = sum(len(name.encode()) + size for name, size in known)
        return float(sizes) if known else whole


@dataclass(frozen=True)
class Edge:
    """Rows of `child` refer to one row of `parent`, pair by pair of the columns. `declared`: by a foreign key, and not
    merely by a join on the parent's key."""

    child: Facts
    child_columns: tuple[str, ...]
    parent: Facts
    parent_columns: tuple[str, ...]
    declared: bool

    def __str__(self) -> str:
        pairs = zip(self.child_columns, self.parent_columns, strict=True)
        return " AND ".join(f"{self.child.name}.{child} = {self.parent.name}.{parent}" for child, parent in pairs)

    @property
    def children(self) -> float | None:
        """For each row of the parent, those without any among them; on average."""
        if self.child.rows is None or not self.parent.rows:
            return None
        return self._referring / self.parent.rows

    @property
    def children_most(self) -> float | None:
        """Of the parent row that has most: the most common value's rows. An upper bound where several columns refer,
        None without statistics."""
        rows = self.child.rows
        statistics = [found for name in self.child_columns if (found := self.child.statistics(name)) is not None]
        if rows is None or len(statistics) < len(self.child_columns):
            return None
        bounds = [found.common[0] * rows for found in statistics if found.common]
        average = max((rows * (1 - one.null_share) / one.distinct for one in statistics if one.distinct), default=0.0)
        return max(min(bounds), 1.0) if bounds else average

    @property
    def parents(self) -> float:
        """Of each row of the child: 1, less the share that has none."""
        statistics = [found for name in self.child_columns if (found := self.child.statistics(name)) is not None]
        return 1.0 - max((one.null_share for one in statistics), default=0.0)

    @property
    def _referring(self) -> float:
        return (self.child.rows or 0) * self.parents


class Schema:
    """Names are resolved as PostgreSQL does it: unquoted ones in lower case, schemas in the order that was given."""

    def __init__(self, evidence: Evidence) -> None:
        self._views = {view.ref: view.definition for view in evidence.views}
        self._schemas = evidence.schemas
        self._tables = {
            table.ref: Facts(table.ref, self._shown(table.ref), table, found)
            for table, found in zip(evidence.catalog.tables, evidence.tables, strict=True)
        }
        self._named = {facts.name: facts for facts in self._tables.values()}
        self._roots = {part: facts for facts in self._tables.values() for part in facts.evidence.partitions}
        self._parents: dict[TableRef, list[Edge]] = defaultdict(list)
        self._children: dict[TableRef, list[Edge]] = defaultdict(list)
        for key in evidence.foreign_keys:
            self._add(key)

    def find(self, name: str, schema: str | None = None) -> Facts | None:
        """A partition's name finds the partitioned table."""
        refs = self._candidates(name, schema)
        return next((found for ref in refs if (found := self._tables.get(ref) or self._roots.get(ref))), None)

    def named(self, name: str) -> Facts:
        """By the name that messages and patterns call it. Raises KeyError."""
        return self._named[name]

    @property
    def tables(self) -> Sequence[Facts]:
        return tuple(self._tables.values())

    def view(self, name: str, schema: str | None = None) -> str | None:
        """Its definition."""
        return next((found for ref in self._candidates(name, schema) if (found := self._views.get(ref))), None)

    def parents_of(self, facts: Facts) -> Sequence[Edge]:
        return self._parents[facts.ref]

    def children_of(self, facts: Facts) -> Sequence[Edge]:
        return self._children[facts.ref]

    def _candidates(self, name: str, schema: str | None) -> list[TableRef]:
        schemas = self._schemas if schema is None else (schema,)
        return [TableRef(schema_name=one, table=name) for one in schemas]

    def _shown(self, ref: TableRef) -> str:
        return ref.table if ref.schema_name == self._schemas[0] else str(ref)

    def _add(self, key: ForeignKey) -> None:
        child, parent = self._tables.get(key.table), self._tables.get(key.parent)
        if child is None or parent is None:
            return
        edge = Edge(child, key.columns, parent, key.parent_columns, declared=True)
        self._parents[child.ref].append(edge)
        self._children[parent.ref].append(edge)
