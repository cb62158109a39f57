"""A small shop as it would have been measured: sizes and counts set by hand, so that costs can be told by hand."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary

from pipelines.assess.estimates.measured import Group, Groups, IndexSizes, Measured, Sizes, TypeMeasured
from pipelines.items.reject import RejectReason
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.model import Mapping
from pipelines.mapping.plan import MigrationPlan
from tests.assess_evidence import Known, evidence_of, ref

MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      billing: BILLING
      indexes:
        by_email: {partition_key: {name: email, type: S}}
        by_status: {partition_key: {name: gsi, type: S}, projection: keys_only}
items:
  customer:
    table: shop
    from: customers
    key: {pk: "C#{id}", sk: PROFILE}
    embed:
      notes: {from: notes, on: {customer_id: id}, as: list, order_by: [id]}
  order:
    table: shop
    from: orders
    key: {pk: "C#{customer_id}", sk: "O#{id}"}
    set: {gsi: ORDERS}
    embed:
      customer: {from: customers, on: {id: customer_id}, as: map, include: [name]}
"""

EVIDENCE = evidence_of(
    Known("customers", "id email name", "id", rows=1_000, distinct={"id": 1_000, "name": 900}),
    Known(
        "orders",
        "id customer_id status",
        "id",
        rows=10_000,
        distinct={"id": 10_000, "customer_id": 500},
        common={"customer_id": 0.05},
        parents={"customer_id": "customers"},
    ),
    Known(
        "notes",
        "id customer_id body",
        "id",
        rows=4_000,
        distinct={"id": 4_000, "customer_id": 1_000},
        parents={"customer_id": "customers"},
    ),
    window_seconds=100.0,
)

CUSTOMER = Sizes(
    mean_bytes=5_000,
    p50_bytes=5_000,
    p99_bytes=6_000,
    max_bytes=7_000,
    read_units=1.0,
    write_units=10.0,
    backfill_units=10.0,
    object_bytes=8_000,
    indexes={"by_email": IndexSizes(1.0, 5_000), "by_status": IndexSizes(0.0, 0.0)},
)
ORDER = Sizes(
    mean_bytes=600,
    p50_bytes=600,
    p99_bytes=700,
    max_bytes=800,
    read_units=0.5,
    write_units=2.0,
    backfill_units=2.0,
    object_bytes=1_000,
    indexes={"by_email": IndexSizes(0.0, 0.0), "by_status": IndexSizes(1.0, 60)},
)


def compiled(billing: str = "on_demand") -> tuple[Mapping, MigrationPlan]:
    mapping = parse_mapping(MAPPING.replace("BILLING", billing), "shop.yaml")
    return mapping, compile_mapping(mapping, EVIDENCE.catalog)


def measured_shop(
    billing: str = "on_demand",
    rejects: Dictionary[RejectReason, int] | None = None,
    customer: Sizes = CUSTOMER,
    notes_most: float = 10,
) -> Measured:
    """1,000 customers, 500 of whom have 20 orders each; all of them have 4 notes."""
    mapping, plan = compiled(billing)
    return Measured(
        plan=plan,
        tables=mapping.target.tables,
        types={
            "customer": TypeMeasured(plan.item("customer"), 1_000, True, 1_000, True, dict(rejects or {}), customer),
            "order": TypeMeasured(plan.item("order"), 10_000, True, 10_000, True, {}, ORDER),
        },
        groups={
            Group(ref("customers"), ("id",)): Groups(1_000, 1_000, 1, 1, 1, exact=True),
            Group(ref("orders"), ("customer_id",)): Groups(10_000, 500, 20, 60, 200, exact=True),
            Group(ref("notes"), ("customer_id",)): Groups(4_000, 1_000, 4, 9, notes_most, exact=True),
        },
    )
