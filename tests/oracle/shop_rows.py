"""The example shop's rows by plain SQL: what PostgreSQL holds, as plain Python values.

Numbers come as int or Decimal, floats as the Decimal of the text that PostgreSQL prints, JSON as text (so that an
SQL NULL and a JSON null stay apart), dates that may be infinite as text, everything else as psycopg gives it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

_CATEGORIES = "SELECT category_id, parent_id, slug, name, position FROM categories ORDER BY category_id"
_PRODUCTS = """
SELECT product_id, category_id, sku, name, brand, description, price, cost, weight_kg::text AS weight_kg,
       rating::text AS rating, stock, in_stock, launched_on, sold_until::text AS sold_until, legacy_code,
       search_words, pack_sizes, dimensions_mm, attributes::text AS attributes, thumbnail, changed_at
FROM products ORDER BY product_id
"""
_CUSTOMERS = """
SELECT customer_id, public_id, name, email, phone, birth_date, country, newsletter, interests,
       preferences::text AS preferences, balance, avatar, last_seen, created
FROM customers ORDER BY customer_id
"""
_ADDRESSES = """
SELECT address_id, customer_id, label, street, city, postcode, country, is_default, latitude, longitude
FROM addresses ORDER BY address_id
"""
_ORDERS = """
SELECT order_id, customer_id, address_id, status, contact_email, currency, shipping_cost,
       discount::text AS discount, gift, note, tags, payload::text AS payload, signature, deliver_on, placed_at,
       updated_at, expires_at
FROM orders WHERE status <> 'draft' ORDER BY order_id
"""
_LINES = """
SELECT order_id, line_no, product_id, quantity, price, engraving, options
FROM order_items WHERE cancelled_at IS NULL ORDER BY order_id, line_no
"""
_PAYMENTS = """
SELECT payment_id, order_id, method, amount, succeeded, paid_at, details::text AS details
FROM payments ORDER BY payment_id
"""
_REVIEWS = """
SELECT product_id, handle, edition, customer_id, stars, title, body, published, metadata, posted_at
FROM reviews ORDER BY product_id, handle COLLATE "C", edition
"""


@dataclass(frozen=True)
class ShopTables:
    """Rows by their own key, or by the key of what they belong to. Drafts and cancelled lines are not here."""

    categories: dict[int, Row]
    children: dict[int, list[Row]]
    products: dict[int, Row]
    products_of_category: dict[int, list[Row]]
    customers: dict[int, Row]
    addresses: dict[int, Row]
    addresses_of_customer: dict[int, list[Row]]
    orders: dict[int, Row]
    orders_of_customer: dict[int, list[Row]]
    lines: dict[int, list[Row]]
    payments: dict[int, list[Row]]
    reviews: list[Row]
    reviews_of_product: dict[int, list[Row]]


def read_shop(url: str) -> ShopTables:
    with psycopg.connect(url, row_factory=dict_row, options="-c TimeZone=UTC") as connection:

        def read(query: str) -> list[Row]:
            return connection.execute(query.encode()).fetchall()

        categories, products, addresses = read(_CATEGORIES), read(_PRODUCTS), read(_ADDRESSES)
        orders, reviews, customers = read(_ORDERS), read(_REVIEWS), read(_CUSTOMERS)
        lines, payments = read(_LINES), read(_PAYMENTS)
    for product in products:
        product["rating"] = None if product["rating"] is None else Decimal(product["rating"])
        product["weight_kg"] = None if product["weight_kg"] is None else Decimal(product["weight_kg"])
    return ShopTables(
        categories=_by(categories, "category_id"),
        children=_grouped(categories, "parent_id"),
        products=_by(products, "product_id"),
        products_of_category=_grouped(products, "category_id"),
        customers=_by(customers, "customer_id"),
        addresses=_by(addresses, "address_id"),
        addresses_of_customer=_grouped(addresses, "customer_id"),
        orders=_by(orders, "order_id"),
        orders_of_customer=_grouped(orders, "customer_id"),
        lines=_grouped(lines, "order_id"),
        payments=_grouped(payments, "order_id"),
        reviews=reviews,
        reviews_of_product=_grouped(reviews, "product_id"),
    )


def in_order(rows: Sequence[Row], *terms: str) -> list[Row]:
    """By the terms, `-name` descending; NULLs last either way; rows that are equal keep the order they came in,
    which is that of the primary key."""
    result = list(rows)
    for term in reversed(terms):
        name = term.removeprefix("-")
        known = [row for row in result if row[name] is not None]
        unknown = [row for row in result if row[name] is None]
        result = sorted(known, key=lambda row: row[name], reverse=term.startswith("-")) + unknown
    return result


def _by(rows: Sequence[Row], column: str) -> dict[int, Row]:
    return {row[column]: row for row in rows}


def _grouped(rows: Sequence[Row], column: str) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return groups
