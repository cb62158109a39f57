"""The generated rows, without a database."""

from __future__ import annotations

import json
from itertools import chain
from random import Random

import pytest

from examples.shop import rows, wording

pytestmark = pytest.mark.unit

SMALL = rows.ShopSize.of_scale(0.02)
SEED = 7


def test_one_row_does_not_depend_on_how_many_others_there_are() -> None:
    large = rows.ShopSize.of_scale(1)
    same = zip(rows.addresses(SEED, SMALL), rows.addresses(SEED, large), strict=False)
    assert all(few == many for few, many in same)


def test_lines_of_an_order_are_of_different_products() -> None:
    lines = [(row[0], row[2]) for row in rows.order_items(SEED, SMALL)]
    assert len(lines) == len(set(lines)) > SMALL.orders


def test_no_set_would_have_a_member_twice() -> None:
    tags = [row[10] for row in rows.orders(SEED, SMALL)]
    assert all(len(some) == len(set(some)) for some in tags if isinstance(some, list))


def test_an_order_is_sent_to_an_address_of_its_customer() -> None:
    sent = [(row[1], row[2]) for row in rows.orders(SEED, SMALL) if row[2] is not None]
    assert sent
    assert all(address in rows.addresses_of(SEED, customer) for customer, address in sent if isinstance(customer, int))


def test_orders_expire_long_after_they_were_placed() -> None:
    assert min(str(row[16])[:4] for row in rows.orders(SEED, SMALL)) >= "2039"


def test_every_document_is_json_and_no_deeper_than_an_item_can_be() -> None:
    documents = [wording.literal_document(Random(number)) for number in range(200)]
    assert max(map(depth, map(json.loads, documents))) in range(15, 28)


def test_no_value_holds_what_postgresql_cannot() -> None:
    values = chain.from_iterable(chain(rows.customers(SEED, SMALL), rows.reviews(SEED, SMALL)))
    assert not any("\x00" in value for value in values if isinstance(value, str))


def depth(value: object) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(depth, members), default=0)
