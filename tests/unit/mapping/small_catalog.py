"""A small schema, and mappings over it in a few lines."""

from __future__ import annotations

from pipelines.errors import MappingError
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.plan import MigrationPlan

INTEGER = SourceType(name="integer", kind=Kind.INTEGER)
TEXT = SourceType(name="text", kind=Kind.TEXT)
NUMERIC = SourceType(name="numeric(10,2)", kind=Kind.NUMERIC, precision=10, scale=2)
BOOLEAN = SourceType(name="boolean", kind=Kind.BOOLEAN)
TIMESTAMPTZ = SourceType(name="timestamp with time zone", kind=Kind.TIMESTAMPTZ)
DATE = SourceType(name="date", kind=Kind.DATE)
JSON = SourceType(name="jsonb", kind=Kind.JSON)
BYTES = SourceType(name="bytea", kind=Kind.BYTES)
UUID = SourceType(name="uuid", kind=Kind.UUID)
FLOAT8 = SourceType(name="double precision", kind=Kind.FLOAT8)
CHAR = SourceType(name="character(2)", kind=Kind.CHAR)
TEXTS = SourceType(name="text[]", kind=Kind.ARRAY, element=TEXT)
UNKNOWN = SourceType(name="cube", kind=Kind.OTHER, known=False)
UNKNOWNS = SourceType(name="cube[]", kind=Kind.ARRAY, element=UNKNOWN, known=False)
CITEXT = SourceType(name="public.citext", kind=Kind.TEXT, exact=False)


def table(name: str, key: tuple[str, ...], relation: Relation = Relation.TABLE, /, **columns: SourceType) -> Table:
    return Table(
        ref=TableRef(schema_name="public", table=name),
        relation=relation,
        columns=tuple(Column(name=n, type=t, nullable=n not in key) for n, t in columns.items()),
        primary_key=key,
    )


CATALOG = Catalog(
    server_version=180000,
    tables=(
        table(
            "customers", ("customer_id",), customer_id=INTEGER, email=TEXT, name=TEXT, country=CHAR, created=TIMESTAMPTZ
        ),
        table(
            "orders",
            ("order_id",),
            order_id=INTEGER,
            customer_id=INTEGER,
            public_id=UUID,
            status=TEXT,
            note=TEXT,
            total=NUMERIC,
            score=FLOAT8,
            paid=BOOLEAN,
            placed_at=TIMESTAMPTZ,
            due=DATE,
            payload=JSON,
            scan=BYTES,
            tags=TEXTS,
        ),
        table("lines", ("order_id", "line_no"), order_id=INTEGER, line_no=INTEGER, sku=TEXT, price=NUMERIC),
        table("events", (), order_id=INTEGER, happened=TIMESTAMPTZ, what=TEXT, extra=JSON),
        table("open_orders", (), Relation.VIEW, order_id=INTEGER),
        table("odd", ("id",), id=INTEGER, shape=UNKNOWN, shapes=UNKNOWNS, handle=CITEXT, _v=INTEGER),
    ),
)

HEAD = """\
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes:
        gsi1: {partition_key: {name: gsi1pk, type: S}, sort_key: {name: gsi1sk, type: N}}
    numbers: {partition_key: {name: n, type: N}}
    plain: {partition_key: {name: key, type: S}}
items:
"""

ORDER = '  order:\n    table: shop\n    from: orders\n    key: {pk: "ORDER#{order_id}", sk: "ORDER"}\n'


def compiled(items: str) -> MigrationPlan:
    """The plan of `items`, indented by two."""
    return compile_mapping(parse_mapping(HEAD + items, "m.yaml"), CATALOG)


def order(rest: str) -> MigrationPlan:
    """The item `order` and the given lines, indented by four."""
    return compiled(ORDER + rest)


def problems_of(items: str) -> list[str]:
    try:
        compiled(items)
    except MappingError as error:
        return error.problems
    return []


def order_problems(rest: str) -> list[str]:
    return problems_of(ORDER + rest)
