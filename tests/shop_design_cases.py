"""The cases of `examples/shop/workload.sql` on a small shop."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.design_cases import Came, Case, Row, each, moment, on
from tests.design_reads import Bounds

ORDERS = 'SELECT order_id AS "order" FROM orders WHERE order_id % 173 = 5 ORDER BY 1 LIMIT 5'
PRODUCTS = "SELECT product_id AS product FROM products WHERE product_id % 13 = 2 UNION SELECT 4711"
CUSTOMERS = "SELECT customer_id AS customer FROM customers WHERE customer_id % 71 = 3 UNION SELECT 4711"
NO_ORDER = "the small shop has fewer orders"

ORDER = (
    "order_id",
    "customer_id",
    "address_id",
    "status",
    "contact_email",
    "currency",
    "shipping_cost",
    "discount",
    "gift",
    "note",
    "tags",
    "payload",
    "signature",
    "deliver_on",
    "placed_at",
    "updated_at",
    "expires_at",
)
PRODUCT = (
    "product_id",
    "category_id",
    "sku",
    "name",
    "brand",
    "description",
    "price",
    "cost",
    "weight_kg",
    "rating",
    "stock",
    "in_stock",
    "launched_on",
    "sold_until",
    "legacy_code",
    "search_words",
    "pack_sizes",
    "dimensions_mm",
    "attributes",
    "thumbnail",
    "changed_at",
)
ADDRESS = (
    "address_id",
    "customer_id",
    "label",
    "street",
    "city",
    "postcode",
    "country",
    "is_default",
    "latitude",
    "longitude",
)
PAYMENT = ("payment_id", "order_id", "method", "amount", "succeeded", "paid_at", "details")


def listed(name: str, *columns: str, outer: bool = False) -> Any:
    """The elements of the list, each with these columns of the item around; `outer`: an item without any is a row."""

    def rows(came: Came) -> Iterable[Row]:
        for item in came[0]:
            around = {column: item[column] for column in columns}
            for element in item[name] or ([{}] if outer else []):
                yield (
                    {**around, **element}
                    if not outer
                    else {**item, **{f"{name}.{k}": v for k, v in (around | element if element else {}).items()}}
                )

    return rows


def lines(came: Came) -> Iterable[Row]:
    """Orders with their lines, and the products that the second read found."""
    products = {one["product_id"]: one for one in came[1]}
    for order in came[0]:
        for line in order["order_items"]:
            yield {**order, **{f"i.{k}": v for k, v in line.items()}, "p.name": products[line["product_id"]]["name"]}


def paid(came: Came) -> Iterable[Row]:
    for order in came[0]:
        customer = order["customer"]
        payments = [{**one, "order_id": order["order_id"]} for one in order["payments"]]
        found = sorted(str((one["payment_id"], one["amount"], one["method"], one["succeeded"])) for one in payments)
        yield {
            "order_id": order["order_id"],
            "c.name": customer["name"],
            "c.email": customer["email"],
            "payments": found or ["none"],
        }


def payments_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """json_agg's text, as `paid` has it."""
    found = [
        str((one["payment_id"], Decimal(str(one["amount"])), one["method"], one["succeeded"]))
        if one is not None
        else "none"
        for one in row[3]
    ]
    return (*row[:3], sorted(found))


