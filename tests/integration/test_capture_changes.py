"""Which statements touch which items: every kind of statement, every way by which a row reaches an item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.captured_shop import Captured, captured, database, key

pytestmark = pytest.mark.integration

ROWS = (
    "INSERT INTO customers VALUES (1, 'Ann', 's'), (2, 'Bob', 's')",
    "INSERT INTO products VALUES (7, 'Pen', 3, '{\"a\": 1}'), (8, 'Ink', 4, NULL)",
    "INSERT INTO employees VALUES (1, 'Rae', 2), (2, 'Boss', NULL)",
    "INSERT INTO orders VALUES (10, 1, 'placed', 1, 5.0, 'u'), (11, 2, 'draft', NULL, NULL, 'u')",
    "INSERT INTO lines VALUES (10, 1, 7, 2, 'u'), (10, 2, 8, 0, 'u'), (11, 1, 7, 1, 'u')",
    "INSERT INTO labels VALUES (5, 'gift')",
    "INSERT INTO order_labels VALUES (10, 5)",
)

ORDER_10, ORDER_11, ORDER_20 = (key("order", order_id=n) for n in (10, 11, 20))
ANN, BOB = (key("customer", customer_id=n) for n in (1, 2))
PEN, INK = (key("product", product_id=n) for n in (7, 8))


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "capture_changes") as url:
        yield captured(url, tmp_path_factory.mktemp("changes"))


@pytest.fixture
def shop(installed: Captured) -> Captured:
    installed.refill(*ROWS)
    return installed


@pytest.mark.parametrize(
    ("statement", "touched"),
    [
        ("INSERT INTO orders VALUES (20, 1)", {ORDER_20, ANN}),
        ("UPDATE orders SET total = 6 WHERE order_id = 10", {ORDER_10}),
        ("UPDATE orders SET status = 'paid' WHERE order_id = 10", {ORDER_10, ANN}),
        ("DELETE FROM orders WHERE order_id = 10", {ORDER_10, ANN}),
        ("DELETE FROM customers WHERE customer_id = 1", {ORDER_10, ANN}),  # cascades to orders and lines
        ("UPDATE customers SET customer_id = 3 WHERE customer_id = 1", {ORDER_10, ANN, key("customer", customer_id=3)}),
        ("UPDATE orders SET order_id = 20 WHERE order_id = 10", {ORDER_10, ORDER_20, ANN}),
        ("UPDATE orders SET customer_id = 2 WHERE order_id = 10", {ORDER_10, ANN, BOB}),
        ("UPDATE lines SET order_id = 11 WHERE line_no = 2", {ORDER_10, ORDER_11}),
        ("UPDATE lines SET quantity = 0 WHERE order_id = 10 AND line_no = 1", {ORDER_10}),  # leaves the filter
        ("UPDATE orders SET status = 'draft' WHERE order_id = 10", {ORDER_10, ANN}),
        ("UPDATE orders SET total = 6 WHERE order_id = 11", {ORDER_11}),  # a draft; whether or not `where` holds
        ("DELETE FROM products WHERE product_id = 8", {INK, ORDER_10}),  # ON DELETE SET NULL
        ("UPDATE customers SET name = 'Anna' WHERE customer_id = 1", {ANN, ORDER_10}),
        ("UPDATE products SET name = 'Biro' WHERE product_id = 7", {PEN, ORDER_10, ORDER_11}),
        ("UPDATE products SET spec = '{\"a\":1}' WHERE product_id = 7", {PEN, ORDER_10, ORDER_11}),  # json has no =
        ("UPDATE products SET stock = 0 WHERE product_id = 7", {PEN}),
        ("UPDATE employees SET name = 'Rex' WHERE employee_id = 1", {ORDER_10}),
        ("UPDATE employees SET name = 'Rex' WHERE employee_id = 2", {ORDER_10}),
        ("UPDATE employees SET employee_id = 3 WHERE employee_id = 1", {ORDER_10}),
        ("INSERT INTO employees VALUES (3, 'New', 1)", set()),
        ("UPDATE labels SET word = 'GIFT'", {ORDER_10}),
        ("DELETE FROM order_labels", {ORDER_10}),
        ("INSERT INTO order_labels VALUES (NULL, 5)", set()),
        ("INSERT INTO order_labels VALUES (99, 5)", {key("order", order_id=99)}),  # of no order yet
        ("UPDATE orders SET total = 5.00 WHERE order_id = 10", {ORDER_10}),  # equal, but another text
        ("INSERT INTO customers VALUES (1, 'x') ON CONFLICT (customer_id) DO UPDATE SET name = 'y'", {ANN, ORDER_10}),
        ("INSERT INTO customers VALUES (1, 'x') ON CONFLICT DO NOTHING", set()),
        ("WITH gone AS (DELETE FROM lines WHERE line_no = 2 RETURNING *) INSERT INTO products SELECT 9, 'Nib'",
         {ORDER_10, key("product", product_id=9)}),
        ("MERGE INTO products p USING (VALUES (7), (9)) AS v(id) ON p.product_id = v.id"
         " WHEN MATCHED THEN UPDATE SET stock = 9 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'Nib')",
         {PEN, key("product", product_id=9)}),
    ],
)  # fmt: skip
def test_a_statement_touches_just_these_items(shop: Captured, statement: str, touched: set[object]) -> None:
    shop.run(statement)
    assert shop.touched() == touched


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET unused = 'v'",
        "UPDATE lines SET unused = 'v'",
        "UPDATE customers SET secret = 'v'",
        "UPDATE orders SET total = total, status = status",
        "UPDATE products SET spec = spec",
    ],
)
def test_an_update_of_nothing_that_is_used_touches_nothing(shop: Captured, statement: str) -> None:
    shop.run(statement)
    assert (shop.log(), shop.marks()) == ([], [])


def test_each_transaction_that_changes_an_item_adds_to_its_count(shop: Captured) -> None:
    shop.run(*["UPDATE orders SET total = total + 1 WHERE order_id = 10"] * 3)
    assert shop.log() == [ORDER_10] * 3


def test_what_is_rolled_back_was_never_there(shop: Captured) -> None:
    with shop.session() as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE orders SET total = 1")
        connection.execute("SAVEPOINT s")
        connection.execute("UPDATE products SET name = 'x'")
        connection.execute("ROLLBACK TO s")
        connection.execute("COMMIT")
    assert shop.touched() == {ORDER_10, ORDER_11}


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("DELETE FROM orders WHERE order_id = 10", {"10": {"order_id": "10", "customer_id": "1"}}),
        ("UPDATE orders SET customer_id = 2 WHERE order_id = 10", {"10": {"order_id": "10", "customer_id": "1"}}),
        ("UPDATE orders SET order_id = 20 WHERE order_id = 10", {"10": {"order_id": "10", "customer_id": "1"}}),
        ("UPDATE orders SET status = 'draft' WHERE order_id = 10", {"10": {"order_id": "10", "customer_id": "1"}}),
        ("UPDATE orders SET total = 9 WHERE order_id = 10", {}),
        ("INSERT INTO orders VALUES (20, 1)", {}),
        ("DELETE FROM products WHERE product_id = 8", {}),  # its key is made of the source key
    ],
)
def test_the_log_keeps_what_a_key_that_was_left_was_made_of(
    shop: Captured, statement: str, left: dict[str, object]
) -> None:
    """[an item that only a backfill has put, under a key that its row has left: nobody knew it any more]"""
    shop.run(statement)
    found = shop.ask("SELECT source_key::json->>'order_id', old FROM crossover.log WHERE old IS NOT NULL")
    assert dict(found) == left


def test_copy(shop: Captured) -> None:
    with shop.session() as connection, connection.cursor().copy("COPY lines FROM STDIN") as copy:
        copy.write("10\t3\t7\t1\tu\n11\t3\t8\t1\tu\n")
    assert set(shop.log()) == {ORDER_10, ORDER_11}


def test_truncate_marks_the_whole_table(shop: Captured) -> None:
    """[TRUNCATE fires no row trigger]"""
    shop.run("TRUNCATE lines")
    assert shop.marks() == [("order", "", None, None)]
    assert shop.touched() == {ORDER_10, ORDER_11}


def test_truncate_of_a_root_reaches_the_items_whose_rows_are_gone(shop: Captured) -> None:
    shop.run("UPDATE orders SET total = 1 WHERE order_id = 10", "TRUNCATE orders CASCADE")
    assert ORDER_10 in shop.touched()
    assert shop.log().count(ORDER_10) == 3  # of the update, of the row that goes, and of the mark
    assert {ANN, BOB} <= shop.touched()


def test_a_session_in_replica_role_is_captured(shop: Captured) -> None:
    """[session_replication_role = replica captures nothing]"""
    shop.run("SET session_replication_role = replica; UPDATE orders SET total = 9; TRUNCATE order_labels")
    assert set(shop.log()) == {ORDER_10, ORDER_11}
    assert shop.marks() == [("order", "", None, None)]


def test_a_row_moved_between_partitions_or_attached_later_is_captured(database_url: str, tmp_path: Path) -> None:
    shop = captured(
        database_url,
        tmp_path,
        "CREATE TABLE events (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        EVENTS,
    )
    shop.run(
        "CREATE TABLE events_2 (day date NOT NULL, what text, id int NOT NULL)",
        "ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        "INSERT INTO events VALUES (1, '2026-01-05')",
        "UPDATE events SET day = '2026-02-05'",
        "SET session_replication_role = replica; UPDATE events_2 SET what = 'x'",
        "TRUNCATE events_1",
        "TRUNCATE events",
    )
    january, february = (key("event", id=1, day=f"2026-0{month}-05") for month in (1, 2))
    assert shop.log() == [january, january, february, february]
    assert len(shop.marks()) == 3  # one of the parent, two of the partition that has a trigger for it


EVENTS = """
migration: events
target: {tables: {events: {partition_key: {name: pk, type: S}}}}
items: {event: {table: events, from: events, key: {pk: "{id}#{day}"}}}
"""


def test_heirs_are_captured_as_the_rows_of_their_parent(database_url: str, tmp_path: Path) -> None:
    shop = captured(
        database_url,
        tmp_path,
        "CREATE TABLE base (id int PRIMARY KEY, what text); CREATE TABLE heir (more text) INHERITS (base)",
        """
