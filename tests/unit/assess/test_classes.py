"""The rules by which a statement gets its class, each by statements that it alone decides."""

from __future__ import annotations

import pytest

from pipelines.assess.patterns import Alternative, PatternClass
from tests.assess_evidence import Known, evidence_of, pattern_of, patterns_of

pytestmark = pytest.mark.unit

SHOP = evidence_of(
    Known("customers", "id email country name tenant", "id", unique=["email"], distinct={"country": 12, "id": 1e6}),
    Known(
        "orders",
        "id customer_id status placed_at note",
        "id",
        rows=5_000_000,
        distinct={"customer_id": 1e6, "status": 6},
        common={"customer_id": 4e-6},
        parents={"customer_id": "customers"},
    ),
    Known(
        "lines",
        "order_id line_no product_id quantity",
        "order_id line_no",
        rows=20_000_000,
        distinct={"order_id": 5e6, "product_id": 1e4},
        common={"order_id": 1e-6},
        parents={"order_id": "orders", "product_id": "products"},
    ),
    Known("products", "id name price tags", "id", rows=10_000),
    Known(
        "events",
        "id customer_id at payload",
        "id",
        rows=900_000_000,
        row_bytes=500,
        distinct={"customer_id": 1e6},
        common={"customer_id": 0.001},
        parents={"customer_id": "customers"},
    ),
    Known(
        "addresses", "id customer_id city", "id", distinct={"customer_id": 1e6}, parents={"customer_id": "customers"}
    ),
    Known("countries", "code name", "code", rows=200),
    Known("log", "at message"),
    Known("prices", "sku region price", "sku region"),
    Known("flags", "name value", "", rows=10, unique=["name"]),
    views={"open_orders": "SELECT o.id AS number, o.customer_id AS owner FROM public.orders AS o WHERE o.status = $1"},
)

