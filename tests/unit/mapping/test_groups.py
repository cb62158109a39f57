"""Which item types change their master together."""

from __future__ import annotations

import pytest

from pipelines.mapping.groups import Group, group_of, groups_of, named_group
from tests.unit.mapping.small_catalog import compiled

pytestmark = pytest.mark.unit

CUSTOMER = '  customer:\n    table: shop\n    from: customers\n    key: {pk: "C#{customer_id}", sk: "P"}\n'
ORDER = '  order:\n    table: shop\n    from: orders\n    key: {pk: "O#{order_id}", sk: "O"}\n'
LINE = '  line:\n    table: shop\n    from: lines\n    key: {pk: "L#{order_id}", sk: "L#{line_no}"}\n'
WITH_CUSTOMER = "    embed: {buyer: {from: customers, on: {customer_id: customer_id}, as: map, hidden: true}}\n"
WITH_BOTH = (
    "    embed:\n      order:\n        from: orders\n        on: {order_id: order_id}\n        as: map\n"
    "        include: [status]\n        embed:\n"
    "          buyer: {from: customers, on: {customer_id: customer_id}, as: map, include: [name]}\n"
)


def test_item_types_that_share_no_table_are_groups_of_their_own() -> None:
    groups = groups_of(compiled(ORDER + CUSTOMER))
    assert [group.name for group in groups] == ["order", "customer"]
    assert [[str(table) for table in group.tables] for group in groups] == [["public.orders"], ["public.customers"]]


def test_an_embed_joins_them_even_a_hidden_one() -> None:
    (group,) = groups_of(compiled(CUSTOMER + ORDER + WITH_CUSTOMER))
    assert (group.name, [str(table) for table in group.tables]) == (
        "customer+order",
        ["public.customers", "public.orders"],
    )


def test_a_third_joins_two_that_came_before_it_and_the_mapping_gives_the_order() -> None:
    groups = groups_of(compiled(CUSTOMER + ORDER + LINE + WITH_BOTH))
    assert [group.item_types for group in groups] == [("customer", "order", "line")]
    groups = groups_of(compiled(LINE + WITH_BOTH + CUSTOMER))
    assert [group.item_types for group in groups] == [("line", "customer")]


def test_a_long_name_is_cut_and_still_its_own() -> None:
    """It is a sort key of DynamoDB's (1,024 bytes), and part of another."""
    many = tuple(f"item_type_{number:03}_ü" for number in range(80))
    one, other = Group(many, ()), Group((*many, "last"), ())
    assert len(one.name.encode()) <= 200 >= len(other.name.encode())
    assert one.name != other.name and one.name.startswith("item_type_000_ü+item_type_001")
    assert named_group([one], one.name) == named_group([one], many[7]) == one


def test_a_group_is_found_by_its_name_or_by_an_item_type() -> None:
    groups = groups_of(compiled(CUSTOMER + ORDER + WITH_CUSTOMER + LINE))
    assert named_group(groups, "customer+order") == named_group(groups, "order") == group_of(groups, "customer")
    assert named_group(groups, "orders") is None is group_of(groups, "customer+order")