CASES: dict[int, Case] = {
    7: Case({"product": 17}, {"17": "product"}, PRODUCTS, known=lambda v: [{"product_id": v["product"]}]),
    9: Case(
        {"product": 17},
        {"17": "product"},
        PRODUCTS,
        known=lambda v: [{"product_id": v["product"]}],
        rows=on("category"),
        out=(*PRODUCT, "category.slug", "category.name"),
    ),
    12: Case(
        {"products": [4, 8, 15]},
        {"IN (4, 8, 15)": "= ANY(:products)"},
        "SELECT '{1,1,4711,60}'::int[] AS products",
        known=each("products", "product_id"),
    ),
    14: Case(
        {"sku": "SKU-00017"},
        {"'SKU-00017'": "sku"},
        "SELECT sku FROM products WHERE product_id % 20 = 7",
        none="a SKU has six digits",
        known=lambda v: [v],
    ),
    16: Case(
        {"category": 3, "low": 10, "high": 50},
        {"= 3 ": "= :category ", "10": "low", "50": "high"},
        "SELECT category_id AS category, min(price) AS low, max(price) AS high FROM products"
        " GROUP BY 1 HAVING count(*) > 2 OR category_id = 7",
        known=lambda v: [{"category_id": v["category"]}],
        bounds=lambda v: Bounds(v["low"], v["high"], with_high=True),
        order=("price",),
    ),
    18: Case(
        {"product": 17},
        {"17": "product"},
        "SELECT product_id AS product FROM reviews GROUP BY 1 HAVING count(*) > 5 ORDER BY 1 LIMIT 4",
        known=lambda v: [{"product_id": v["product"]}],
        tests={"published": lambda row, v: row["published"]},
    ),
    20: Case(
        {"product": 17, "handle": "anna", "edition": 0},
        {"17": "product", "'anna'": "handle", "= 0": "= :edition"},
        "SELECT product_id AS product, handle, edition FROM reviews WHERE handle ~ '[#%]' OR edition > 1"
        " ORDER BY length(handle), 2 LIMIT 6",
        none="nobody is called so",
        known=lambda v: [{"product_id": v["product"], "handle": v["handle"], "edition": v["edition"]}],
    ),
    28: Case({}, order=("position", "name")),
    39: Case({"customer": 41}, {"41": "customer"}, CUSTOMERS, known=lambda v: [{"customer_id": v["customer"]}]),
    41: Case(
        {"email": "anna@example.com"},
        {"'anna@example.com'": "email"},
        "SELECT lower(email) AS email FROM customers WHERE email ~ '^[ -~]*$' ORDER BY customer_id LIMIT 3",
        none="nobody has that address",
        known=lambda v: [{"lower(email)": v["email"]}],
    ),
    43: Case(
        {"id": UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")},
        {"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'": "id"},
        "SELECT public_id AS id FROM customers WHERE customer_id % 100 = 9",
        none="nobody has that number",
        known=lambda v: [{"public_id": v["id"]}],
    ),
    45: Case(
        {"customer": 41},
        {"41": "customer"},
        "SELECT customer_id AS customer FROM addresses GROUP BY 1"
        " HAVING bool_or(is_default) AND NOT (array_agg(is_default ORDER BY address_id))[1] AND customer_id % 9 = 1"
        " UNION SELECT customer_id FROM customers c WHERE customer_id < 9"
        " AND NOT EXISTS (SELECT 1 FROM addresses a WHERE a.customer_id = c.customer_id)",
        known=lambda v: [{"customer_id": v["customer"]}],
        rows=listed("addresses", "customer_id", outer=True),
        order=("-addresses.is_default",),
        out=("name", "email", *(f"addresses.{name}" for name in ADDRESS)),
    ),
    48: Case({"customer": 41}, {"41": "customer"}, CUSTOMERS, known=lambda v: [{"customer_id": v["customer"]}]),
    50: Case(
        {"customer": 41},
        {"41": "customer"},
        "SELECT customer_id AS customer FROM orders GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2",
        known=lambda v: [{"customer_id": v["customer"]}],
        order=("-placed_at",),
        limit=10,
    ),
    52: Case(
        {"customer": 41, "low": moment("2026-01-01"), "high": moment("2027-01-01")},
        {"41": "customer", "'2026-01-01'": "low", "'2027-01-01'": "high"},
        "SELECT customer_id AS customer, min(placed_at) AS low, max(placed_at) AS high FROM orders"
        " GROUP BY 1 ORDER BY count(*) DESC LIMIT 2",
        none="no order of that year",
        known=lambda v: [{"customer_id": v["customer"]}],
        bounds=lambda v: Bounds(v["low"], v["high"]),
    ),
    54: Case(
        {"customer": 41, "date": moment("2026-06-01"), "order": 900},
        {"41": "customer", "'2026-06-01'": "date", "900": "order"},
        'SELECT customer_id AS customer, placed_at AS date, order_id + d AS "order" FROM'
        " (SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id DESC, placed_at DESC LIMIT 2) x,"
        " generate_series(0, 1) d",
        known=lambda v: [{"customer_id": v["customer"]}],
        bounds=lambda v: Bounds(high=v["date"], with_high=True),
        tests={
            "order_id": lambda row, v: (
                (row["placed_at"], row["order_id"]) < (v["date"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"), v["order"])
            )
        },
        order=("-placed_at", "-order_id"),
        limit=10,
    ),
    64: Case(
        {"order": 4711},
        {"4711": "order"},
        ORDERS,
        none=NO_ORDER,
        known=lambda v: [{"order_id": v["order"]}],
        rows=lines,
        order=("i.line_no",),
        out=(*ORDER, "i.line_no", "i.quantity", "i.price", "p.name"),
    ),
    68: Case(
        {"order": 4711},
        {"4711": "order"},
        ORDERS,
        none=NO_ORDER,
        known=lambda v: [{"order_id": v["order"]}],
        rows=paid,
        out=("order_id", "c.name", "c.email", "payments"),
        sql=payments_of,
    ),
    72: Case({"order": 4711}, {"4711": "order"}, ORDERS, none=NO_ORDER, known=lambda v: [{"order_id": v["order"]}]),
    74: Case(
        {"order": 4711, "line": 2},
        {"4711": "order", "= 2)": "= :line)"},
        "SELECT order_id AS \"order\", line FROM orders, unnest('{1,99}'::int[]) line WHERE order_id % 400 = 5",
        known=lambda v: [{"order_id": v["order"]}],
        rows=listed("order_items", "order_id"),
        tests={"line_no": lambda row, v: row["line_no"] == v["line"]},
        finish=lambda rows: [{"exists": bool(rows)}],
    ),
    76: Case(
        {"order": 4711},
        {"4711": "order"},
        'SELECT order_id AS "order" FROM payments GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 4',
        none=NO_ORDER,
        known=lambda v: [{"order_id": v["order"]}],
        rows=listed("payments", "order_id"),
        order=("paid_at",),
    ),
    78: Case(
        {"status": "paid"},
        {"'paid'": "status"},
        "SELECT unnest('{draft,none}'::text[]) AS status",
        known=lambda v: [v],
        order=("placed_at",),
        limit=50,
    ),
    80: Case(
        {"since": moment("2026-11-29")},
        {"now() - interval '1 day'": "since"},
        "SELECT max(placed_at) - interval '9 days' AS since FROM orders UNION SELECT max(placed_at) FROM orders",
        none="the shop's orders are older",
        bounds=lambda v: Bounds(v["since"], with_low=False),
    ),
    96: Case(
        {"order": 99001},
        {"order_id = 99001": "order_id = :order"},
        ORDERS,
        none="it is inserted by then",
        known=lambda v: [{"order_id": v["order"]}],
        finds="SELECT order_id FROM orders",
    ),
    98: Case(
        {"product": 17, "stock": 2},
        {"product_id = 17": "product_id = :product", ">= 2": ">= :stock"},
        "SELECT product_id AS product, 2 AS stock FROM products WHERE product_id < 9",
        none="it is out of stock",
        known=lambda v: [{"product_id": v["product"]}],
        tests={"stock": lambda row, v: row["stock"] >= v["stock"]},
        finds="SELECT product_id FROM products",
    ),
    100: Case(
        {"product": 17},
        {"product_id = 17": "product_id = :product"},
        PRODUCTS,
        known=lambda v: [{"product_id": v["product"]}],
        finds="SELECT product_id FROM products",
    ),
    105: Case(
        {"order": 99001},
        {"99001": "order"},
        ORDERS,
        none="it is inserted by then",
        known=lambda v: [{"order_id": v["order"]}],
        rows=listed("order_items", "order_id"),
        finds="SELECT order_items.order_id, order_items.line_no FROM order_items, orders o",
    ),
    107: Case(
        {"address": 3},
        {"address_id = 3": "address_id = :address"},
        "SELECT address_id AS address FROM addresses WHERE address_id % 90 = 5",
        none="no address has that number",
        known=lambda v: [{"address_id": v["address"]}],
        finds="SELECT address_id FROM addresses",
    ),
}

UNSERVED: dict[int, str] = {}