P = PatternClass
CASES = {
    # the full primary key
    "SELECT * FROM orders WHERE id = 1": (P.POINT_READ, "orders"),
    "SELECT * FROM orders WHERE 1 = id": (P.POINT_READ, "orders"),
    "SELECT * FROM orders o WHERE o.id = $1 AND o.status = 'open'": (P.POINT_READ, "orders"),
    "SELECT * FROM lines WHERE order_id = $1 AND line_no = $2": (P.POINT_READ, "lines"),
    "SELECT * FROM lines WHERE (order_id, line_no) = ($1,$2)": (P.POINT_READ, "lines"),
    "SELECT * FROM orders WHERE id = $1 OR id = $2": (P.POINT_READ, "orders"),
    "SELECT * FROM orders WHERE id = ANY($1)": (P.POINT_READ, "orders"),
    "SELECT * FROM (SELECT * FROM orders) o WHERE o.id = $1": (P.POINT_READ, "orders"),
    "SELECT count(*) FROM orders WHERE id = $1": (P.POINT_READ, "orders"),
    "SELECT * FROM flags WHERE name = 'x'": (P.POINT_READ, "flags"),
    "SELECT * FROM orders WHERE id::text = $1": (P.POINT_READ, "orders"),
    'SELECT * FROM "orders" WHERE ID = 1': (P.POINT_READ, "orders"),
    # what the item would hold
    "SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = $1": (
        P.POINT_READ,
        "orders",
    ),
    "SELECT * FROM ((orders o JOIN customers c ON c.id = o.customer_id)) WHERE o.id = 1": (P.POINT_READ, "orders"),
    "SELECT o.id, json_agg(l.*) FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1 GROUP BY 1": (
        P.POINT_READ,
        "orders",
    ),
    "SELECT * FROM orders o LEFT JOIN lines l ON l.order_id = o.id WHERE o.id = $1": (P.POINT_READ, "orders"),
    "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = $1 AND o.id > 0": (
        P.POINT_READ,
        "customers",
    ),
    "SELECT * FROM orders o, lines l WHERE l.order_id = o.id AND l.order_id = $1": (P.POINT_READ, "orders"),
    # too much for an item: a collection in the same partition
    "SELECT * FROM customers c JOIN events e ON e.customer_id = c.id WHERE c.id = $1": (P.PARTITION_READ, "customers"),
    # a foreign key, the first columns of a key
    "SELECT * FROM orders WHERE customer_id = $1": (P.PARTITION_READ, "orders"),
    "SELECT * FROM lines WHERE order_id = $1": (P.PARTITION_READ, "lines"),
    "SELECT * FROM orders WHERE customer_id = $1 AND note LIKE '%x%'": (P.PARTITION_READ, "orders"),
    "SELECT o.* FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = $1": (P.PARTITION_READ, "orders"),
    "SELECT number FROM open_orders WHERE owner = 3": (P.PARTITION_READ, "orders"),
    "SELECT l.* FROM lines l JOIN orders o ON o.id = l.order_id WHERE o.customer_id = $1": (P.PARTITION_READ, "orders"),
    "SELECT min(placed_at) FROM orders WHERE customer_id = $1": (P.PARTITION_READ, "orders"),
    "SELECT DISTINCT status FROM orders WHERE customer_id = $1": (P.PARTITION_READ, "orders"),
    "SELECT * FROM countries": (P.PARTITION_READ, "countries"),
    "SELECT DISTINCT name FROM countries": (P.PARTITION_READ, "countries"),
    "SELECT * FROM prices WHERE sku = $1": (P.PARTITION_READ, "prices"),
    "SELECT * FROM orders WHERE customer_id = $1 AND (status = $2 OR note = $3)": (P.PARTITION_READ, "orders"),
    # a join by a key that no foreign key declares is one nevertheless
    "SELECT * FROM customers c JOIN countries k ON k.code = c.country WHERE c.id = $1": (P.POINT_READ, "customers"),
    # a range
    "SELECT * FROM orders WHERE customer_id = $1 AND placed_at > $2": (P.RANGE_READ, "orders"),
    "SELECT * FROM orders WHERE customer_id = $1 AND date_trunc('day', placed_at) = $2": (P.RANGE_READ, "orders"),
    "SELECT * FROM lines WHERE order_id = $1 AND line_no BETWEEN 1 AND 5": (P.RANGE_READ, "lines"),
    "SELECT * FROM orders WHERE customer_id = $1 AND note LIKE 'x%'": (P.RANGE_READ, "orders"),
    # indexes
    "SELECT * FROM customers WHERE email = $1": (P.NEEDS_GSI, "customers"),
    "SELECT * FROM customers WHERE upper(email) = $1": (P.NEEDS_GSI, "customers"),
    "SELECT * FROM customers WHERE email = $1 OR country = $2": (P.NEEDS_GSI, "customers"),
    "SELECT * FROM orders WHERE status = $1 ORDER BY placed_at LIMIT 5": (P.NEEDS_GSI, "orders"),
    "SELECT * FROM orders WHERE placed_at > now() - interval '1 hour'": (P.NEEDS_GSI, "orders"),
    "SELECT * FROM orders ORDER BY placed_at DESC LIMIT 5": (P.NEEDS_GSI, "orders"),
    "SELECT * FROM orders WHERE note IS NULL": (P.NEEDS_GSI, "orders"),
    "SELECT * FROM log WHERE message = $1": (P.NEEDS_GSI, "log"),
    "SELECT * FROM lines WHERE line_no = 1": (P.NEEDS_GSI, "lines"),
    "SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = $1": (
        P.NEEDS_GSI,
        "orders",
    ),
    "SELECT o.* FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.email = $1": (P.NEEDS_GSI, "customers"),
    "SELECT * FROM orders WHERE customer_id = $1 UNION ALL SELECT * FROM orders WHERE status = $2": (
        P.NEEDS_GSI,
        "orders",
    ),
    "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.status = $1": (P.NEEDS_GSI, "orders"),
    "SELECT * FROM orders WHERE id IN (SELECT id FROM orders WHERE status = $1)": (P.NEEDS_GSI, "orders"),
    "SELECT * FROM orders WHERE customer_id = (SELECT id FROM customers WHERE email = $1)": (P.NEEDS_GSI, "customers"),
    # an attribute of another table is asked for
    "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.country = $1 AND o.status = $2": (
        P.NEEDS_DENORMALISATION,
        "orders",
    ),
    "SELECT a.* FROM orders o JOIN customers c ON c.id = o.customer_id JOIN addresses a ON a.customer_id = c.id "
    "WHERE o.id = $1": (P.NEEDS_DENORMALISATION, "orders"),
    "SELECT * FROM customers c JOIN addresses a ON a.city = c.name WHERE c.id = $1": (
        P.NEEDS_DENORMALISATION,
        "customers",
    ),
    "SELECT o.* FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.country = $1 "
    "ORDER BY o.placed_at DESC LIMIT 20": (P.NEEDS_DENORMALISATION, "customers"),
}


@pytest.mark.parametrize(("statement", "expected"), CASES.items(), ids=[statement[:70] for statement in CASES])
def test_reads(statement: str, expected: tuple[PatternClass, str]) -> None:
    pattern = pattern_of(SHOP, statement)
    assert (pattern.pattern, pattern.table) == expected, pattern.reason
    assert pattern.reason
    assert "\n" not in pattern.reason


