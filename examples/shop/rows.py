"""The rows of the example shop's tables, as generators: nothing but the few numbers in `ShopSize` is held in memory.

Each row is drawn from a `random.Random` of its own, seeded by (seed, table, number), so that a row is the same
whatever else is generated. Values are what COPY's text format takes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from examples.shop import wording

Row = tuple[object, ...]

TOP_CATEGORIES: Final = 6
MIDDLE_CATEGORIES: Final = 14
CATEGORIES: Final = 40
STATUSES: Final = ("draft", "placed", "paid", "shipped", "delivered", "delivered", "delivered", "cancelled", "Ünknown")
DRAFTS_ONE_IN: Final = 20
RETENTION_YEARS: Final = 20  # orders expire long after any demonstration


@dataclass(frozen=True)
class ShopSize:
    """How many rows the tables have that others point to. Ids run from 1 without gaps."""

    products: int
    customers: int
    orders: int
    reviews: int

    @classmethod
    def of_scale(cls, scale: float) -> ShopSize:
        """Scale 1 becomes about 8,000 items in DynamoDB; a tiny scale still has some of everything."""
        return cls(
            products=max(round(300 * scale), 12),
            customers=max(round(1_400 * scale), 20),
            orders=max(round(4_950 * scale), 40),
            reviews=max(round(1_200 * scale), 30),
        )


def row_random(seed: int, table: str, number: int) -> Random:
    return Random(f"{seed}/{table}/{number}")  # noqa: S311 (a shop of toys, no secrets)


def categories(seed: int) -> Iterator[Row]:
    """Three levels: ids up to 6 have no parent, up to 20 a parent of the first level, the rest one of the second."""
    for category_id in range(1, CATEGORIES + 1):
        rng = row_random(seed, "categories", category_id)
        name = wording.free_text(rng, f"{rng.choice(wording.LOOKS)} things {category_id}")
        slug = f"{rng.choice(('home', 'ropa/niños', '50%-off', 'Ελλάδα', '厨房'))}-{category_id}"
        position = None if wording.one_in(rng, 6) else rng.randrange(-3, 12)
        yield category_id, _parent_category(rng, category_id), slug, name, position


def _parent_category(rng: Random, category_id: int) -> int | None:
    if category_id <= TOP_CATEGORIES:
        return None
    if category_id <= TOP_CATEGORIES + MIDDLE_CATEGORIES:
        return rng.randint(1, TOP_CATEGORIES)
    return rng.randint(TOP_CATEGORIES + 1, TOP_CATEGORIES + MIDDLE_CATEGORIES)


def products(seed: int, size: ShopSize) -> Iterator[Row]:
    for product_id in range(1, size.products + 1):
        rng = row_random(seed, "products", product_id)
        name = wording.free_text(rng, f"{rng.choice(wording.LOOKS)} {rng.choice(wording.THINGS)}")
        stock = rng.choice((0, 1, 250, 9_007_199_254_740_993, 2**63 - 1))
        yield (
            product_id,
            rng.randint(1, CATEGORIES),
            f"SKU-{product_id:06}",
            name,
            rng.choice(("Acme", "Ώμέγα", "Łódź & Co", "", None)),
            wording.free_text(rng, wording.sentence(rng)) if rng.randrange(5) else None,
            wording.money(rng, 900),
            rng.choice(wording.NUMBERS) if wording.one_in(rng, 6) else wording.money(rng, 400),
            rng.choice(("0.1", "12.5", "3.4028235e+38", "1.4e-45", "0", None)),
            rng.choice(("4.35", "4.5", "3", "1e-07", "2.2250738585072014e-100", "0.1", "-0", None)),
            stock,
            stock > 0,
            wording.day(rng) if rng.randrange(4) else None,
            rng.choice(("infinity", "2030-12-31", "9999-12-31", "-infinity")),
            rng.choice(("00123.450", "7", "-1.5e3", "1E+2", "+8", None)),
            wording.distinct_words(rng, 4) if rng.randrange(4) else None,
            sorted(rng.sample((-1, 1, 2, 6, 10, 12, 2_147_483_647), rng.randrange(4)), reverse=True),
            rng.choice(([], ["12.50", None, "-0.00"], [None], ["100.00", "2.5", "2.50"], None)),
            wording.document(rng),
            wording.blob(rng) if rng.randrange(3) else None,
            wording.local_moment(rng),
        )


def customers(seed: int, size: ShopSize) -> Iterator[Row]:
    for customer_id in range(1, size.customers + 1):
        rng = row_random(seed, "customers", customer_id)
        yield (
            customer_id,
            uuid.UUID(int=rng.getrandbits(128), version=4),
            wording.free_text(rng, wording.person(rng)),
            rng.choice(("customer{}@example.com", "Ünï.{}@例え.jp", "o'neil+{}@example.org")).format(customer_id),
            f"+{rng.randrange(10**9, 10**11)}" if rng.randrange(4) else rng.choice(("", None)),
            f"$argon2id$v=19$m=65536${rng.randbytes(24).hex()}",
            wording.day(rng) if rng.randrange(3) else None,
            rng.choice(wording.COUNTRIES),
            rng.choice((True, False, None)),
            wording.distinct_words(rng, 4),
            wording.document(rng) if rng.randrange(3) else None,
            f"{rng.randrange(-(10**9), 10**12)}.{rng.randrange(10**6):06}",
            wording.blob(rng) if rng.randrange(3) == 0 else None,
            wording.local_moment(rng) if rng.randrange(5) else rng.choice(("1969-12-31 23:59:59.999999", None)),
            wording.moment(rng),
        )


def addresses_of(seed: int, customer_id: int) -> range:
    """A customer's address ids: none to three, four reserved for each customer."""
    first = 4 * customer_id
    return range(first, first + row_random(seed, "addresses", customer_id).randrange(4))


