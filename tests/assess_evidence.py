"""Evidence of a small schema, written down in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipelines.assess.build import build_patterns
from pipelines.assess.evidence import (
    Activity,
    Collation,
    ColumnEvidence,
    Evidence,
    ForeignKey,
    RowsFrom,
    StatementsEvidence,
    StatementsFrom,
    TableEvidence,
    ViewEvidence,
)
from pipelines.assess.observed import Observed
from pipelines.assess.patterns import Pattern, Patterns
from pipelines.assess.tally import tallied
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef

AT = datetime(2026, 11, 1, tzinfo=UTC)
NO_ACTIVITY = Activity(inserts=0, updates=0, deletes=0, sequential_scans=0, index_scans=0)


@dataclass(frozen=True)
class Known:
    """One table. `columns` and `key` are names with spaces between; `distinct` per column; `parents`: column(s) with
    spaces between to the table whose key they hold; `row_bytes` of one row; `types`: of columns that are no texts;
    `collations`: of those that are not in the order of their bytes."""

    name: str
    columns: str
    key: str = ""
    rows: int | None = 1_000_000
    row_bytes: int = 100
    unique: Sequence[str] = ()
    distinct: Mapping[str, float] = field(default_factory=dict)
    common: Mapping[str, float] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    partitions: Sequence[str] = ()
    nullable: str = ""
    types: Mapping[str, SourceType] = field(default_factory=dict)
    collations: Mapping[str, Collation] | None = field(default_factory=dict)


def ref(name: str) -> TableRef:
    return TableRef(schema_name="public", table=name)


def evidence_of(
    *tables: Known, views: Mapping[str, str] | None = None, window_seconds: float | None = None
) -> Evidence:
    keys = {table.name: tuple(table.key.split()) for table in tables}
    return Evidence(
        source="host:5432/db",
        schemas=("public",),
        taken_at=AT,
        statistics_since=None,
        catalog=Catalog(server_version=180000, tables=tuple(_table(one) for one in tables)),
        tables=tuple(_evidence(one) for one in tables),
        foreign_keys=tuple(
            ForeignKey(
                name=f"{one.name}_{parent}",
                table=ref(one.name),
                columns=tuple(columns.split()),
                parent=ref(parent),
                parent_columns=keys[parent],
                on_delete="no action",
            )
            for one in tables
            for columns, parent in one.parents.items()
        ),
        views=tuple(ViewEvidence(ref=ref(name), definition=text) for name, text in (views or {}).items()),
        statements=StatementsEvidence(source=StatementsFrom.SQL, window_seconds=window_seconds, statements=0, calls=0),
        notes=(),
    )


def patterns_of(evidence: Evidence, *statements: str | Observed) -> Patterns:
    observed = [
        one if isinstance(one, Observed) else Observed(one, f"test.sql:{number}")
        for number, one in enumerate(statements, 1)
    ]
    return build_patterns(evidence, tallied(observed))


def pattern_of(evidence: Evidence, statement: str) -> Pattern:
    (pattern,) = patterns_of(evidence, statement).patterns
    return pattern


def _table(known: Known) -> Table:
    text = SourceType(name="text", kind=Kind.TEXT)
    nullable = known.nullable.split()
    return Table(
        ref=ref(known.name),
        relation=Relation.PARTITIONED if known.partitions else Relation.TABLE,
        columns=tuple(
            Column(name=name, type=known.types.get(name, text), nullable=name in nullable)
            for name in known.columns.split()
        ),
        primary_key=tuple(known.key.split()),
    )


def _evidence(known: Known) -> TableEvidence:
    return TableEvidence(
        ref=ref(known.name),
        rows=known.rows,
        rows_from=RowsFrom.STATISTICS if known.rows is not None else RowsFrom.UNKNOWN,
        bytes=(known.rows or 0) * known.row_bytes,
        index_bytes=0,
        analysed=True,
        collations=None if known.collations is None else dict(known.collations),
        partitions=tuple(ref(name) for name in known.partitions),
        unique_keys=tuple(tuple(key.split()) for key in known.unique),
        indexes=(),
        activity=NO_ACTIVITY,
        columns={
            name: ColumnEvidence(
                null_share=0.0,
                distinct=known.distinct.get(name),
                common=(known.common[name],) if name in known.common else (),
                average_bytes=8,
            )
            for name in known.columns.split()
        },
    )
