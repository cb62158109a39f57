"""What executing the answers has found wrong once: that all that is left to the reader is said, and that what a request
is said to do it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.assess.answers.answer import answers
from pipelines.assess.design import Answer, Design
from pipelines.assess.draft.draft import Draft, draft
from pipelines.assess.evidence import Evidence
from pipelines.assess.folder import write_assessment, write_draft
from pipelines.assess.judged import Given, drafted, given, judge
from pipelines.assess.patterns import Pattern
from pipelines.assess.schema import Schema
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.load import parse_mapping
from pipelines.warehouse.place import Place
from tests.assess_evidence import AT, Known, evidence_of, patterns_of

pytestmark = pytest.mark.unit

NUMBER = SourceType(name="bigint", kind=Kind.INTEGER)
TIME = SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ)
DATE = SourceType(name="date", kind=Kind.DATE)

EVIDENCE = evidence_of(
    Known("customers", "id name country", "id", types={"id": NUMBER}, distinct={"id": 1e6}),
    Known("products", "id name sold_until", "id", types={"id": NUMBER, "sold_until": DATE}, distinct={"id": 1e4}),
    Known(
        "orders",
        "id customer_id status placed_at stock",
        "id",
        rows=5_000_000,
        distinct={"customer_id": 1e6, "placed_at": 5e6},
        common={"customer_id": 1e-6},
        parents={"customer_id": "customers"},
        types={"id": NUMBER, "customer_id": NUMBER, "placed_at": TIME, "stock": NUMBER},
        partitions=("orders_2026",),
    ),
    Known(
        "lines",
        "order_id line_no product_id quantity",
        "order_id line_no",
        rows=10_000_000,
        distinct={"order_id": 5e6, "product_id": 1e4},
        common={"order_id": 4e-7, "product_id": 1e-3},
        parents={"order_id": "orders", "product_id": "products"},
        types={"order_id": NUMBER, "line_no": NUMBER, "product_id": NUMBER},
    ),
    Known(
        "reviews",
        "product_id handle edition",
        "product_id handle edition",
        rows=1_000_000,
        distinct={"product_id": 1e4},
        parents={"product_id": "products"},
        types={"product_id": NUMBER, "edition": NUMBER},
    ),
)


def made(*statements: str, evidence: Evidence = EVIDENCE) -> tuple[Draft, tuple[Answer, ...], tuple[Pattern, ...]]:
    """The draft for these statements, and how it answers them, in their order."""
    patterns = patterns_of(evidence, *statements)
    schema = Schema(evidence)
    found = draft(evidence, patterns, schema, "shop")
    assert found.mapping is not None
    by_place = sorted(patterns.patterns, key=lambda one: int(one.positions[0].rpartition(" ")[2].rpartition(":")[2]))
    by_id = {one.pattern: one for one in answers(found.mapping, schema, patterns.patterns)}
    return found, tuple(by_id[one.id] for one in by_place), tuple(by_place)


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("SELECT * FROM orders WHERE id = 1 AND stock >= 2", ("filter by stock",)),
        ("UPDATE orders SET stock = 1 WHERE id = 1 AND stock >= 2", ("filter by stock",)),
        ("SELECT * FROM orders WHERE customer_id = 1 AND status <> 'a'", ("filter by status",)),
        ("SELECT * FROM orders WHERE customer_id = 1 AND status || 'x' = 'ax'", ("filter by status",)),
        ("SELECT * FROM orders WHERE customer_id = 1 AND (status = 'a' OR stock = 1)", ("filter by status, stock",)),
        ("SELECT * FROM orders WHERE customer_id = 1 AND (placed_at, id) < ('2026-01-01', 9)", ("filter by id",)),
        ("SELECT * FROM orders_2026 WHERE id = 1", ("filter by orders_2026",)),
        ("SELECT * FROM orders WHERE customer_id = 1 ORDER BY status", ("order by status",)),
        ("SELECT * FROM orders WHERE customer_id = 1 ORDER BY placed_at DESC LIMIT 1", ()),
        (
            "SELECT * FROM orders WHERE customer_id = 1 ORDER BY placed_at DESC, id LIMIT 1",
            ("order by placed_at DESC, id",),
        ),
        ("SELECT DISTINCT status FROM orders WHERE customer_id = 1", ("each row once",)),
        ("SELECT * FROM orders WHERE id = 1 UNION SELECT * FROM orders WHERE id = 2", ("each row once",)),
        ("SELECT * FROM orders WHERE id = 1 UNION ALL SELECT * FROM orders WHERE id = 2", ()),
        (
            "SELECT c.* FROM customers c WHERE c.id IN (SELECT customer_id FROM orders WHERE id IN (1, 2))",
            ("each row once",),
        ),
        ("SELECT * FROM customers WHERE id = 1 AND EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = 1)", ()),
        ("SELECT * FROM orders WHERE customer_id = 1 ORDER BY customer_id, placed_at LIMIT 1", ()),
        ("SELECT * FROM orders WHERE customer_id IN (1, 2) ORDER BY placed_at LIMIT 1", ("order by placed_at",)),
        ("SELECT * FROM orders WHERE id = 1 ORDER BY placed_at", ()),
        (
            "SELECT * FROM orders WHERE id = 1 OR customer_id = 2 ORDER BY placed_at LIMIT 1",
            ("each row once", "order by placed_at"),
        ),
        (
            "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 1 AND c.country <> 'de'",
            ("filter by customers.country",),
        ),
        (
            "SELECT l.line_no FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1 ORDER BY l.quantity",
            ("order by quantity",),
        ),
    ],
)
def test_all_that_is_left_is_said(statement: str, left: tuple[str, ...]) -> None:
    _, (answer,), _ = made(statement)
    assert answer.is_served
    assert answer.left == left


def test_a_range_within_a_list_is_left() -> None:
    _, answers, _ = made(
        "SELECT o.*, l.* FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1",
        "SELECT * FROM lines WHERE order_id = 1 AND quantity > '2'",
    )
    assert answers[1].left == ("of the list lines", "range of quantity")


def test_what_a_filter_tests_is_in_the_item() -> None:
    found, _, _ = made(
        "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 1 AND c.country <> 'de'"
    )
    assert found.mapping is not None
    assert found.mapping.items["orders"].embed["customer"].include == ("country",)


def test_a_text_sorts_where_nothing_follows_it() -> None:
    """`ab` is before `ab!`, but `ab#0` after `ab!#0`."""
    _, (answer,), _ = made("SELECT * FROM reviews WHERE product_id = 4 AND handle > 'b' ORDER BY handle LIMIT 5")
    assert answer.is_served
    assert answer.reads[0].index is not None
    assert (answer.reads[0].sort, answer.reads[0].range_on) == ("#{handle}", "handle")


def test_a_read_that_follows_a_list_says_where_its_keys_are() -> None:
    """And the list holds them, whatever else the statement asks of it."""
    found, (answer, *_), _ = made(
        "SELECT o.*, l.quantity, p.name FROM orders o JOIN lines l ON l.order_id = o.id"
        " JOIN products p ON p.id = l.product_id WHERE o.id = 1",
        *("UPDATE products SET name = 'a' WHERE id = 1",) * 3,
        "SELECT * FROM lines WHERE product_id = 1",
    )
    assert found.mapping is not None
    assert [(one.item_type, one.follows, one.fills) for one in answer.reads] == [
        ("orders", None, {"id": "id"}),
        ("products", 0, {"id": "lines.product_id"}),
    ]
    assert "product_id" in (found.mapping.items["orders"].embed["lines"].include or ())


def beyond() -> Evidence:
    tables = tuple(
        one.model_copy(
            update={
                "columns": {
                    **one.columns,
                    "sold_until": next(iter(one.columns.values())).model_copy(update={"beyond": True}),
                }
            }
        )
        if one.ref.table == "products"
        else one
        for one in EVIDENCE.tables
    )
    return EVIDENCE.model_copy(update={"tables": tables})


def test_a_date_that_may_be_infinite_is_a_text() -> None:
    """Or its rows would be rejects."""
    found, _, _ = made("SELECT * FROM products WHERE id = 1", evidence=beyond())
    assert found.mapping is not None
    assert found.mapping.items["products"].types == {"sold_until": "text"}
    found, _, _ = made("SELECT * FROM products WHERE id = 1")
    assert found.mapping is not None
    assert found.mapping.items["products"].types == {}


def test_an_edited_draft_that_was_judged_stays(tmp_path: Path) -> None:
    """It stands in `design.json` as a mapping of somebody's own, not as what a run has written."""
    patterns = patterns_of(EVIDENCE, "SELECT * FROM orders WHERE id = 1")
    schema, out = Schema(EVIDENCE), Place.of(tmp_path)
    found = drafted(EVIDENCE, patterns, schema)
    assert found.mapping is not None
    place = write_draft(out, found.text)
    edited = f"{found.text}# mine\n"
    (tmp_path / "draft.yaml").write_text(edited, encoding="utf-8")
    own = given(tmp_path / "draft.yaml")
    both = (Given("draft", str(place), found.text, found.mapping, found.choices, found.warnings), own)
    judged = tuple(judge(one, EVIDENCE, patterns, schema) for one in both)
    design = Design(source=EVIDENCE.source, evidence_taken_at=AT, mappings=judged)
    write_assessment(out, EVIDENCE, patterns, design)
    assert write_draft(out, found.text) == out / "draft.new.yaml"
    assert (tmp_path / "draft.yaml").read_text(encoding="utf-8") == edited