NOT_FOR_DYNAMODB = {
    "SELECT count(*) FROM orders WHERE customer_id = $1": Alternative.PRECOMPUTE,
    "SELECT max(placed_at), min(placed_at) FROM orders WHERE customer_id = $1": Alternative.PRECOMPUTE,
    "SELECT o.*, (SELECT sum(l.quantity) FROM lines l WHERE l.order_id = o.id) FROM orders o WHERE o.id = $1": (
        Alternative.PRECOMPUTE
    ),
    "SELECT count(*) FROM orders": Alternative.PRECOMPUTE,
    "WITH RECURSIVE t AS (SELECT id FROM orders WHERE id = 1 UNION SELECT o.id FROM orders o JOIN t ON o.id > t.id) "
    "SELECT * FROM t": Alternative.PRECOMPUTE,
    "SELECT status, count(*) FROM orders GROUP BY status": Alternative.STREAM_OUT,
    "SELECT status, sum(id) FROM orders WHERE placed_at > $1 GROUP BY 1 HAVING sum(id) > 3": Alternative.STREAM_OUT,
    "SELECT DISTINCT status FROM orders": Alternative.STREAM_OUT,
    "SELECT DISTINCT status FROM orders WHERE placed_at > $1": Alternative.STREAM_OUT,
    "SELECT row_number() OVER (ORDER BY placed_at) FROM orders WHERE customer_id = $1": Alternative.PRECOMPUTE,
    "SELECT * FROM products WHERE name LIKE '%x'": Alternative.STREAM_OUT,
    "SELECT * FROM products WHERE name ILIKE '%x%'": Alternative.STREAM_OUT,
    "SELECT * FROM products WHERE name LIKE $1": Alternative.STREAM_OUT,
    "SELECT * FROM products WHERE name ~ 'x'": Alternative.STREAM_OUT,
    "SELECT * FROM orders": Alternative.STREAM_OUT,
    "COPY orders TO STDOUT": Alternative.STREAM_OUT,
    "SELECT * FROM products WHERE tags @> $1": Alternative.KEEP_IN_RDS,
    "SELECT * FROM orders LIMIT 10": Alternative.KEEP_IN_RDS,
    "SELECT * FROM countries WHERE code NOT IN (SELECT country FROM customers)": Alternative.KEEP_IN_RDS,
    "SELECT k.* FROM countries k LEFT JOIN customers c ON c.country = k.code WHERE c.id IS NULL": (
        Alternative.KEEP_IN_RDS
    ),
    "SELECT * FROM products WHERE abs(price) = $1": Alternative.KEEP_IN_RDS,
    "SELECT * FROM products WHERE ($1 IS NULL OR name = $1) AND price > 3": Alternative.KEEP_IN_RDS,
    "SELECT * FROM products WHERE price > (SELECT avg(price) FROM products)": Alternative.KEEP_IN_RDS,
    "SELECT id FROM orders EXCEPT SELECT order_id FROM lines": Alternative.KEEP_IN_RDS,
    "SELECT id FROM (SELECT id FROM orders UNION SELECT id FROM customers) u WHERE id = $1": Alternative.KEEP_IN_RDS,
}


@pytest.mark.parametrize(("statement", "expected"), NOT_FOR_DYNAMODB.items(), ids=[s[:70] for s in NOT_FOR_DYNAMODB])
def test_not_for_dynamodb(statement: str, expected: Alternative) -> None:
    pattern = pattern_of(SHOP, statement)
    assert (pattern.pattern, pattern.alternative) == (PatternClass.NOT_FOR_DYNAMODB, expected), pattern.reason


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("BEGIN", P.OUTSIDE),
        ("SET search_path TO a", P.OUTSIDE),
        ("ALTER ROLE me PASSWORD 'secret'", P.OUTSIDE),
        ("EXPLAIN SELECT * FROM orders", P.OUTSIDE),
        ("SELECT 1", P.OUTSIDE),
        ("VALUES (1)", P.OUTSIDE),
        ("SELECT * FROM pg_catalog.pg_class", P.OUTSIDE),
        ("SELECT * FROM orders JOIN elsewhere.things t ON t.id = orders.id", P.OUTSIDE),
        ("INSERT INTO scratch VALUES (1)", P.OUTSIDE),
        ("\\d orders", P.OUTSIDE),
        ("SELECT * FROM orders WHERE (", P.UNREADABLE),
        ("SELECT * FROM orders WHERE note = 'cut off he", P.UNREADABLE),
        ("DO $$ BEGIN DELETE FROM orders; END $$", P.UNREADABLE),
        ("CALL nightly($1)", P.UNREADABLE),
        ("EXECUTE nothing(1)", P.UNREADABLE),
        ("SELEC 1", P.UNREADABLE),
    ],
)
def test_outside_and_unreadable(statement: str, expected: PatternClass) -> None:
    pattern = pattern_of(SHOP, statement)
    assert pattern.pattern is expected, pattern.reason
    assert pattern.positions == ("test.sql:1",)


