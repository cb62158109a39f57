"""Which tables are captured, by which columns, and how a row of theirs touches items."""

from __future__ import annotations

import pytest

from pipelines.mapping.capture import CapturePlan, Log, Mark, compile_capture
from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.names import function_name, prefix, trigger_name
from tests.unit.mapping.small_catalog import INTEGER, ORDER, TEXT, compiled, order

pytestmark = pytest.mark.unit

LINES = "    embed: {lines: {from: lines, on: {order_id: order_id}, as: list, include: [sku]}}\n"


def touches(plan: CapturePlan, table: str) -> dict[Log | Mark, tuple[str, ...]]:
    return {
        effect.touch: effect.columns
        for capture in plan.tables
        if capture.table.ref.table == table
        for effect in capture.effects
    }


def test_a_child_that_names_the_root_is_logged_with_the_columns_that_are_used() -> None:
    found = touches(compile_capture(order("    include: [status]\n" + LINES)), "lines")
    ((touch, columns),) = found.items()
    assert isinstance(touch, Log)
    assert [(part.root_column, part.column) for part in touch.key] == [("order_id", "order_id")]
    assert columns == ("order_id", "line_no", "sku")  # `line_no` orders the list


def test_a_parent_and_a_grandchild_leave_marks() -> None:
    plan = compile_capture(
        order(
            "    include: [status]\n    embed:\n"
            "      customer:\n        from: customers\n        on: {customer_id: customer_id}\n        as: map\n"
            "        include: [name]\n        embed:\n"
            "          orders: {from: orders, on: {customer_id: customer_id}, as: list, include: [note]}\n"
        )
    )
    assert touches(plan, "customers") == {
        Mark("order", ("customer",), (("customer_id", INTEGER),)): ("customer_id", "name")
    }
    marks = [touch for touch in touches(plan, "orders") if isinstance(touch, Mark)]
    assert [mark.path for mark in marks] == [("customer", "orders")]


def test_a_join_on_half_of_the_key_or_on_another_type_of_text_leaves_a_mark() -> None:
    half = compiled(
        '  line:\n    table: shop\n    from: lines\n    key: {pk: "L#{order_id}", sk: "{line_no}"}\n'
        "    embed: {events: {from: events, on: {order_id: order_id}, as: list, order_by: [what]}}\n"
    )
    assert [type(touch) for touch in touches(compile_capture(half), "events")] == [Mark]


@pytest.mark.parametrize(
    ("source_key", "on", "touched"),
    [
        ("[order_id]", "{order_id: order_id}", [("order_id", "order_id")]),
        ("[order_id, what]", "{order_id: order_id, sku: what}", [("order_id", "order_id"), ("what", "sku")]),
        ("[order_id, what]", "{order_id: order_id}", None),
    ],
)
def test_a_child_of_a_root_without_primary_key_names_it_by_its_source_key(
    source_key: str, on: str, touched: list[tuple[str, str]] | None
) -> None:
    plan = compiled(
        f"  event:\n    table: plain\n    from: events\n    source_key: {source_key}\n"
        '    key: {key: "E#{order_id}#{what}"}\n'
        f"    embed: {{lines: {{from: lines, on: {on}, as: list, include: [price]}}}}\n"
    )
    (touch,) = touches(compile_capture(plan), "lines")
    named = [(part.root_column, part.column) for part in touch.key] if isinstance(touch, Log) else None
    assert named == touched


def test_a_key_of_the_primary_key_alone_needs_no_old_row() -> None:
    (touch,) = touches(compile_capture(order("    where: \"status = 'paid'\"\n")), "orders")
    assert isinstance(touch, Log)
    assert (touch.left, touch.watched) == ((), ())


def test_another_key_keeps_the_old_row_when_key_or_filter_change() -> None:
    plan = compiled(
        '  order:\n    table: shop\n    from: orders\n    key: {pk: "C#{status:esc}#{order_id}", sk: X}\n'
        "    where: \"note = 'x'\"\n    include: [total]\n"
    )
    (touch,) = touches(compile_capture(plan), "orders")
    assert isinstance(touch, Log)
    assert touch.left == (("order_id", INTEGER), ("status", TEXT))
    assert touch.watched == ("order_id", "status", "note")


def test_an_item_type_with_a_blind_table_or_a_borrowed_key_has_no_ledger() -> None:
    blind = {TableRef(schema_name="public", table="lines"): "unlogged"}
    plan = compile_capture(order(LINES), blind)
    assert [(one.mode, one.reason) for one in plan.modes] == [("none", "public.lines is unlogged")]
    assert plan.tables == ()
    assert not plan.captured("order")
    borrowed = compiled(
        '  order:\n    table: shop\n    from: orders\n    key: {pk: "ORDER#{customer.customer_id}", sk: "{order_id}"}\n'
        "    embed: {customer: {from: customers, on: {customer_id: customer_id}, as: map}}\n"
    )
    assert "embedded row" in compile_capture(borrowed).modes[0].reason


CUSTOMER = '  customer:\n    table: plain\n    from: customers\n    key: {key: "{customer_id}"}\n'


def test_an_item_type_whose_rows_have_versions_is_not_captured() -> None:
    plan = compile_capture(compiled(ORDER + "    version: customer_id\n" + CUSTOMER))
    assert [(one.item_type, one.mode, one.reason) for one in plan.modes] == [
        ("order", "version", "the mapping names its column `customer_id`"),
        ("customer", "ledger", ""),
    ]
    assert [str(one.table.ref) for one in plan.tables] == ["public.customers"]


def test_two_embeds_of_one_touch_are_one_effect_with_the_columns_of_both() -> None:
    plan = order(
        "    include: [status]\n    embed:\n"
        "      skus: {from: lines, on: {order_id: order_id}, as: list, value: '{sku}'}\n"
        "      prices: {from: lines, on: {order_id: order_id}, as: list, value: '{price}'}\n"
    )
    assert list(touches(compile_capture(plan), "lines").values()) == [("order_id", "line_no", "sku", "price")]


def test_names_fit_and_tell_migrations_and_tables_apart() -> None:
    long = "m" * 63
    tables = [TableRef(schema_name=schema, table="ü" * 31) for schema in ("a", "b")]
    names = {trigger_name(one, table, "truncate") for one in (long, long[:-1] + "n") for table in tables}
    assert len(names) == 4
    assert max(len(name.encode()) for name in names) <= 63
    assert not function_name("shop-2", tables[0], "insert").startswith(prefix("shop"))
