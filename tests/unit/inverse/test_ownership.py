"""Which embeds an item type writes, which are copies, and what stands in the way of writing it."""

from __future__ import annotations

import pytest

from pipelines.mapping.catalog import Relation
from pipelines.mapping.inverse import ItemInverse
from tests.unit.inverse.small_inverse import ORDER, catalog, inverses, order

pytestmark = pytest.mark.unit

LINES = "    embed:\n      lines: {from: lines, on: {order_id: order_id}, as: list, exclude: [order_id]}\n"


def tables(inverse: ItemInverse) -> list[str]:
    return [table.ref.table for table in inverse.tables]


def problem(inverse: ItemInverse) -> str:
    (line,) = inverse.problems
    return line


def embed(text: str) -> str:
    return f"    embed:\n      {text}\n"


def test_an_embed_that_has_the_key_of_its_row_is_owned() -> None:
    inverse = order(LINES)
    assert (tables(inverse), set(inverse.copies), inverse.problems) == (["orders", "lines"], set(), ())


def test_rows_that_others_may_share_are_a_copy() -> None:
    inverse = order(embed("customer: {from: customers, on: {customer_id: customer_id}, as: map}"))
    assert (tables(inverse), set(inverse.copies)) == (["orders"], {("customer",)})
    assert [table.ref.table for table in inverse.read_only] == ["customers"]


def test_rows_of_another_item_type_are_a_copy_that_is_written() -> None:
    customers = "  customer: {table: ttt, from: customers, key: {pk: 'C#{customer_id}'}}\n"
    inverse = order(embed("customer: {from: customers, on: {customer_id: customer_id}, as: map}"), customers)
    assert (set(inverse.copies), inverse.read_only) == ({("customer",)}, ())


def test_an_embed_of_a_root_table_is_a_copy_however_it_is_joined() -> None:
    lines = "  line: {table: ttt, from: lines, key: {pk: 'L#{order_id}#{line_no}'}}\n"
    inverse = order(LINES, lines)
    assert (tables(inverse), set(inverse.copies)) == (["orders"], {("lines",)})


def test_what_is_made_of_a_copys_columns_is_a_copy() -> None:
    inverse = order(
        "    set: {shown: '{customer.name:esc}/{status}', mail: '{customer.email}', own: '{status}!'}\n"
        + embed("customer: {from: customers, on: {customer_id: customer_id}, as: map, hidden: true}")
    )
    assert set(inverse.copies) == {("shown",), ("mail",)}
    assert [table.ref.table for table in inverse.read_only] == ["customers"]


def test_a_hidden_embed_is_never_written() -> None:
    inverse = order(
        "    set: {gift: '{details.gift}'}\n"
        + embed("details: {from: details, on: {order_id: order_id}, as: map, hidden: true}")
    )
    assert (tables(inverse), set(inverse.copies), inverse.problems) == (["orders"], {("gift",)}, ())
    assert [table.ref.table for table in inverse.read_only] == ["details"]


def test_what_is_made_of_an_owned_maps_columns_is_none() -> None:
    inverse = order(
        "    set: {gift: '{details.gift}'}\n"
        + embed("details: {from: details, on: {order_id: order_id}, as: map, exclude: [order_id]}")
    )
    assert (tables(inverse), set(inverse.copies), inverse.problems) == (["orders", "details"], set(), ())


def test_a_copy_in_an_owned_embed_has_the_path_of_names() -> None:
    notes = "notes: {from: notes, on: {line_no: line_no}, as: list}"
    inverse = order(LINES.replace("exclude: [order_id]", f"exclude: [order_id], embed: {{{notes}}}"))
    assert (tables(inverse), set(inverse.copies)) == (["orders", "lines"], {("lines", "notes")})


def test_a_second_embed_that_repeats_is_a_copy() -> None:
    numbers = "      numbers: {from: lines, on: {order_id: order_id}, as: list, value: '{line_no}'}\n"
    for text in (LINES + numbers, LINES.replace("    embed:\n", "    embed:\n" + numbers)):
        inverse = order(text)
        assert (tables(inverse), set(inverse.copies), inverse.problems) == (["orders", "lines"], {("numbers",)}, ())


