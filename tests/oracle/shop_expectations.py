"""What each item of the example shop must be, written by hand: one function an item type, one line an attribute.

It knows the shop's tables and what the DynamoDB side is meant to look like, and nothing else: neither the mapping
file nor the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.oracle.plain_values import (
    ABSENT,
    Absent,
    day,
    digits,
    escaped,
    folded,
    if_any,
    itself,
    json_document,
    local_moment,
    millis,
    moment,
    nonempty_set,
    number,
    numbers,
    seconds,
)
from tests.oracle.shop_rows import Row, ShopTables, in_order

PlainItem = dict[str, Any]


def expected_items(shop: ShopTables) -> Iterator[tuple[str, PlainItem]]:
    """(DynamoDB table, item in plain Python) of the whole shop."""
    for row in shop.customers.values():
        yield "shop", customer(row, shop)
    for row in shop.orders.values():
        yield "shop", order(row, shop)
    for row in shop.products.values():
        yield "shop", product(row, shop)
        yield "catalog", catalog_entry(row, shop)
    for row in shop.reviews:
        yield "shop", review(row, shop)
    for row in shop.categories.values():
        yield "shop", category(row, shop)


def customer(row: Row, shop: ShopTables) -> PlainItem:
    placed = in_order(shop.orders_of_customer.get(row["customer_id"], []), "-placed_at")
    return _present(
        pk=f"CUSTOMER#{row['customer_id']}",
        sk="PROFILE",
        gsi1pk="COUNTRY#" + folded(row["country"], str.lower),
        gsi1sk=f"{row['created']:%Y-%m-%dT%H:%M:%S}",
        entity="customer",
        schema_version=number(2),
        customer_id=number(row["customer_id"]),
        public_id=str(row["public_id"]),
        name=row["name"],
        email=row["email"],
        phone=if_any(row["phone"], itself),
        birth_date=if_any(row["birth_date"], day),
        country=row["country"],
        newsletter=if_any(row["newsletter"], itself),
        interests=nonempty_set(row["interests"]),
        preferences=if_any(row["preferences"], json_document),
        balance=number(row["balance"]),
        avatar=if_any(row["avatar"], itself),
        last_seen=if_any(row["last_seen"], millis),
        created_at=moment(row["created"]),
        addresses=[
            _address(address)
            for address in in_order(shop.addresses_of_customer.get(row["customer_id"], []), "-is_default")
        ],
        orders=[f"ORDER#{one['order_id']:010}" for one in placed[:5]],
    )


def _address(row: Row) -> PlainItem:
    return _present(
        address_id=number(row["address_id"]),
        label=if_any(row["label"], itself),
        street=row["street"],
        city=row["city"],
        postcode=if_any(row["postcode"], itself),
        country=row["country"],
        is_default=row["is_default"],
        lat=if_any(row["latitude"], number),
        lon=if_any(row["longitude"], number),
    )


def order(row: Row, shop: ShopTables) -> PlainItem:
    lines = shop.lines.get(row["order_id"], [])
    payments = in_order(shop.payments.get(row["order_id"], []), "-paid_at")[:3]
    buyer = shop.customers[row["customer_id"]]
    address = shop.addresses.get(row["address_id"])
    return _present(
        pk=f"CUSTOMER#{row['customer_id']}",
        sk=f"ORDER#{row['order_id']:010}",
        gsi1pk=f"ORDERS#{row['order_id'] % 8}",
        gsi1sk=f"{row['placed_at']:%Y-%m-%d}#{row['status']}",
        entity="order",
        schema_version=number(2),
        order_id=number(row["order_id"]),
        customer_id=number(row["customer_id"]),
        status=row["status"],
        contact_email=if_any(row["contact_email"], itself),
        currency=row["currency"],
        shipping_cost=number(row["shipping_cost"]),
        discount=row["discount"],
        gift=row["gift"],
        note=if_any(row["note"], itself),
        tags=if_any(row["tags"], nonempty_set),
        payload=if_any(row["payload"], json_document),
        signature=if_any(row["signature"], itself),
        deliver_on=if_any(row["deliver_on"], day),
        placed_at=moment(row["placed_at"]),
        updated_at=f"{row['updated_at']:%Y-%m-%d}",
        expires_at=seconds(row["expires_at"]),
        ship_to=_ship_to(address),
        ship_city=ABSENT if address is None else address["city"],
        lines=[_line(line, shop.products[line["product_id"]]) for line in lines],
        product_ids=nonempty_set(number(line["product_id"]) for line in lines),
        payments=[_payment(payment) for payment in payments],
        customer=_present(name=buyer["name"], email=buyer["email"], phone=if_any(buyer["phone"], itself)),
    )


def _ship_to(address: Row | None) -> str | Absent:
    if address is None or address["postcode"] is None:
        return ABSENT
    return f"{escaped(address['country'], '-')}-{address['postcode']}"


def _line(row: Row, of_product: Row) -> PlainItem:
    return _present(
        line_no=number(row["line_no"]),
        product_id=number(row["product_id"]),
        quantity=number(row["quantity"]),
        price=digits(row["price"]),
        engraving=if_any(row["engraving"], itself),
        options=if_any(row["options"], itself),
        product={"sku": of_product["sku"], "name": of_product["name"]},
    )


def _payment(row: Row) -> PlainItem:
    return _present(
        payment_id=str(row["payment_id"]),
        method=row["method"],
        amount=number(row["amount"]),
        succeeded=row["succeeded"],
        paid_at=if_any(row["paid_at"], moment),
        details=if_any(row["details"], json_document),
    )


def product(row: Row, shop: ShopTables) -> PlainItem:
    reviews = shop.reviews_of_product.get(row["product_id"], [])
    shown = [review for review in reviews if review["published"] and review["stars"] >= 2]
    return _present(
        pk=f"PRODUCT#{row['product_id']}",
        sk="DETAILS",
        gsi1pk=f"CATEGORY#{row['category_id']}",
        gsi1sk=folded(row["name"], str.upper) or ABSENT,
        entity="product",
        product_id=number(row["product_id"]),
        category_id=number(row["category_id"]),
        sku=row["sku"],
        name=row["name"],
        brand=if_any(row["brand"], itself),
        description=if_any(row["description"], itself),
        price=number(row["price"]),
        cost=number(row["cost"]),
        weight_kg=if_any(row["weight_kg"], number),
        rating=if_any(row["rating"], number),
        stock=number(row["stock"]),
        in_stock=row["in_stock"],
        launched_on=if_any(row["launched_on"], day),
        sold_until=row["sold_until"],
        legacy_code=if_any(row["legacy_code"], number),
        search_words=if_any(row["search_words"], nonempty_set),
        pack_sizes=nonempty_set(numbers(row["pack_sizes"])),
        dimensions_mm=if_any(row["dimensions_mm"], numbers),
        attributes=json_document(row["attributes"]),
        changed_at=local_moment(row["changed_at"]),
        # the rows come by product, handle (by its bytes) and edition, so that only the stars are left to order by
        reviews=[_short_review(review) for review in in_order(shown, "-stars")[:4]],
        reviewers=nonempty_set(review["handle"] for review in reviews if review["edition"] == 0),
    )


def _short_review(row: Row) -> PlainItem:
    return _present(handle=row["handle"], stars=number(row["stars"]), title=if_any(row["title"], itself))


def catalog_entry(row: Row, shop: ShopTables) -> PlainItem:
    section = shop.categories[row["category_id"]]
    above = shop.categories.get(section["parent_id"])
    return _present(
        category=number(row["category_id"]),
        product_id=number(row["product_id"]),
        name=row["name"],
        brand=row["brand"] or ABSENT,
        price=number(row["price"]),
        in_stock=row["in_stock"],
        thumbnail=if_any(row["thumbnail"], itself),
        shelf=ABSENT if above is None else f"{escaped(above['slug'], '/')}/{section['slug']}",
        visible=True,
    )


def review(row: Row, shop: ShopTables) -> PlainItem:
    writer = shop.customers.get(row["customer_id"])
    return _present(
        pk=f"PRODUCT#{row['product_id']}",
        sk=f"REVIEW#{escaped(row['handle'], '#')}#{row['edition']:03}",
        entity="review",
        product_id=number(row["product_id"]),
        handle=row["handle"],
        edition=number(row["edition"]),
        customer_id=None if row["customer_id"] is None else number(row["customer_id"]),
        stars=number(row["stars"]),
        title=row["title"],
        body=row["body"],
        published=row["published"],
        metadata=None if row["metadata"] is None else json_document(row["metadata"]),
        posted_at=millis(row["posted_at"]),
        customer=if_any(writer, _writer),
    )


def _writer(row: Row) -> PlainItem:
    return {"name": row["name"], "country": row["country"], "phone": row["phone"]}


def category(row: Row, shop: ShopTables) -> PlainItem:
    parent = shop.categories.get(row["parent_id"])
    grandparent = shop.categories.get(parent["parent_id"]) if parent else None
    products = in_order(shop.products_of_category.get(row["category_id"], []), "-rating", "-price")
    path = ABSENT if parent is None else f"{escaped(parent['slug'], '/')}/{row['slug']}"
    return _present(
        pk=f"CATEGORY#{row['category_id']}",
        sk="PATH",
        entity="category",
        category_id=number(row["category_id"]),
        parent_id=if_any(row["parent_id"], number),
        slug=row["slug"],
        name=row["name"],
        position=if_any(row["position"], number),
        parent_name=ABSENT if parent is None else parent["name"],
        path=path,
        full_path=ABSENT if grandparent is None else f"{escaped(grandparent['slug'], '/')}/{path}",
        children=[child["slug"] for child in in_order(shop.children.get(row["category_id"], []), "position")],
        bestsellers=[_bestseller(one, shop) for one in products[:3]],
    )


def _bestseller(row: Row, shop: ShopTables) -> PlainItem:
    reviews = in_order(shop.reviews_of_product.get(row["product_id"], []), "-stars")
    return _present(
        sku=row["sku"],
        name=row["name"],
        rating=if_any(row["rating"], number),
        stars=[number(review["stars"]) for review in reviews[:3]],
    )


def _present(**attributes: Any) -> PlainItem:
    return {name: value for name, value in attributes.items() if not isinstance(value, Absent)}