def addresses(seed: int, size: ShopSize) -> Iterator[Row]:
    for customer_id in range(1, size.customers + 1):
        for address_id in addresses_of(seed, customer_id):
            rng = row_random(seed, "address", address_id)
            yield (
                address_id,
                customer_id,
                rng.choice(("home", "work", "", None)),
                wording.free_text(rng, f"{rng.choice(wording.FAMILY_NAMES)} street {rng.randrange(1, 400)}"),
                rng.choice(wording.CITIES),
                rng.choice((f"{rng.randrange(100_000):05}", "SW1A 1AA", "", None)),
                rng.choice(wording.COUNTRIES),
                wording.one_in(rng, 2),
                f"{rng.randrange(-90, 90)}.{rng.randrange(10**6):06}" if rng.randrange(3) else None,
                f"{rng.randrange(-180, 180)}.{rng.randrange(10**6):06}" if rng.randrange(3) else None,
            )


def orders(seed: int, size: ShopSize) -> Iterator[Row]:
    for order_id in range(1, size.orders + 1):
        rng = row_random(seed, "orders", order_id)
        customer_id = rng.randint(1, size.customers)
        addresses_there = addresses_of(seed, customer_id)
        placed_at = wording.moment(rng)
        status = "draft" if wording.one_in(rng, DRAFTS_ONE_IN) else rng.choice(STATUSES[1:])
        yield (
            order_id,
            customer_id,
            rng.choice(addresses_there) if addresses_there and rng.randrange(8) else None,
            status,
            f"buyer{order_id}@example.net" if rng.randrange(3) else None,
            rng.choice(("EUR", "SEK", "JPY")),
            wording.money(rng, 30),
            f"0.{rng.randrange(10):01}000" if rng.randrange(3) else "0",
            wording.one_in(rng, 5),
            wording.free_text(rng, wording.sentence(rng)) if rng.randrange(3) == 0 else None,
            wording.distinct_words(rng, 5) if rng.randrange(6) else None,
            wording.document(rng) if rng.randrange(5) else None,
            wording.blob(rng) if rng.randrange(4) == 0 else None,
            wording.day(rng) if rng.randrange(3) == 0 else None,
            placed_at,
            wording.moment(rng),
            f"{int(placed_at[:4]) + RETENTION_YEARS + 60 * placed_at.startswith('19')}-06-30 12:00:00.75+00",
        )


def order_items(seed: int, size: ShopSize) -> Iterator[Row]:
    """One to eight lines an order, of different products; one line in 25 was cancelled."""
    for order_id in range(1, size.orders + 1):
        rng = row_random(seed, "order_items", order_id)
        lines = min(rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 8)), size.products)
        for line_no, product in enumerate(rng.sample(range(size.products), lines), start=1):
            yield (
                order_id,
                line_no,
                product + 1,
                rng.choice((1, 1, 1, 2, 5, 100)),
                wording.money(rng, 900),
                wording.free_text(rng, wording.person(rng)) if wording.one_in(rng, 10) else None,
                rng.choice((None, [], [None], ["red", None], ["L", "L"], [rng.choice(wording.HOSTILE_TEXTS)])),
                wording.moment(rng) if wording.one_in(rng, 25) else None,
            )


def payments(seed: int, size: ShopSize) -> Iterator[Row]:
    """None to five payments an order, so that a limit of three has something to leave out."""
    for order_id in range(1, size.orders + 1):
        rng = row_random(seed, "payments", order_id)
        for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 2, 2, 5))):
            amount = rng.randrange(-(10**6), 10**8)
            yield (
                uuid.UUID(int=rng.getrandbits(128), version=4),
                order_id,
                rng.choice(("card", "card", "transfer", "voucher", "cash on delivery")),
                f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02}00",
                wording.one_in(rng, 2),
                wording.moment(rng) if rng.randrange(5) else None,
                wording.literal_document(rng) if wording.one_in(rng, 4) else None,
            )


def reviews(seed: int, size: ShopSize) -> Iterator[Row]:
    """A reviewer who writes again about the same product gets the next edition."""
    editions: dict[tuple[int, str], int] = {}
    for number in range(1, size.reviews + 1):
        rng = row_random(seed, "reviews", number)
        product_id = rng.randint(1, size.products)
        handle = rng.choice((rng.choice(wording.HOSTILE_TEXTS), f"reader#{number % 97}", f"{rng.randrange(50)}%"))
        edition = editions.get((product_id, handle), -1) + 1
        editions[product_id, handle] = edition
        yield (
            product_id,
            handle,
            edition,
            rng.randint(1, size.customers) if rng.randrange(4) else None,
            rng.randint(1, 5),
            wording.free_text(rng, rng.choice(wording.LOOKS)) if rng.randrange(4) else None,
            wording.free_text(rng, wording.sentence(rng)) if rng.randrange(6) else None,
            rng.randrange(6) > 0,
            wording.literal_document(rng) if wording.one_in(rng, 3) else None,
            wording.moment(rng),
        )
