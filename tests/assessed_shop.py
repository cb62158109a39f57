"""An assessment of a shop, written down by hand: what the stage would find, and two mappings judged on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipelines.assess.design import (
    Answer,
    BackfillEstimate,
    Choice,
    Design,
    DesignWarning,
    Estimates,
    Judged,
    Money,
    NightlyEstimate,
    Operation,
    PatternEstimate,
    Read,
    TypeEstimate,
    WarningKind,
)
from pipelines.assess.evidence import Evidence, Growth
from pipelines.assess.observed import Observed
from pipelines.assess.patterns import Pattern, PatternClass, Patterns
from tests.assess_evidence import AT, Known, evidence_of, patterns_of

_TABLES = (
    Known("customers", "customer_id email name country", "customer_id", 40_000, unique=["email"]),
    Known(
        "addresses", "address_id customer_id street city", "address_id", 61_000, parents={"customer_id": "customers"}
    ),
    Known(
        "orders",
        "order_id customer_id ship_to status placed_at",
        "order_id",
        1_200_000,
        parents={"customer_id": "customers", "ship_to": "addresses"},
        distinct={"customer_id": 38_000},
    ),
    Known(
        "order_items",
        "order_id line_no product_id quantity price",
        "order_id line_no",
        3_400_000,
        parents={"order_id": "orders", "product_id": "products"},
    ),
    Known("categories", "category_id parent_id slug", "category_id", 140, parents={"parent_id": "categories"}),
    Known("products", "product_id sku name category_id", "product_id", 9_000, parents={"category_id": "categories"}),
    Known("settings", "name value", "name", 12),
)
EVIDENCE: Evidence = evidence_of(*_TABLES, window_seconds=86_400.0).model_copy(update={"notes": ("run ANALYZE first",)})

BY_KEY = "SELECT * FROM orders WHERE order_id = $1"
BY_CUSTOMER = "SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC"
BY_EMAIL = "SELECT * FROM customers WHERE email = $1"
COUNTED = "SELECT status, count(*) FROM orders GROUP BY status"
INSERTED = "INSERT INTO orders (order_id, customer_id, status) VALUES ($1, $2, $3)"
_CALLS = {BY_KEY: 8_640_000, BY_CUSTOMER: 864_000, BY_EMAIL: 86_400, COUNTED: 24, INSERTED: 43_200}
PATTERNS: Patterns = patterns_of(
    EVIDENCE,
    *(Observed(sql, f"queryid {number}", calls, calls * 0.2) for number, (sql, calls) in enumerate(_CALLS.items())),
)

DRAFT = """\
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes:
        gsi1: {partition_key: {name: gsi1pk, type: S}, sort_key: {name: gsi1sk, type: S}}
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{customer_id}", sk: "PROFILE"}
    set: {gsi1pk: "EMAIL#{email}", gsi1sk: "CUSTOMER"}
    embed:
      addresses: {from: addresses, on: {customer_id: customer_id}, as: list}
  order:
    table: shop
    from: orders
    key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{placed_at}#{order_id}"}
    set: {gsi1pk: "ORDER#{order_id}", gsi1sk: "ORDER"}
    embed:
      lines:
        from: order_items
        on: {order_id: order_id}
        as: list
        limit: 100
        embed:
          product: {from: products, on: {product_id: product_id}, as: map}
  product:
    table: shop
    from: products
    key: {pk: "PRODUCT#{product_id}", sk: "DETAILS"}
"""
OWN = """\
migration: shop
target:
  tables:
    orders: {partition_key: {name: order_id, type: S}}
    customers:
      partition_key: {name: customer_id, type: S}
      indexes: {by_email: {partition_key: {name: email, type: S}, projection: keys_only}}
items:
  order: {table: orders, from: orders, key: {order_id: "{order_id}"}, exclude: [order_id]}
  customer: {table: customers, from: customers, key: {customer_id: "{customer_id}"}, exclude: [customer_id]}
