"""Items read online from a real PostgreSQL, against items that the test builds itself from the rows it wrote."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.sql import Composed

from pipelines.errors import SourceError
from pipelines.items.encode import default_encoding
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Encoding
from pipelines.mapping.catalog import Catalog, Table, TableRef
from pipelines.mapping.outcome import Absent, Assembled, Rejected
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    EmbedPlan,
    EmbedValue,
    Format,
    IndexKey,
    ItemPlan,
    KeyAttribute,
    KeyType,
    Nulls,
    OrderTerm,
    Placeholder,
    RowPlan,
    Shape,
    Template,
    TemplateValue,
)
from pipelines.mapping.predicate import Compare, Comparison
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.online import read_items

pytestmark = pytest.mark.integration

SCHEMA = """
CREATE TABLE customers (region text, number int, name text, note text, PRIMARY KEY (region, number));
CREATE TABLE orders (
    id int8 PRIMARY KEY, region text, number int, placed timestamptz, state text, "odd %s name" numeric
);
CREATE TABLE lines (order_id int4, line_no int2, sku varchar(12), price numeric(12,4), PRIMARY KEY (order_id, line_no));
CREATE TABLE products (sku text, label text, colours text[]);
"""

NAMES = ["Ann", "", 'O"Brien', "Zoë 漢😀", "tab\tand\x01control", "back\\slash", "a#b", None]
SKUS = ["S-1", "s-1", "S 2", "{x}", 'q"', "NULL", "", None]


@dataclass
class Shop:
    """The rows as they were written."""

    customers: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)


def random_shop(seed: int) -> Shop:
    choose = random.Random(seed)
    shop = Shop()
    places: list[tuple[str | None, int | None]] = [(None, 1), ("north", None), ("nowhere", 9)]
    for region in ("north", "sö#uth", "NULL"):
        for number in range(4):
            row = {"name": choose.choice(NAMES), "note": choose.choice(["x", None])}
            shop.customers[region, number] = row
    for id in range(1, 40):
        home, place = choose.choice([*shop.customers, *places])
        state = choose.choice(["paid", "draft", "sent", None])
        amount = choose.choice([None, Decimal("1.50"), Decimal("-0.00"), Decimal("1E+20")])
        shop.orders.append(
            {"id": id, "region": home, "number": place, "state": state, "odd": amount, "minute": id % 60}
        )
        for line_no in choose.sample(range(10), choose.randint(0, 6)):
            price = choose.choice([None, Decimal("9.9"), Decimal("10"), Decimal("9.90"), Decimal("-1.2500")])
            shop.lines.append({"order_id": id, "line_no": line_no, "sku": choose.choice(SKUS), "price": price})
    for sku in ("S-1", "s-1", "{x}", "NULL", ""):
        shop.products.append(
            {"sku": sku, "label": choose.choice(NAMES), "colours": choose.choice([None, [], ["b", None]])}
        )
    choose.shuffle(shop.lines)
    return shop


def write(connection: psycopg.Connection[TupleRow], shop: Shop) -> None:
    cursor = connection.cursor()
    for (region, number), row in shop.customers.items():
        cursor.execute("INSERT INTO customers VALUES (%s, %s, %s, %s)", (region, number, row["name"], row["note"]))
    for order in shop.orders:
        placed = f"2026-11-24 08:{order['minute']:02}:01.5+00"
        values = (order["id"], order["region"], order["number"], placed, order["state"], order["odd"])
        cursor.execute("INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s)", values)
    for line in shop.lines:
        cursor.execute("INSERT INTO lines VALUES (%s, %s, %s, %s)", tuple(line.values()))
    for product in shop.products:
        cursor.execute("INSERT INTO products VALUES (%s, %s, %s)", tuple(product.values()))
    connection.commit()


@pytest.fixture
def writer(database_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA)
        connection.commit()
        yield connection


@pytest.fixture
def reader(database_url: str, writer: psycopg.Connection[TupleRow]) -> Iterator[psycopg.Connection[TupleRow]]:
    connection = connect(database_url)
    yield connection
    connection.close()


def table(catalog: Catalog, name: str) -> Table:
    found = catalog.table(TableRef(schema_name="public", table=name))
    assert found is not None
    return found


def column(table: Table, name: str, encoding: Encoding | None = None) -> ColumnValue:
    found = table.column(name)
    assert found is not None
    return ColumnValue(name, found.type, encoding or default_encoding(found.type))


def placeholder(table: Table, name: str, path: tuple[str, ...] = (), format: Format | None = None) -> Placeholder:
    return Placeholder(path, name, column(table, name).type, format)


def row(table: Table, names: dict[str, str], *embeds: EmbedPlan, extra: tuple[Attribute, ...] = ()) -> RowPlan:
    """`names`: attribute → column. Embeds that are not hidden become attributes of their own name."""
    attributes = [Attribute(name, column(table, source), Nulls.ABSENT) for name, source in names.items()]
    attributes += [Attribute(e.name, EmbedValue(e.name), Nulls.ABSENT) for e in embeds if not e.hidden]
    ordered = tuple(sorted([*attributes, *extra], key=lambda attribute: attribute.name))
    return RowPlan(table, tuple(c.name for c in table.columns), None, ordered, embeds)


def embed(
    name: str,
    plan: RowPlan,
    on: dict[str, str],
    shape: Shape = Shape.MAP,
    order_by: tuple[OrderTerm, ...] = (),
    limit: int | None = None,
    hidden: bool = False,
    value: ColumnValue | TemplateValue | None = None,
) -> EmbedPlan:
    return EmbedPlan(name, shape, plan, tuple(on.items()), order_by, limit, hidden, value)


def by(table: Table, name: str, descending: bool = False) -> OrderTerm:
    return OrderTerm(name, column(table, name).type, descending)


def order_item(catalog: Catalog) -> ItemPlan:
    """Orders with a map, a list of maps of maps (dearest first, at most 4), a set, and a hidden map."""
    orders, lines = table(catalog, "orders"), table(catalog, "lines")
    customers, products = table(catalog, "customers"), table(catalog, "products")
    product = embed("product", row(products, {"label": "label", "colours": "colours"}), {"sku": "sku"})
    all_lines = embed(
        "lines",
        row(lines, {"n": "line_no", "price": "price", "sku": "sku"}, product),
        {"order_id": "id"},
        Shape.LIST,
        (by(lines, "price", descending=True), by(lines, "line_no")),
        limit=4,
    )
    numbers = embed(
        "numbers",
        row(lines, {}),
        {"order_id": "id"},
        Shape.SET,
        (by(lines, "line_no"),),
        value=column(lines, "line_no"),
    )
    on = {"region": "region", "number": "number"}
    customer = embed("customer", row(customers, {"name": "name"}), on)
    buyer = embed("buyer", row(customers, {}), on, hidden=True)
    template = TemplateValue(Template("{buyer.name}!", (placeholder(customers, "name", ("buyer",)), "!")))
    root = row(
        orders,
        {"odd": "odd %s name", "placed": "placed"},
        all_lines,
        numbers,
        customer,
        buyer,
        extra=(Attribute("gsi1pk", template, Nulls.ABSENT),),
    )
    state = column(orders, "state").type
    key = TemplateValue(Template("ORDER#{id:04}", ("ORDER#", placeholder(orders, "id", format=Format(pad=4)))))
    return ItemPlan(
        name="order",
        table="shop",
        key=(KeyAttribute("pk", KeyType.S, key), KeyAttribute("sk", KeyType.N, column(orders, "id"))),
        root=RowPlan(
            orders, root.columns, Compare("state", state, Comparison.NE, "draft"), root.attributes, root.embeds
        ),
        index_keys=(IndexKey("gsi1pk", KeyType.S, 2048),),
        sensitive=frozenset(),
        key_sensitive=False,
    )


def expected_order(shop: Shop, order: dict[str, Any]) -> dict[str, Any] | None:
    if order["state"] in ("draft", None):
        return None
    item: dict[str, Any] = {
        "pk": {"S": f"ORDER#{order['id']:04}"},
        "sk": {"N": str(order["id"])},
        "placed": {"S": f"2026-11-24T08:{order['minute']:02}:01.500000Z"},
    }
    if order["odd"] is not None:
        item["odd"] = {"N": plain(order["odd"])}
    customer = shop.customers.get((order["region"], order["number"]))
    if customer is not None:
        item["customer"] = {"M": {} if customer["name"] is None else {"name": {"S": customer["name"]}}}
        if customer["name"] is not None:
            item["gsi1pk"] = {"S": customer["name"] + "!"}
    lines = [line for line in shop.lines if line["order_id"] == order["id"]]
    dearest = sorted(lines, key=dearest_first)
    item["lines"] = {"L": [{"M": expected_line(shop, line)} for line in dearest[:4]]}
    if lines:
        item["numbers"] = {"NS": sorted(str(line["line_no"]) for line in lines)}
    return item


def dearest_first(line: dict[str, Any]) -> tuple[bool, Decimal, int]:
    return line["price"] is None, -(line["price"] or Decimal(0)), line["line_no"]


def expected_line(shop: Shop, line: dict[str, Any]) -> dict[str, Any]:
    expected: dict[str, Any] = {"n": {"N": str(line["line_no"])}}
    if line["price"] is not None:
        expected["price"] = {"N": plain(line["price"])}
    if line["sku"] is not None:
        expected["sku"] = {"S": line["sku"]}
    for product in shop.products:
        if product["sku"] == line["sku"]:
            members: dict[str, Any] = {}
            if product["label"] is not None:
                members["label"] = {"S": product["label"]}
            if product["colours"] is not None:
                members["colours"] = {"L": [{"S": c} if c else {"NULL": True} for c in product["colours"]]}
            expected["product"] = {"M": members}
    return expected


def plain(number: Decimal) -> str:
    return {"1.50": "1.5", "0.00": "0", "-0.00": "0", "1E+20": "1" + "0" * 20, "9.9": "9.9", "9.90": "9.9"}.get(
        str(number), {Decimal("10"): "10", Decimal("-1.25"): "-1.25"}.get(number, "?")
    )


def catalog_of(reader: psycopg.Connection[TupleRow]) -> Catalog:
    names = ("customers", "orders", "lines", "products")
    return read_catalog(reader, [TableRef(schema_name="public", table=name) for name in names])


@pytest.mark.parametrize("seed", range(5))
def test_items_are_what_the_rows_say(
    writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow], seed: int
) -> None:
    shop = random_shop(seed)
    write(writer, shop)
    keys = [{"id": str(order["id"])} for order in shop.orders] + [{"id": "9999"}]
    random.Random(seed).shuffle(keys)
    found = read_items(reader, order_item(catalog_of(reader)), keys)
    assert [item.source_key for item in found] == [json.dumps(key, separators=(",", ":")) for key in keys]
    expected = {order["id"]: expected_order(shop, order) for order in shop.orders}
    for key, item in zip(keys, found, strict=True):
        wanted = expected.get(int(key["id"]))
        if wanted is None:
            assert item.outcome == Absent()
        else:
            assert isinstance(item.outcome, Assembled)
            assert json.loads(item.outcome.item) == wanted
            assert json.loads(item.outcome.key) == {name: wanted[name] for name in ("pk", "sk")}
            assert item.outcome.table == "shop"


def test_one_query_a_table_whatever_the_number_of_keys(
    writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = random_shop(1)
    write(writer, shop)
    plan = order_item(catalog_of(reader))
    queries: list[object] = []
    execute = reader.execute

    def counted(query: Composed) -> psycopg.Cursor[TupleRow]:
        queries.append(query)
        return execute(query)

    monkeypatch.setattr(reader, "execute", counted)
    read_items(reader, plan, [{"id": str(order["id"])} for order in shop.orders])
    assert len(queries) == 6  # orders, lines, products, lines again for the set, customers twice


def test_all_tables_are_read_in_the_callers_snapshot(
    writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow]
) -> None:
    shop = random_shop(2)
    write(writer, shop)
    plan = order_item(catalog_of(reader))  # begins the transaction
    keys = [{"id": str(order["id"])} for order in shop.orders]
    before = read_items(reader, plan, keys)
    writer.execute("UPDATE lines SET price = 77")
    writer.execute("DELETE FROM products")
    writer.commit()
    assert read_items(reader, plan, keys) == before
    reader.rollback()
    assert read_items(reader, plan, keys) != before


def test_a_map_with_two_rows_is_a_reject(
    writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow]
) -> None:
    writer.execute("INSERT INTO orders VALUES (1, NULL, NULL, NULL, 'paid', NULL)")
    writer.execute("INSERT INTO lines VALUES (1, 1, 'a', 5), (1, 2, 'b', 4)")
    writer.execute("INSERT INTO products VALUES ('b', 'x', NULL), ('b', 'y', NULL)")
    writer.commit()
    (found,) = read_items(reader, order_item(catalog_of(reader)), [{"id": "1"}])
    assert isinstance(found.outcome, Rejected)
    assert found.outcome.reason is RejectReason.MAP_WITH_TWO_PARENTS
    assert found.outcome.attribute == "lines[1].product"
    assert found.outcome.key == '{"pk":{"S":"ORDER#0001"},"sk":{"N":"1"}}'


def test_the_key_is_judged_first(writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow]) -> None:
    writer.execute("INSERT INTO orders VALUES (12345, NULL, NULL, 'infinity', 'paid', 'NaN')")
    writer.commit()
    (found,) = read_items(reader, order_item(catalog_of(reader)), [{"id": "12345"}])
    assert isinstance(found.outcome, Rejected)
    assert (found.outcome.reason, found.outcome.attribute) == (RejectReason.TEMPLATE_OVERFLOW, "pk")
    assert found.outcome.key is None


def test_then_attributes_by_name(writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow]) -> None:
    writer.execute("INSERT INTO orders VALUES (1, NULL, NULL, 'infinity', 'paid', 'NaN')")
    writer.commit()
    (found,) = read_items(reader, order_item(catalog_of(reader)), [{"id": "1"}])
    assert isinstance(found.outcome, Rejected)
    assert (found.outcome.reason, found.outcome.attribute) == (RejectReason.NOT_A_NUMBER, "odd")


@pytest.mark.parametrize(
    ("source_key", "message"),
    [
        ({}, "a source key has the columns id"),
        ({"id": "1", "more": "2"}, "a source key has the columns id"),
    ],
)
def test_source_keys_that_are_none(
    reader: psycopg.Connection[TupleRow], source_key: dict[str, str], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read_items(reader, order_item(catalog_of(reader)), [source_key])


@pytest.mark.parametrize("text", ["one", "", "01", "1\0", "99999999999999999999", "1.0", "'); --"])
def test_a_key_that_no_row_can_have_is_absent(reader: psycopg.Connection[TupleRow], text: str) -> None:
    (found,) = read_items(reader, order_item(catalog_of(reader)), [{"id": text}])
    assert found.outcome == Absent()


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        ("day date", ["2026-02-30", "0000-01-01", "20260228", "2026-02-28T00:00:00", "5874898-01-01", "4714-11-23 BC"]),
        ("at timestamp", ["2026-02-28T24:30:00.000000", "2026-02-28", "2026-02-28T10:00:00Z", "294277-01-01 00:00:00"]),
        ("at timestamptz", ["2026-02-30T10:00:00.000000Z", "2026-02-28T10:00:00.000000", "2026-02-28 10:00:00+23:59"]),
        ("price numeric", ["a", "", "1e3", "1.", "0x10", "1" * 131_073]),
        ("ratio float8", ["a", "--1"]),
        ("kept bool", ["", "t ", "2"]),
        ("digest bytea", ["\\x0", "\\xzz", "é", "\\"]),
    ],
)
def test_a_key_that_no_value_of_its_type_has_is_absent(
    writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow], column: str, texts: list[str]
) -> None:
    """One of them would fail the reading of all."""
    name = column.split()[0]
    writer.execute(f"CREATE TABLE rows ({column} PRIMARY KEY)".encode())
    writer.commit()
    (table,) = read_catalog(reader, [TableRef(schema_name="public", table="rows")]).tables
    value = ColumnValue(name, table.columns[0].type, Encoding.TEXT)
    row = RowPlan(table, (name,), None, (), ())
    item = ItemPlan("row", "rows", (KeyAttribute("pk", KeyType.S, value),), row, (), frozenset(), key_sensitive=False)
    assert [one.outcome for one in read_items(reader, item, [{name: text} for text in texts])] == [Absent()] * len(
        texts
    )


def test_a_table_that_went_away(writer: psycopg.Connection[TupleRow], reader: psycopg.Connection[TupleRow]) -> None:
    plan = order_item(catalog_of(reader))
    reader.rollback()
    writer.execute("INSERT INTO orders VALUES (1, NULL, NULL, NULL, 'paid', NULL)")
    writer.execute("DROP TABLE products, lines")
    writer.commit()
    with pytest.raises(SourceError, match=r"public\.lines could not be read: it does not exist any more"):
        read_items(reader, plan, [{"id": "1"}])
