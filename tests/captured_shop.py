"""A small shop whose changes are captured: every way by which a row reaches an item, and what each item is, in SQL
that shares nothing with the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.capture import CaptureStatus, capture_status, install_capture
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.marks import expand_marks
from pipelines.source.ledger.steps import connect_writable

SCHEMA = """
CREATE TABLE customers (customer_id bigint PRIMARY KEY, name text, secret text);
CREATE TABLE products (product_id int PRIMARY KEY, name text, stock int, spec json);
CREATE TABLE employees (employee_id int PRIMARY KEY, name text, boss_id int);
CREATE TABLE orders (
    order_id bigint PRIMARY KEY, customer_id bigint REFERENCES customers ON UPDATE CASCADE ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'placed', rep_id int, total numeric, unused text
);
CREATE TABLE lines (
    order_id bigint REFERENCES orders ON UPDATE CASCADE ON DELETE CASCADE, line_no int,
    product_id int REFERENCES products ON DELETE SET NULL, quantity int, unused text, PRIMARY KEY (order_id, line_no)
);
CREATE TABLE order_labels (order_id bigint, label_id int, UNIQUE (order_id, label_id));
CREATE TABLE labels (label_id int PRIMARY KEY, word text);
"""

TABLES = ("lines", "order_labels", "orders", "customers", "products", "employees", "labels")

MAPPING = """
migration: small
target:
  tables: {small: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}
items:
  order:
    table: small
    from: orders
    where: "status <> 'draft'"
    key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{order_id}"}
    exclude: [unused]
    types: {total: text}
    embed:
      lines:
        from: lines
        where: "quantity > 0"
        on: {order_id: order_id}
        as: list
        exclude: [unused]
        embed:
          product: {from: products, on: {product_id: product_id}, as: map, include: [name, spec]}
      customer: {from: customers, on: {customer_id: customer_id}, as: map, include: [name]}
      rep:
        from: employees
        on: {employee_id: rep_id}
        as: map
        include: [name]
        embed:
          boss: {from: employees, on: {employee_id: boss_id}, as: map, include: [name]}
      words:
        from: order_labels
        on: {order_id: order_id}
        as: list
        order_by: [label_id]
        value: "{label.word}"
        embed:
          label: {from: labels, on: {label_id: label_id}, as: map, hidden: true}
  customer:
    table: small
    from: customers
    key: {pk: "CUSTOMER#{customer_id}", sk: "PROFILE"}
    exclude: [secret]
    embed:
      orders: {from: orders, on: {customer_id: customer_id}, as: list, include: [order_id, status]}
  product:
    table: small
    from: products
    key: {pk: "PRODUCT#{product_id}", sk: "DETAILS"}
"""

ITEMS = {
    "order": """
        SELECT json_build_object('order_id', o.order_id::text)::text, json_build_object(
            'customer_id', o.customer_id, 'status', o.status, 'rep_id', o.rep_id, 'total', o.total::text,
            'lines', (SELECT json_agg(json_build_object('no', l.line_no, 'product', l.product_id, 'n', l.quantity,
                'what', (SELECT json_agg(json_build_object('name', p.name, 'spec', p.spec::text))
                         FROM public.products p WHERE p.product_id = l.product_id)) ORDER BY l.line_no)
                      FROM public.lines l WHERE l.order_id = o.order_id AND l.quantity > 0),
            'customer', (SELECT c.name FROM public.customers c WHERE c.customer_id = o.customer_id),
            'rep', (SELECT json_build_object('name', e.name, 'boss_id', e.boss_id, 'boss',
                    (SELECT b.name FROM public.employees b WHERE b.employee_id = e.boss_id))
                    FROM public.employees e WHERE e.employee_id = o.rep_id),
            'words', (SELECT json_agg((SELECT w.word FROM public.labels w WHERE w.label_id = ol.label_id)
                                      ORDER BY ol.label_id)
                      FROM public.order_labels ol WHERE ol.order_id = o.order_id))::text
        FROM public.orders o WHERE o.status <> 'draft'""",
    "customer": """
        SELECT json_build_object('customer_id', c.customer_id::text)::text, json_build_object('name', c.name,
            'orders', (SELECT json_agg(json_build_object('id', o.order_id, 'status', o.status) ORDER BY o.order_id)
                       FROM public.orders o WHERE o.customer_id = c.customer_id))::text
        FROM public.customers c""",
    "product": """
        SELECT json_build_object('product_id', p.product_id::text)::text,
               json_build_object('name', p.name, 'stock', p.stock, 'spec', p.spec::text)::text
        FROM public.products p""",
}

Key = tuple[str, str]
"""Item type and source key."""


@dataclass(frozen=True)
class Captured:
    """A database with a migration's capture installed."""

    url: str
    migration: Migration

    def status(self) -> CaptureStatus:
        return capture_status(self.migration, self.url)

    @contextmanager
    def session(self, isolation: str = "read committed") -> Iterator[Connection[TupleRow]]:
        """An application's: in no transaction yet, and one that has nothing of ours set."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"SET default_transaction_isolation TO '{isolation}'".encode())
            yield connection

    def run(self, *statements: str) -> None:
        with self.session() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ask(self, query: str) -> list[TupleRow]:
        with self.session() as connection:
            return connection.execute(query.encode()).fetchall()

    def log(self) -> list[Key]:
        """Every row, a key as often as it was touched."""
        return [
            (item_type, canonical(key))
            for item_type, key in self.ask("SELECT item_type, source_key FROM crossover.log ORDER BY 1, 2")
        ]

    def marks(self) -> list[tuple[str, str, Any, Any]]:
        return [
            tuple(row)
            for row in self.ask("SELECT item_type, path, old_link, new_link FROM crossover.mark ORDER BY 1, 2, 3, 4")
        ]

    def plan(self) -> MigrationPlan:
        with connect_writable(self.url) as connection:
            mapping = self.migration.mapping
            return compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))

    def expand(self) -> int:
        """How many marks there were."""
        plan = self.plan()
        with connect_writable(self.url) as connection:
            return expand_marks(connection, plan).marks

    def touched(self) -> set[Key]:
        """Items that the log names once the marks are expanded."""
        self.expand()
        return set(self.log())

    def forget(self) -> None:
        self.run("DELETE FROM crossover.log", "DELETE FROM crossover.mark", "DELETE FROM crossover.item")

    def refill(self, *statements: str) -> None:
        """The small shop's tables hold what the statements put there, and the ledger has heard of nothing."""
        self.run(*(f"DELETE FROM {table}" for table in TABLES), *statements)
        self.forget()


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """URL of an empty database, for several tests."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield server.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def captured(url: str, folder: Path, schema: str = SCHEMA, mapping: str = MAPPING) -> Captured:
    """Runs the schema and installs the mapping's capture."""
    migration = opened(folder, mapping)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(schema.encode())
    install_capture(migration, url)
    return Captured(url, migration)


def opened(folder: Path, mapping: str = MAPPING, name: str = "mapping.yaml") -> Migration:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.write_text(mapping, encoding="utf-8")
    return Migration.open(path, folder / "warehouse")


def items(connection: Connection[TupleRow]) -> dict[Key, str]:
    """Every item of the small shop as it is now, by the SQL above."""
    return {
        (item_type, canonical(key)): content
        for item_type, query in ITEMS.items()
        for key, content in connection.execute(query.encode())
    }


def canonical(source_key: str) -> str:
    return json.dumps(json.loads(source_key), ensure_ascii=False, separators=(",", ":"))


def key(item_type: str, **columns: object) -> Key:
    return item_type, canonical(json.dumps({name: str(value) for name, value in columns.items()}))