migration: heirs
target: {tables: {things: {partition_key: {name: pk, type: S}}}}
items: {thing: {table: things, from: base, key: {pk: "{id}"}}}
""",
    )
    shop.run("INSERT INTO heir VALUES (1, 'a', 'b')", "UPDATE base SET what = 'c'", "UPDATE heir SET more = 'c'")
    assert shop.log() == [key("thing", id=1)] * 2
    shop.run("TRUNCATE heir")
    assert shop.marks() == [("thing", "", None, None)]


HOSTILE_SCHEMA = r"""
CREATE SCHEMA "Önly 'here'";
CREATE TYPE "Önly 'here'".mood AS ENUM ('a''b', 'c"d\e');
CREATE DOMAIN "Önly 'here'".code AS text;
CREATE TABLE "Önly 'here'"."Größe %s $$ {x}" (
    "Schlüssel '%s'" "Önly 'here'".mood, "$capture$" "Önly 'here'".code, "new_key" int, a int, b int,
    stored int GENERATED ALWAYS AS (a + 1) STORED, computed int GENERATED ALWAYS AS (b + 1) VIRTUAL,
    PRIMARY KEY ("Schlüssel '%s'", "$capture$", "new_key")
);
"""

HOSTILE_MAPPING = """
migration: a-very-long-name-of-a-migration_with-sixty-three-letters-in-it
target: {tables: {tab: {partition_key: {name: pk, type: S}}}}
items:
  thing:
    table: tab
    from: {schema: "Önly 'here'", table: "Größe %s $$ {x}"}
    key: {pk: "{new_key}"}
    include: [stored, computed]
"""


def test_generated_columns_and_hostile_names(database_url: str, tmp_path: Path) -> None:
    shop = captured(database_url, tmp_path, HOSTILE_SCHEMA, HOSTILE_MAPPING)
    table = '''"Önly 'here'"."Größe %s $$ {x}"'''
    shop.run(
        f"INSERT INTO {table} VALUES ('c" + '"d\\e' + "', E'x\\ty', 1, 2, 3)",
        f"UPDATE {table} SET a = 5",
        f"UPDATE {table} SET b = 6",
        f"UPDATE {table} SET a = 5, b = 6",
    )
    assert shop.log() == [key("thing", **{"Schlüssel '%s'": 'c"d\\e', "$capture$": "x\ty", "new_key": 1})] * 3
    assert shop.status().gaps == ()
