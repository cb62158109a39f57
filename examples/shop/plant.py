"""Spoils some of the example shop's items in DynamoDB on purpose, so that a verification has something to find.

Which items are hit follows from the seed and the shop alone, not from the order in which an endpoint lists them.
What is changed keeps its `_v`: a verification cannot tell by the version that somebody was there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from examples.shop import spoiling
from examples.shop.spoiling import Item, Spoilt
from pipelines.errors import StageError
from pipelines.items.canonical import canonical_item
from pipelines.items.record import VERSION_ATTRIBUTE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHOP: Final = "shop"
CATALOG: Final = "catalog"
KEYS: Final = {SHOP: ("pk", "sk"), CATALOG: ("category", "product_id")}


@dataclass(frozen=True)
class PlantedFault:
    """What a verification must say of one item.

    `key`: canonical DynamoDB JSON, as in a record. `paths`: (attribute path, kind) as differences name them, kind
    one of value, type, absent; empty where the item is there on one side only.
    """

    table: str
    key: str
    verdict: str
    paths: tuple[tuple[str, str], ...]
    description: str


def plant(client: DynamoDBClient, seed: int, each: int = 1) -> tuple[PlantedFault, ...]:
    """Plants `each` faults of every kind, each in an item of its own, and returns them.

    Raises StageError where the tables do not hold enough of the shop.
    """
    shop = _Shop(client, Random(f"plant/{seed}"))  # noqa: S311 (which toy breaks is no secret)
    return tuple(fault(shop) for fault in _FAULTS for _ in range(each))


class _Shop:
    """The shop's items in an order that only the seed decides; none is given out twice."""

    def __init__(self, client: DynamoDBClient, rng: Random) -> None:
        self.client = client
        self.rng = rng
        self.customers = self._count(customer_key)
        self.products = self._count(product_key)
        self._taken: set[str] = set()

    def any_customer(self) -> Iterator[Item]:
        return self._fresh(SHOP, map(customer_key, self._ids(self.customers)))

    def any_product(self) -> Iterator[Item]:
        return self._fresh(SHOP, map(product_key, self._ids(self.products)))

    def any_catalog_entry(self) -> Iterator[Item]:
        products = (self.get(SHOP, product_key(number)) for number in self._ids(self.products))
        keys = (
            {"category": product["category_id"], "product_id": product["product_id"]} for product in products if product
        )
        return self._fresh(CATALOG, keys)

    def any_order(self) -> Iterator[Item]:
        return self._fresh(SHOP, self._order_keys())

    def get(self, table: str, key: Item) -> Item | None:
        return self.client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def put(self, table: str, item: Item) -> None:
        self.client.put_item(TableName=table, Item=item)

    def take(self, table: str, key: Item) -> str:
        """Marks an item as given out; returns its key's text."""
        text = canonical_item(key)
        self._taken.add(table + text)
        return text

    def _fresh(self, table: str, keys: Iterable[Item]) -> Iterator[Item]:
        for key in keys:
            item = None if table + canonical_item(key) in self._taken else self.get(table, key)
            if item:
                yield item

    def _order_keys(self) -> Iterator[Item]:
        for number in self._ids(self.customers):
            page = self.client.query(
                TableName=SHOP,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :orders)",
                ExpressionAttributeValues={":pk": customer_key(number)["pk"], ":orders": {"S": "ORDER#"}},
            )
            if page["Items"]:
                yield key_of(SHOP, self.rng.choice(page["Items"]))

    def _ids(self, count: int) -> Iterator[int]:
        return iter(self.rng.sample(range(1, count + 1), count))

    def _count(self, key: Callable[[int], Item]) -> int:
        """How many there are, whose ids run from 1 without gaps: found by doubling, then by halving."""
        beyond = 1
        while self.get(SHOP, key(beyond)):
            beyond *= 2
        low = beyond // 2
        while beyond - low > 1:
            middle = (low + beyond) // 2
            low, beyond = (middle, beyond) if self.get(SHOP, key(middle)) else (low, middle)
        return low


def customer_key(customer_id: int) -> Item:
    return {"pk": {"S": f"CUSTOMER#{customer_id}"}, "sk": {"S": "PROFILE"}}


def product_key(product_id: int) -> Item:
    return {"pk": {"S": f"PRODUCT#{product_id}"}, "sk": {"S": "DETAILS"}}