"""


def pattern(sql: str) -> Pattern:
    """That of a statement of this module."""
    number = list(_CALLS).index(sql)
    (found,) = [one for one in PATTERNS.patterns if f"queryid {number}" in one.positions]
    return found


def read(item_type: str, table: str, key: str, template: str, **more: object) -> Read:
    given: dict[str, object] = {"operation": Operation.GET} | more
    return Read.model_validate(
        {"item_type": item_type, "table": table, "partition_key": key, "partition": template} | given
    )


def answered(sql: str, *reads: Read, left: Sequence[str] = ()) -> Answer:
    one = pattern(sql)
    return Answer(pattern=one.id, is_served=True, reads=reads, reason=one.reason, left=tuple(left))


def unanswered(sql: str, reason: str) -> Answer:
    return Answer(pattern=pattern(sql).id, is_served=False, reads=(), reason=reason)


def estimates(types: Mapping[str, int], table: str, on_demand: float) -> Estimates:
    """`types`: items of each."""
    return Estimates(
        region="eu-central-1",
        prices_as_of="2026-11-01",
        types=tuple(
            TypeEstimate(
                item_type=name,
                table=table,
                items=items,
                items_exact=False,
                sampled=1_000,
                rejected=3 if name == "customer" else 0,
                mean_bytes=812.5,
                p50_bytes=700,
                p99_bytes=9_000,
                max_bytes=450_000 if name == "order" else 12_000,
                index_bytes=812.5,
                write_units=2.1,
            )
            for name, items in types.items()
        ),
        patterns=tuple(
            PatternEstimate(
                pattern=one.id,
                read_units=0.5,
                write_units=2.0 if one.pattern is PatternClass.WRITE else 0.0,
                read_units_per_second=1.0,
                write_units_per_second=0.0,
            )
            for one in PATTERNS.patterns
        ),
        gigabytes=1.25,
        index_gigabytes=0.75,
        money=Money(
            on_demand_monthly=on_demand,
            provisioned_monthly=on_demand / 3,
            provisioned_read=120,
            provisioned_write=4,
            storage_monthly=0.5,
        ),
        backfills=(
            BackfillEstimate(
                mode="live",
                items=1_249_000,
                write_units=2_600_000,
                write_units_per_second=1_000,
                seconds=2_600,
                usd=1.63,
            ),
            BackfillEstimate(
                mode="import", items=1_249_000, write_units=0, write_units_per_second=None, seconds=None, usd=0.21
            ),
        ),
        nightly=(
            NightlyEstimate(way="scan", read_units=164_000, gigabytes=1.25, usd=0.021),
            NightlyEstimate(way="export", read_units=0, gigabytes=1.25, usd=0.125),
        ),
        notes=("prices are those of the list, without a discount",),
    )


_BY_CUSTOMER = read(
    "order",
    "shop",
    "pk",
    "CUSTOMER#{customer_id}",
    operation=Operation.QUERY,
    sort_key="sk",
    sort="ORDER#{placed_at}#{order_id}",
    sort_prefix="ORDER#",
    sorted_by=("placed_at", "order_id"),
)
_DRAFTED = Judged(
    name="draft",
    file="/assessment/draft.yaml",
    mapping_hash="5ca1ab1e" * 8,
    mapping=DRAFT,
    choices=(
        Choice(
            about="order",
            rule="partition of its parent",
            reason="orders of a customer are read together, 864,000 times a day",
            turned_down=("a partition for each order: the list of a customer would need an index",),
        ),
        Choice(about="order.lines", rule="list of children", reason="3 on average, 100 at the most"),
        Choice(about="customer/gsi1", rule="index for a unique key", reason="read by email"),
        Choice(about="settings", rule="left out", reason="no statement reads it"),
    ),
    answers=(
        answered(BY_KEY, read("order", "shop", "gsi1pk", "ORDER#{order_id}", index="gsi1", operation=Operation.QUERY)),
        answered(BY_CUSTOMER, _BY_CUSTOMER, left=("filter by status",)),
        answered(
            BY_EMAIL, read("customer", "shop", "gsi1pk", "EMAIL#{email}", index="gsi1", operation=Operation.QUERY)
        ),
        unanswered(COUNTED, "groups over all rows of orders"),
        answered(INSERTED),
    ),
    warnings=(
        DesignWarning(
            kind=WarningKind.ITEM_SIZE,
            about="order",
            text="the largest order of the sample takes 450,000 bytes",
            evidence={"max_bytes": 450_000.0, "p99_bytes": 9_000.0},
        ),
        DesignWarning(
            kind=WarningKind.UNSERVED,
            about="orders",
            text=f"{pattern(COUNTED).id}: groups over all rows of orders",
            evidence={"calls": 24.0},
        ),
        DesignWarning(
            kind=WarningKind.NO_ITEM, about="settings", text="no statement reads it", evidence={"rows": 12.0}
        ),
    ),
    estimates=estimates({"customer": 40_000, "order": 1_200_000, "product": 9_000}, "shop", 96.5),
)
_OWN = Judged(
    name="own.yaml",
    file="/migrations/own.yaml",
    mapping_hash="0ddba11" * 9 + "0",
    mapping=OWN,
    answers=(
        answered(BY_KEY, read("order", "orders", "order_id", "{order_id}")),
        unanswered(BY_CUSTOMER, "no key of the mapping finds orders by customer_id"),
        answered(
            BY_EMAIL, read("customer", "customers", "email", "{email}", index="by_email", operation=Operation.QUERY)
        ),
        unanswered(COUNTED, "groups over all rows of orders"),
        answered(INSERTED),
    ),
    warnings=(
        DesignWarning(
            kind=WarningKind.UNSERVED,
            about="orders",
            text=f"{pattern(BY_CUSTOMER).id}: no key of the mapping finds orders by customer_id",
            evidence={"calls": 864_000.0},
        ),
    ),
    estimates=estimates({"customer": 40_000, "order": 1_200_000}, "orders", 71.0),
)


def design_of(*judged: Judged) -> Design:
    return Design(source=EVIDENCE.source, evidence_taken_at=EVIDENCE.taken_at, mappings=judged, notes=())


ONE = design_of(_DRAFTED)
TWO = design_of(_DRAFTED, _OWN)


def grown(evidence: Evidence, rows: int, days: float) -> Evidence:
    """Each table by so many rows of 100 bytes since `days` before."""
    growth = Growth(since=AT - timedelta(days=days), days=days, rows=rows, bytes=rows * 100)
    tables = tuple(table.model_copy(update={"growth": growth}) for table in evidence.tables)
    return evidence.model_copy(update={"tables": tables})