ADDRESSES = (
    "    embed:\n"
    "      bill: {from: addresses, where: BILL, on: {order_id: order_id}, as: map, exclude: [order_id, kind]}\n"
    "      ship: {from: addresses, where: SHIP, on: {order_id: order_id}, as: map, exclude: [order_id, kind]}\n"
)


def test_embeds_of_one_table_that_keep_apart_are_both_owned() -> None:
    inverse = order(ADDRESSES.replace("BILL", "\"kind = 'b'\"").replace("SHIP", "\"kind = 's' AND city <> 'x'\""))
    assert (tables(inverse), set(inverse.copies), inverse.problems) == (["orders", "addresses"], set(), ())


def test_embeds_of_one_table_that_may_or_may_not_keep_apart_are_a_problem() -> None:
    inverse = order(ADDRESSES.replace("BILL", "\"kind = 'b'\"").replace("SHIP", "\"kind <> 'b'\""))
    assert set(inverse.copies) == {("ship",)}
    assert problem(inverse) == (
        "item order, embed ship: its rows of public.addresses are not clearly others than those of embed bill, nor "
        "some of them; give both a `where` with = on one column, or take one out"
    )


def test_a_condition_more_makes_a_repetition() -> None:
    more = LINES + "      open: {from: lines, where: gone IS NULL, on: {order_id: order_id}, as: list}\n"
    assert order(more).problems == ()
    assert order(more).copies == {("open",)}


def test_of_two_item_types_on_one_root_the_second_is_a_problem() -> None:
    both = inverses(ORDER + "  again: {table: ttt, from: orders, key: {pk: 'A#{order_id}'}}\n")
    assert both["order"].problems == ()
    assert problem(both["again"]) == (
        "item again: public.orders is the root of item order already, and one item type writes a table; make one item "
        "type of both, or a table of its own for this one"
    )


def test_embeds_of_the_second_item_type_on_a_root_are_copies() -> None:
    both = inverses(ORDER + "  again:\n    table: ttt\n    from: orders\n    key: {pk: 'A#{order_id}'}\n" + LINES)
    assert (tables(both["again"]), set(both["again"].copies)) == (["orders"], {("lines",)})


PROBLEMS = {
    LINES.replace("exclude", "limit: 3, exclude"): (
        "item order, embed lines: limit 3 leaves rows of public.lines out, and rows that are not in the item would be "
        "deleted; take `limit` out"
    ),
    LINES.replace("[order_id]", "[order_id, line_no]"): (
        "item order, embed lines: column line_no of the primary key of public.lines is not in the item, so that its "
        "rows cannot be told apart; include it"
    ),
    LINES.replace("[order_id]", "[order_id, sku]"): (
        "item order, embed lines: column sku of public.lines is not in the item, takes no NULL and has no default, so "
        "that no row could be inserted; include it, or give it a default"
    ),
    embed("numbers: {from: lines, on: {order_id: order_id}, as: set, value: '{line_no}'}"): (
        "item order, embed numbers: column sku of public.lines is not in the item, takes no NULL and has no default, "
        "so that no row could be inserted; include it, or give it a default"
    ),
    embed("events: {from: events, on: {order_id: order_id}, as: list, order_by: [what]}"): (
        "item order, embed events: public.events has no primary key, so that its rows cannot be told apart; add one"
    ),
    embed("timed: {from: timed, on: {order_id: order_id}, as: list, types: {at: epoch_seconds}}"): (
        "item order, embed timed: `at` tells column at of public.timed only in part, and nothing else in the item "
        "does; give it a type that keeps all of it, or include the column"
    ),
    "    exclude: [status]\n": (
        "item order: column status of public.orders is not in the item, takes no NULL and has no default, so that no "
        "row could be inserted; include it, or give it a default"
    ),
    "    types: {placed: date}\n": (
        "item order: `placed` tells column placed of public.orders only in part, and nothing else in the item does; "
        "give it a type that keeps all of it, or include the column"
    ),
    "    exclude: [note]\n    set: {low: '{note:lower}'}\n": (
        "item order: `low` tells column note of public.orders only in part, and nothing else in the item does; give it "
        "a type that keeps all of it, or include the column"
    ),
    "    exclude: [note]\n    set: {both: '{note:esc}/{total}'}\n": (  # which of the two is NULL?
        "item order: `both` tells column note of public.orders only in part, and nothing else in the item does; give "
        "it a type that keeps all of it, or include the column"
    ),
    "    exclude: [status]\n    set: {both: '{status}/{order_id}'}\n": (  # where does it end?
        "item order: `both` tells column status of public.orders only in part, and nothing else in the item does; give "
        "it a type that keeps all of it, or include the column"
    ),
    "    exclude: [rounded]\n    set: {day: '{rounded:%Y-%m-%d %H}'}\n": (
        "item order: `day` tells column rounded of public.orders only in part, and nothing else in the item does; give "
        "it a type that keeps all of it, or include the column"
    ),
    "    version: serial\n": (
        "item order: its versions are those of column serial, and with DynamoDB as master they are the ledger's; take "
        "`version` out"
    ),
}  # fmt: skip