def key_of(table: str, item: Item) -> Item:
    return {name: item[name] for name in KEYS[table]}


_Fault = Callable[[_Shop], PlantedFault]
_Victims = Callable[[_Shop], Iterator[Item]]


def _changed(
    victims: _Victims, spoil: Callable[[Item, Random], Spoilt | None], description: str, table: str = SHOP
) -> _Fault:
    """An item that is on both sides and differs: the first victim that has what `spoil` changes."""

    def fault(shop: _Shop) -> PlantedFault:
        for item in victims(shop):
            spoilt = spoil(item, shop.rng)
            if spoilt is not None:
                shop.put(table, spoilt.item)
                key = shop.take(table, key_of(table, item))
                return PlantedFault(table, key, "mismatch", spoilt.paths, description)
        raise StageError(f"{table}: nothing here to plant this in: {description}; backfill the shop first")

    return fault


def _removed(victims: _Victims, description: str, table: str = SHOP) -> _Fault:
    def fault(shop: _Shop) -> PlantedFault:
        key = key_of(table, _first(victims(shop), table, description))
        shop.client.delete_item(TableName=table, Key=key)
        return PlantedFault(table, shop.take(table, key), "missing", (), description)

    return fault


def _added(
    victims: _Victims, change: Callable[[_Shop], dict[str, Any]], verdict: str, description: str, table: str = SHOP
) -> _Fault:
    """A copy of some item under a key of its own."""

    def fault(shop: _Shop) -> PlantedFault:
        item = _first(victims(shop), table, description) | change(shop)
        if verdict == "foreign":
            del item[VERSION_ATTRIBUTE]
        shop.put(table, item)
        return PlantedFault(table, shop.take(table, key_of(table, item)), verdict, (), description)

    return fault


def _first(victims: Iterator[Item], table: str, description: str) -> Item:
    item = next(victims, None)
    if item is None:
        raise StageError(f"{table}: nothing here to plant this in: {description}; backfill the shop first")
    return item


def _no_customer(shop: _Shop) -> Item:
    return customer_key(shop.customers + shop.rng.randrange(1_000, 1_000_000))


def _no_order(shop: _Shop) -> Item:
    return {"sk": {"S": f"ORDER#{shop.rng.randrange(10**9, 10**10)}"}}


def _no_product(shop: _Shop) -> Item:
    return {"product_id": {"N": str(shop.products + shop.rng.randrange(1_000, 1_000_000))}}


def _no_template(shop: _Shop) -> Item:
    return {"pk": {"S": f"SESSION#{shop.rng.randrange(10**9)}"}, "sk": {"S": "DATA"}}


_FAULTS: Final[tuple[_Fault, ...]] = (
    _removed(_Shop.any_order, "an order removed"),
    _removed(_Shop.any_catalog_entry, "a catalog entry removed", CATALOG),
    _added(_Shop.any_customer, _no_customer, "extra", "a customer added that PostgreSQL does not have"),
    _added(_Shop.any_catalog_entry, _no_product, "extra", "a catalog entry added", CATALOG),
    _added(_Shop.any_order, _no_order, "foreign", "an order added by somebody else, without a version"),
    _added(_Shop.any_customer, _no_template, "unmapped", "an item added whose key no template makes"),
    _changed(_Shop.any_customer, spoiling.text_changed("name"), "a customer's name changed"),
    _changed(_Shop.any_product, spoiling.last_digit_changed("stock"), "the last digit of a long number changed"),
    _changed(_Shop.any_catalog_entry, spoiling.flag_turned("in_stock"), "a flag turned", CATALOG),
    _changed(_Shop.any_customer, spoiling.number_as_text("balance"), "a number became the text of its digits"),
    _changed(_Shop.any_order, spoiling.line_renamed, "the product's name in one line of an order changed"),
    _changed(_Shop.any_order, spoiling.payment_altered, "the amount of one payment of an order changed"),
    _changed(_Shop.any_product, spoiling.attribute_removed("stock"), "an attribute removed"),
    _changed(_Shop.any_customer, spoiling.attribute_added("loyalty"), "an attribute added"),
    _changed(_Shop.any_order, spoiling.last_line_removed, "the last line of an order removed"),
    _changed(_Shop.any_order, spoiling.member_replaced("tags"), "one member of a set of texts replaced"),
    _changed(_Shop.any_order, spoiling.member_replaced("product_ids"), "one member of a set of numbers replaced"),
)
