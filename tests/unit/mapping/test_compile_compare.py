"""`compare` against the schema: what is refused, and in which words; what the plan holds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipelines.mapping.plan import NO_EQUIVALENCES, Equivalences
from tests.unit.mapping.small_catalog import order, order_problems

pytestmark = pytest.mark.unit

EMBEDS = """\
    rename: {note: memo}
    set: {level: 3, label: "{status}!", gsi1pk: "x"}
    types: {placed_at: epoch_seconds}
    embed:
      lines: {from: lines, on: {order_id: order_id}, as: list}
      prices: {from: lines, on: {order_id: order_id}, as: list, value: "{price}"}
      amounts: {from: lines, on: {order_id: order_id}, as: set, value: "{price}"}
      buyer: {from: customers, on: {customer_id: customer_id}, as: map}
      rep: {from: customers, on: {customer_id: customer_id}, as: map, hidden: true}
      events: {from: events, on: {order_id: order_id}, as: list, order_by: [what]}
    compare: %s
"""
UNKNOWN = "the path is embed.attribute, after renaming"


@pytest.mark.parametrize(
    ("compare", "place", "words"),
    [
        ("{ignore: [nope]}", "ignore[0]", "no attribute `nope` here"),
        ("{ignore: [memo, statuss]}", "ignore[1]", "no attribute `statuss` here (did you mean `status`?); " + UNKNOWN),
        ("{ignore: [note]}", "ignore[0]", "no attribute `note` here"),
        ("{ignore: [lines.prize]}", "ignore[0]", "no attribute `lines.prize` here (did you mean `lines.price`?)"),
        ("{ignore: ['lines[0].price']}", "ignore[0]", "no attribute `lines[0].price` here"),
        ("{ignore: [rep.name]}", "ignore[0]", "no attribute `rep.name` here"),
        ("{ignore: [status.x]}", "ignore[0]", "no attribute `status.x` here"),
        ("{ignore: [prices.price]}", "ignore[0]", "no attribute `prices.price` here"),
        ("{ignore: [payload..x]}", "ignore[0]", "no attribute `payload..x` here"),
        ("{null_is_absent: [nope]}", "null_is_absent[0]", "no attribute `nope` here"),
        ("{ignore: [pk]}", "ignore[0]", "`pk` is part of the key, by which items are found; take it out"),
        ("{ignore: [memo, memo]}", "ignore[1]", "`memo` stands here twice; keep one"),
        ("{unordered: [status]}", "unordered[0]", "`status` is no list; take it out"),
        ("{unordered: [buyer]}", "unordered[0]", "`buyer` is no list; take it out"),
        ("{unordered: [label]}", "unordered[0]", "`label` is no list; take it out"),
        ("{tolerance: {status: 1}}", "tolerance.status", "`status` is no number, and no list of numbers; take it out"),
        ("{tolerance: {tags: 1}}", "tolerance.tags", "`tags` is no number"),
        ("{tolerance: {lines: 1}}", "tolerance.lines", "`lines` is no number"),
        ("{tolerance: {amounts: 1}}", "tolerance.amounts", "`amounts` is no number"),
        ("{tolerance: {nope: 1}}", "tolerance.nope", "no attribute `nope` here"),
        ("{ignore: [lines, lines.price]}", "ignore[1]", "has no effect, `lines` is ignored; take one of the two out"),
        ("{ignore: [tags], unordered: [tags]}", "unordered[0]", "has no effect, `tags` is ignored"),
        ("{ignore: [payload], tolerance: {payload.x: 1}}", "tolerance.payload.x", "has no effect, `payload` is"),
        (
            "{unordered: [lines], tolerance: {lines.price: 1}}",
            "tolerance.lines.price",
            "not together with `unordered: [lines]`, whose elements are matched by their exact content",
        ),
    ],
)
def test_refused_in_one_line(compare: str, place: str, words: str) -> None:
    (problem,) = order_problems(EMBEDS % compare)
    assert f": items.order.compare.{place}: {words}" in problem


def test_the_plan_has_names_for_paths() -> None:
    plan = order(
        EMBEDS
        % (
            "{ignore: [memo, lines.sku, buyer.name, payload.seen.at, events.extra.x], unordered: [lines, tags, amounts]"
            ", null_is_absent: [events.what],"
            " tolerance: {total: 0.001, prices: 1, placed_at: 60, level: 2, payload: 5}}"
        )
    )
    assert plan.item("order").compare == Equivalences(
        ignore=frozenset(
            {("memo",), ("lines", "sku"), ("buyer", "name"), ("payload", "seen", "at"), ("events", "extra", "x")}
        ),
        unordered=frozenset({("lines",), ("tags",), ("amounts",)}),
        null_is_absent=frozenset({("events", "what")}),
        tolerance={
            ("total",): Decimal("0.001"),
            ("prices",): Decimal(1),
            ("placed_at",): Decimal(60),
            ("level",): Decimal(2),
            ("payload",): Decimal(5),
        },
    )


def test_nothing_is_accepted_unless_said() -> None:
    assert order("").item("order").compare == NO_EQUIVALENCES
    assert not NO_EQUIVALENCES


def test_an_attribute_whose_name_has_a_dot() -> None:
    assert order("    rename: {note: lines.price}\n    compare: {ignore: [lines.price]}\n").items[0].compare.ignore == {
        ("lines.price",)
    }
