"""Writes: how their rows are found, and how many items each touches under each embed."""

from __future__ import annotations

import pytest

from pipelines.assess.classify.fan_out import AT_MOST
from pipelines.assess.patterns import PatternClass, Write, WriteKind
from tests.assess_evidence import Known, evidence_of, pattern_of

pytestmark = pytest.mark.unit

SHOP = evidence_of(
    Known("customers", "id email name", "id", rows=1000, unique=["email"]),
    Known(
        "orders",
        "id customer_id status",
        "id",
        rows=5000,
        distinct={"customer_id": 1000, "id": 5000},
        common={"customer_id": 0.01},
        parents={"customer_id": "customers"},
    ),
    Known(
        "lines",
        "order_id line_no product_id price",
        "order_id line_no",
        rows=20_000,
        distinct={"order_id": 5000, "product_id": 100},
        common={"order_id": 0.001, "product_id": 0.05},
        parents={"order_id": "orders", "product_id": "products"},
    ),
    Known("products", "id name", "id", rows=100),
    Known("new", "id product_id", "id", rows=None, parents={"product_id": "products"}),
)


def write_of(statement: str) -> Write:
    pattern = pattern_of(SHOP, statement)
    assert pattern.pattern is PatternClass.WRITE, pattern.reason
    (write,) = pattern.writes
    return write


@pytest.mark.parametrize(
    ("statement", "kind", "columns", "located", "reason"),
    [
        (
            "INSERT INTO orders (id, status) VALUES (1, 'x'), (2, 'y')",
            "insert",
            "id status",
            None,
            "PutItem into orders",
        ),
        (
            "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET status = 'x'",
            "upsert",
            "id",
            None,
            "on a condition on its key",
        ),
        (
            "INSERT INTO customers (id, email) VALUES ($1,$2) ON CONFLICT (email) DO NOTHING",
            "upsert",
            "id email",
            None,
            "(email) is unique takes an item of its own",
        ),
        ("INSERT INTO orders SELECT * FROM orders WHERE id = 1", "insert", "", None, "read first from orders"),
        ("UPDATE orders SET status = $1 WHERE id = $2", "update", "status", "point_read", "UpdateItem of orders"),
        (
            "UPDATE orders o SET (status, id) = (1, 2) WHERE o.customer_id = 4",
            "update",
            "status id",
            "partition_read",
            "",
        ),
        ("UPDATE orders SET status = 'x'", "update", "status", "not_for_dynamodb", "every row"),
        (
            "UPDATE lines l SET price = 1 FROM orders o WHERE o.id = l.order_id AND o.customer_id = 3",
            "update",
            "price",
            "partition_read",
            "",
        ),
        ("DELETE FROM lines WHERE order_id = 1 AND line_no = 2", "delete", "", "point_read", "DeleteItem of lines"),
        ("DELETE FROM lines l USING orders o WHERE o.id = l.order_id AND o.id = 1", "delete", "", "partition_read", ""),
        ("DELETE FROM orders WHERE status = 'x'", "delete", "", "needs_gsi", "found first"),
        (
            "WITH gone AS (SELECT id FROM orders WHERE customer_id = 4) DELETE FROM lines USING gone "
            "WHERE gone.id = lines.order_id",
            "delete",
            "",
            "partition_read",
            "",
        ),
        (
            "MERGE INTO orders USING customers c ON orders.customer_id = c.id AND c.id = 1 "
            "WHEN MATCHED THEN UPDATE SET status = 'x' WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
            "merge",
            "status",
            "partition_read",
            "",
        ),
        ("TRUNCATE orders", "truncate", "", None, "every item"),
        ("COPY orders (id) FROM STDIN", "insert", "id", None, "BatchWriteItem"),
        ("WITH x AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT * FROM x", "delete", "", "point_read", ""),
    ],
)
def test_how_rows_are_found(statement: str, kind: str, columns: str, located: str | None, reason: str) -> None:
    write = write_of(statement)
    assert (write.kind, write.columns) == (WriteKind(kind), tuple(columns.split()))
    assert write.located == (PatternClass(located) if located else None)
    assert reason in pattern_of(SHOP, statement).reason


def test_rows_that_another_table_finds_are_no_update_of_one_item() -> None:
    statement = (
        "UPDATE orders SET status = 'x' FROM customers c "
        "WHERE c.id = orders.customer_id AND orders.id = 4 AND c.name = 'y'"
    )
    assert "its rows are found first: GetItem of orders" in pattern_of(SHOP, statement).reason


def test_several_writes_of_one_statement() -> None:
    pattern = pattern_of(
        SHOP,
        "WITH o AS (INSERT INTO orders (id) VALUES (1) RETURNING id) INSERT INTO lines (order_id) SELECT id FROM o",
    )
    assert sorted(write.table for write in pattern.writes) == ["lines", "orders"]
    assert "TransactWriteItems" in pattern.reason


def reached(statement: str) -> dict[str, tuple[float | None, float | None]]:
    return {".".join(one.path): (one.items, one.items_most) for one in write_of(statement).fan_out}


def test_fan_out_of_a_parent_and_of_a_row_between() -> None:
    """By hand: 20,000 lines of 100 products are 200 each, the most common has 5 %, 1,000; 5,000 orders of 1,000
    customers are 5 each, at most 1 %, 50; 20,000 lines of 5,000 orders are 4 each, at most 0.1 %, 20."""
    assert reached("UPDATE products SET name = 'x' WHERE id = 1") == {
        "products.lines": (200.0, 1000.0),
        "products.lines.orders": (200.0, 1000.0),
        "products.new": (None, None),
    }
    assert reached("UPDATE orders SET status = 'x' WHERE id = 1") == {
        "orders.customers": (1.0, 1.0),
        "orders.lines": (4.0, 20.0),
        "orders.lines.products": (4.0, 20.0),
    }
    assert reached("UPDATE customers SET name = 'x' WHERE id = 1") == {
        "customers.orders": (5.0, 50.0),
        "customers.orders.lines": (20.0, 1000.0),
    }


def test_a_new_row_is_held_by_its_parents_alone() -> None:
    assert reached("INSERT INTO orders (id) VALUES (1)") == {"orders.customers": (1.0, 1.0)}
    assert reached("INSERT INTO lines (order_id) VALUES (1)") == {
        "lines.orders": (1.0, 1.0),
        "lines.orders.customers": (1.0, 1.0),
        "lines.products": (1.0, 1.0),
    }


def test_no_more_items_than_there_are() -> None:
    few = evidence_of(
        Known("product", "id name", "id", rows=2),
        Known("bill", "id", "id", rows=10),
        Known("line", "id product_id bill_id", "id", rows=1000, parents={"product_id": "product", "bill_id": "bill"}),
    )
    (write,) = pattern_of(few, "UPDATE product SET name = 'x' WHERE id = 1").writes
    assert {one.path[-1]: one.items for one in write.fan_out} == {"line": 500.0, "bill": 10.0}


def test_the_list_of_embeds_is_bounded() -> None:
    children = [Known(f"c{n}", "id hub_id", "id", parents={"hub_id": "hub"}) for n in range(AT_MOST + 5)]
    hub = evidence_of(Known("hub", "id", "id"), *children)
    (write,) = pattern_of(hub, "DELETE FROM hub WHERE id = 1").writes
    assert len(write.fan_out) == AT_MOST
