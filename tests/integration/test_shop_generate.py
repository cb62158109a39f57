"""The example shop's generator: the same rows each time, and everything awkward among them."""

from __future__ import annotations

import psycopg
import pytest

from examples.shop.generate import SEED, ShopRows, load
from pipelines.errors import SourceError

pytestmark = pytest.mark.integration

TABLES = ("categories", "products", "customers", "addresses", "orders", "order_items", "payments", "reviews")

# md5 of the rows of scale 0.1 and the default seed. They may change with the generator, never with the machine.
CONTENT = "c0765d1ba93f88bd68c1b29ecb670421"

AWKWARD = {
    "an empty text": "SELECT count(*) FROM customers WHERE name = ''",
    "a tab and a newline": "SELECT count(*) FROM orders WHERE note ~ '\\t' OR note ~ '\\n'",
    "control characters": "SELECT count(*) FROM reviews WHERE body ~ E'[\\x01\\x1f\\x7f]'",
    "a quote": "SELECT count(*) FROM customers WHERE name LIKE '%\"%'",
    "a backslash": "SELECT count(*) FROM customers WHERE strpos(name, E'\\\\') > 0",
    "Greek": "SELECT count(*) FROM customers WHERE strpos(name, 'Ελένη') > 0",
    "Chinese": "SELECT count(*) FROM customers WHERE strpos(name, '王') > 0",
    "an emoji": "SELECT count(*) FROM customers WHERE strpos(name, '🎉') > 0",
    "a combining mark": "SELECT count(*) FROM customers WHERE strpos(name, U&'\\0301') > 0",
    "right to left": "SELECT count(*) FROM customers WHERE strpos(name, 'مرحبا') > 0",
    "a key with its separator": "SELECT count(*) FROM reviews WHERE strpos(handle, '#') > 0",
    "a key with a percent sign": "SELECT count(*) FROM reviews WHERE strpos(handle, '%') > 0",
    "a text of an index key that is empty": "SELECT count(*) FROM products WHERE name = ''",
    "a NULL": "SELECT count(*) FROM orders WHERE tags IS NULL",
    "an empty array": "SELECT count(*) FROM orders WHERE cardinality(tags) = 0",
    "a NULL in an array": "SELECT count(*) FROM order_items WHERE array_position(options, NULL) IS NOT NULL",
    "no bytes": "SELECT count(*) FROM products WHERE thumbnail = ''",
    "every digit of 38": "SELECT count(*) FROM products WHERE cost = 12345678901234567890123456789012345678",
    "trailing zeros": "SELECT count(*) FROM products WHERE cost::text = '-1.500000'",
    "an integer beyond a double's": "SELECT count(*) FROM products WHERE stock = 9223372036854775807",
    "a refund": "SELECT count(*) FROM payments WHERE amount < 0",
    "a JSON null": "SELECT count(*) FROM orders WHERE payload::text = 'null'",
    "a deep document": "SELECT count(*) FROM orders WHERE payload::text LIKE repeat('{\"a\": [', 5) || '%'",
    "a NUL escaped in JSON": "SELECT count(*) FROM payments WHERE strpos(details::text, E'\\\\u0000') > 0",
    "just before midnight": "SELECT count(*) FROM orders WHERE placed_at::text LIKE '%59.999999+00'",
    "the hour that comes twice": "SELECT count(*) FROM orders WHERE placed_at = '2024-10-27 00:30:00+00'",
    "before 1970": "SELECT count(*) FROM customers WHERE last_seen < '1970-01-01'",
    "the first year": "SELECT count(*) FROM customers WHERE birth_date = '0001-01-01'",
    "the last year": "SELECT count(*) FROM customers WHERE birth_date = '9999-12-31'",
    "infinity": "SELECT count(*) FROM products WHERE sold_until = 'infinity'",
    "a draft": "SELECT count(*) FROM orders WHERE status = 'draft'",
    "a cancelled line": "SELECT count(*) FROM order_items WHERE cancelled_at IS NOT NULL",
    "an order without lines": (
        "SELECT count(*) FROM orders o WHERE NOT EXISTS "
        "(SELECT FROM order_items i WHERE i.order_id = o.order_id AND i.cancelled_at IS NULL)"
    ),
    "a payment beyond the limit": (
        "SELECT count(*) FROM (SELECT FROM payments GROUP BY order_id HAVING count(*) > 3) AS crowded"
    ),
    "a customer without an address": (
        "SELECT count(*) FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM addresses)"
    ),
    "a review written again": "SELECT count(*) FROM reviews WHERE edition > 0",
    "a third level": (
        "SELECT count(*) FROM categories c JOIN categories p ON p.category_id = c.parent_id "
        "WHERE p.parent_id IS NOT NULL"
    ),
}


def test_the_same_seed_gives_the_same_shop(database_url: str) -> None:
    load(database_url, 0.1)
    assert content(database_url) == CONTENT


def test_another_seed_gives_another_shop(database_url: str) -> None:
    load(database_url, 0.1, seed=SEED + 1)
    assert content(database_url) != CONTENT


def test_the_rows_are_counted(database_url: str) -> None:
    loaded = load(database_url, 0.02)
    with psycopg.connect(database_url) as connection:
        counted = ShopRows(**{table: _count(connection, f"SELECT count(*) FROM {table}") for table in TABLES})
    assert loaded == counted
    assert min(loaded.values()) > 0


def test_scale_one_has_about_eight_thousand_items_and_everything_awkward(database_url: str) -> None:
    rows = load(database_url)
    with psycopg.connect(database_url, options="-c TimeZone=UTC") as connection:
        lacking = [what for what, query in AWKWARD.items() if not _count(connection, query)]
        drafts = _count(connection, AWKWARD["a draft"])
    assert lacking == []
    items = rows.customers + rows.orders - drafts + 2 * rows.products + rows.reviews + rows.categories
    assert 7_500 < items < 8_500


def test_a_second_shop_in_one_database_is_refused(database_url: str) -> None:
    load(database_url, 0.01)
    with pytest.raises(SourceError, match="give it an empty one"):
        load(database_url, 0.01)


def content(url: str) -> str:
    """One md5 over all rows of all tables."""
    sums = " || ".join(
        f"(SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\")) FROM {table} t)" for table in TABLES
    )
    with psycopg.connect(url, options="-c TimeZone=UTC") as connection:
        row = connection.execute(f"SELECT md5({sums})".encode()).fetchone()
    assert row is not None
    return str(row[0])


def _count(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