def test_what_is_cut_off_is_said_to_be() -> None:
    assert "does not end" in pattern_of(SHOP, "SELECT * FROM orders WHERE note = 'cut off he").reason


def test_what_prepare_and_declare_stand_before_is_what_counts() -> None:
    found = patterns_of(
        SHOP,
        "PREPARE by_id (bigint) AS SELECT * FROM orders WHERE id = $1",
        "EXECUTE By_Id(17)",
        "SELECT * FROM orders WHERE id = 4",
        "DECLARE c CURSOR FOR SELECT * FROM orders WHERE id = 5",
    )
    (pattern,) = found.patterns
    assert (pattern.pattern, pattern.load.calls) == (PatternClass.POINT_READ, 4)


def test_which_joins_the_item_would_hold() -> None:
    pattern = pattern_of(
        SHOP,
        "SELECT * FROM orders o JOIN lines l ON l.order_id = o.id JOIN products p ON p.id = product_id WHERE o.id = 1",
    )
    assert [(embed.path, embed.form, embed.rows, embed.rows_most) for embed in pattern.embeds] == [
        (("orders", "lines"), "list", 4.0, 20.0),
        (("orders", "lines", "products"), "map", 4.0, 20.0),
    ]


def test_an_undeclared_join_is_said() -> None:
    pattern = pattern_of(SHOP, "SELECT * FROM customers c JOIN countries k ON k.code = c.country WHERE c.id = $1")
    assert "which no foreign key declares" in pattern.reason


def test_tests_of_an_outer_joins_other_side_leave_our_rows_alone() -> None:
    pattern = pattern_of(SHOP, "SELECT * FROM orders o LEFT JOIN lines l ON l.order_id = o.id AND o.id = $1")
    assert pattern.pattern is PatternClass.NOT_FOR_DYNAMODB


def test_a_key_of_few_values_is_to_be_sharded() -> None:
    assert "only 6 values: shard" in pattern_of(SHOP, "SELECT * FROM orders WHERE status = $1").reason


def test_a_day_is_a_range() -> None:
    pattern = pattern_of(SHOP, "SELECT * FROM orders WHERE placed_at::date = $1")
    assert (pattern.pattern, pattern.keys, pattern.sort) == (PatternClass.NEEDS_GSI, (), "placed_at")


def test_or_of_one_column_is_a_list_and_of_many_an_ad_hoc_filter() -> None:
    assert pattern_of(SHOP, "SELECT * FROM orders WHERE id = $1 OR id = $2").batch
    many = " OR ".join(f"{column} = $1" for column in ("id", "customer_id", "status", "placed_at", "note") * 2)
    assert pattern_of(SHOP, f"SELECT * FROM orders WHERE {many}").alternative is Alternative.KEEP_IN_RDS


def test_the_sort_key_is_what_orders_first() -> None:
    assert pattern_of(SHOP, "SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at, id").sort == "placed_at"
    assert pattern_of(SHOP, "SELECT * FROM orders WHERE customer_id = $1 ORDER BY lower(note), id").sort is None


def test_locks_and_offsets_are_said() -> None:
    pattern = pattern_of(SHOP, "SELECT * FROM orders WHERE customer_id = $1 LIMIT 5 OFFSET 10 FOR UPDATE SKIP LOCKED")
    assert pattern.locks
    assert pattern.limit
    assert "FOR UPDATE becomes a condition" in pattern.reason
    assert "OFFSET becomes" in pattern.reason


def test_a_partition_is_its_table() -> None:
    parted = evidence_of(Known("events", "id at", "id", partitions=["events_2026"]))
    assert pattern_of(parted, "SELECT * FROM events_2026 WHERE id = 1").table == "events"


def test_every_statement_is_in_exactly_one_class() -> None:
    statements = [*CASES, *NOT_FOR_DYNAMODB, "BEGIN", "SELEC", "UPDATE orders SET note = 'x'"]
    found = patterns_of(SHOP, *statements)
    assert found.statements == len(statements) == sum(found.classes.values())
    assert sum(one.load.calls for one in found.patterns) == len(statements)