SHORT_LINES = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}}
items:
  order:
    table: shop
    from: orders
    key: {pk: "ORDER#{id}", sk: ORDER}
    embed:
      lines: {from: lines, on: {order_id: id}, as: list, include: [line_no, quantity]}
  line: {table: shop, from: lines, key: {pk: "ORDER#{order_id}", sk: "LINE#{line_no}"}}
  product: {table: shop, from: products, key: {pk: "PRODUCT#{id}", sk: PRODUCT}}
"""


def test_a_list_without_the_key_of_what_follows_is_read_apart() -> None:
    patterns = patterns_of(
        EVIDENCE,
        "SELECT o.*, l.quantity, p.name FROM orders o JOIN lines l ON l.order_id = o.id"
        " JOIN products p ON p.id = l.product_id WHERE o.id = 1",
    )
    (answer,) = answers(parse_mapping(SHORT_LINES, "test.yaml"), Schema(EVIDENCE), patterns.patterns)
    reads = [(one.item_type, one.follows, one.fills) for one in answer.reads]
    assert reads == [
        ("order", None, {"id": "id"}),
        ("line", 0, {"order_id": "id"}),
        ("product", 1, {"id": "product_id"}),
    ]


def test_dates_beyond_the_calendar_are_in_no_order() -> None:
    """As texts: a year BC is not before the others."""
    statement = "SELECT * FROM products WHERE name = 'x' ORDER BY sold_until LIMIT 3"
    assert made(statement)[1][0].left == ()
    assert made(statement, evidence=beyond())[1][0].left == ("order by sold_until",)