@pytest.mark.parametrize("rest", PROBLEMS)
def test_what_stands_in_the_way_is_told_with_what_to_do(rest: str) -> None:
    assert problem(order(rest)) == PROBLEMS[rest]


@pytest.mark.parametrize(
    "rest",
    [
        "    exclude: [serial, note, double]\n",  # a default, NULL, and what generates itself
        "    types: {placed: epoch_seconds, due: epoch_millis, rounded: epoch_seconds, tags: SS, words: SS}\n",
        "    types: {placed: date}\n    set: {exact: '@{placed}'}\n",
        "    set: {low: '{note:lower}', month: '{placed:%Y-%m}', bucket: '{order_id:mod8}'}\n",
        "    exclude: [due]\n    set: {day: '{due:%d.%m.%Y}'}\n",
        "    exclude: [rounded]\n    set: {at: '{rounded:%Y-%m-%d %H:%M:%S}'}\n",
        embed("marks: {from: marks, on: {order_id: order_id}, as: set, value: '{mark}'}"),
    ],
)
def test_what_is_told_whole_somewhere_is_no_problem(rest: str) -> None:
    assert order(rest).problems == ()


def test_a_key_made_of_what_is_not_written_is_a_problem() -> None:
    yaml = ORDER.replace("O#{order_id:05}", "{customer.customer_id:05}#{order_id}")
    inverse = inverses(yaml + embed("customer: {from: customers, on: {customer_id: customer_id}, as: map}"))["order"]
    assert problem(inverse) == (
        "item order: key pk shows customer.customer_id, which this item type does not write; make the key of columns "
        "of its own"
    )


def test_a_join_by_a_column_that_the_item_does_not_tell_is_a_problem() -> None:
    text = "    exclude: [customer_id]\n" + embed(
        "notes: {from: notes, on: {order_id: order_id, line_no: customer_id}, as: list, exclude: [line_no]}"
    )
    assert problem(order(text)) == (
        "item order, embed notes: column line_no of public.notes is joined by customer_id, which is not in the "
        "enclosing item; include it there"
    )


DETAIL = "  detail: {table: ttt, from: details, key: {pk: 'D#{order_id}'}SOURCE}\n"


def test_roots_that_cannot_be_written_are_problems() -> None:
    view = catalog(Relation.VIEW)
    for one in view.tables:
        if one.ref.table == "details":
            object.__setattr__(one, "primary_key", ())
    inverse = inverses(DETAIL.replace("SOURCE", ", source_key: [order_id]"), view)["detail"]
    assert problem(inverse) == "item detail: public.details is a view, which is not written; take its rows from a table"
    inverse = inverses(DETAIL.replace("SOURCE", ""), catalog(inherited=True))["detail"]
    assert problem(inverse).startswith("item detail: other tables inherit from public.details, so that its key tells")
    events = "  event: {table: ttt, from: events, key: {pk: '{order_id}'}, source_key: [order_id]}\n"
    assert problem(inverses(events)["event"]) == "item event: public.events has no primary key; add one"


@pytest.mark.parametrize("known", [catalog(Relation.VIEW), catalog(inherited=True)])
def test_embeds_that_cannot_be_written_are_copies(known: object) -> None:
    inverse = order(embed("details: {from: details, on: {order_id: order_id}, as: map}"), known=known)  # type: ignore[arg-type]
    assert (tables(inverse), set(inverse.copies), inverse.problems) == (["orders"], {("details",)}, ())
