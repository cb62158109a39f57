"""The drawings of an assessment: geometry that a reader can follow, whatever the tables are like."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from random import Random

import pytest

from expectations.assessment.cells import fit, width
from expectations.assessment.collections_picture import CollectionsPicture, collection_pictures
from expectations.assessment.er_graph import chosen
from expectations.assessment.er_picture import BOX, ErPicture, er_picture
from expectations.assessment.layers import layered
from expectations.assessment.table_names import roles
from pipelines.assess.evidence import Evidence
from pipelines.mapping.load import parse_mapping
from tests.assess_evidence import Known, evidence_of, patterns_of
from tests.assessed_shop import DRAFT, EVIDENCE, ONE, PATTERNS
from tests.assessed_strange import circle, hostile, many

pytestmark = pytest.mark.unit

HUB = evidence_of(
    Known("hub", "id up", "id", parents={"up": "hub"}),
    *(Known(f"spoke{number:02}", "id hub", "id", parents={"hub": "hub"}) for number in range(30)),
)
TWICE = evidence_of(Known("a", "id", "id"), Known("b", "id first second", "id", parents={"first": "a", "second": "a"}))
DRAWN: dict[str, Evidence] = {
    "shop": EVIDENCE,
    "circle": circle("a", "b", "c", "d"),
    "two": circle("a", "b"),
    "itself": circle("a"),
    "hub": HUB,
    "twice": TWICE,
    "hostile": hostile()[0],
    "many": many(60)[0],
}


def drawn(evidence: Evidence) -> ErPicture:
    return er_picture(evidence, chosen(evidence, patterns_of(evidence)), {})


@pytest.mark.parametrize("seed", range(8))
def test_edges_lead_from_layer_to_layer(seed: int) -> None:
    random = Random(seed)
    nodes = list(range(25))
    edges = [(random.choice(nodes), random.choice(nodes)) for _ in range(40)]
    made = layered(nodes, edges, 5)
    layer = {one: number for number, members in enumerate(made.layers) for one in members}
    assert sorted(one for one in layer if isinstance(one, int)) == nodes
    assert all(sum(isinstance(one, int) for one in members) <= 5 for members in made.layers)
    assert {frozenset(pair) for pair in made.routes} == {frozenset(edge) for edge in edges if edge[0] != edge[1]}
    for route in made.routes.values():
        assert all(layer[after] - layer[before] == 1 for before, after in pairwise(route))
    assert layered(nodes, edges, 5) == made


def test_without_a_cycle_no_edge_is_turned_round() -> None:
    edges = [(low, high) for low, high in combinations(range(12), 2) if (low * 7 + high) % 3]
    assert set(layered(list(range(12))[::-1], edges, 9).routes) == set(edges)


def test_lines_cross_no_more_than_they_must() -> None:
    made = layered(["a", "b", "c", "x", "y", "z"], [("a", "z"), ("b", "y"), ("c", "x")], 9)
    first, second = made.layers
    heads = {"a": "z", "b": "y", "c": "x"}
    assert [heads[str(one)] for one in first] == list(second)


@pytest.mark.parametrize("name", DRAWN)
def test_boxes_stand_apart_and_within_the_picture(name: str) -> None:
    picture = drawn(DRAWN[name])
    assert picture.boxes
    for one, other in combinations(picture.boxes, 2):
        aside = one.x + BOX <= other.x or other.x + BOX <= one.x
        assert aside or one.y + one.height <= other.y or other.y + other.height <= one.y
    for box in picture.boxes:
        assert box.x >= 0 and box.y >= 0
        assert box.x + BOX <= picture.width and box.y + box.height <= picture.height
        assert all(row.y < box.height for row in box.rows)
    assert drawn(DRAWN[name]) == picture


@pytest.mark.parametrize("name", DRAWN)
def test_a_line_begins_at_the_parent_and_ends_at_the_childs_column(name: str) -> None:
    evidence = DRAWN[name]
    picture = drawn(evidence)
    shown = chosen(evidence, patterns_of(evidence))
    boxes = {str(ref): box for ref, box in zip(sorted(shown.tables, key=str), picture.boxes, strict=True)}
    assert len(picture.lines) == len(shown.keys)
    for key, line in zip(shown.keys, picture.lines, strict=True):
        points = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", line.path)]
        parent, child = boxes[str(key.parent)], boxes[str(key.table)]
        assert points[0][0] in (parent.x, parent.x + BOX) and parent.y < points[0][1] < parent.y + parent.height
        assert points[-1][0] in (child.x, child.x + BOX)
        column = fit(key.columns[0], 19)
        row = next((row for row in child.rows if row.name == column), None)
        assert row is None or abs(child.y + row.y - points[-1][1]) < 8


def test_tables_that_nothing_connects_are_folded() -> None:
    shown = chosen(EVIDENCE, PATTERNS)
    assert [ref.table for ref in shown.alone] == ["settings"]
    assert len(shown.tables) == 6


def test_of_many_tables_those_are_drawn_that_statements_ask() -> None:
    evidence, _ = many(100)
    few = patterns_of(evidence, "SELECT * FROM table_000 WHERE id = $1", "UPDATE table_001 SET note = $1 WHERE id = $2")
    shown = chosen(evidence, few)
    assert {str(ref) for ref in shown.tables} == {"public.table_000", "public.table_001"}
    assert shown.said == "2 of 100 tables: those that statements read or write"
    assert chosen(evidence, patterns_of(evidence)).said == "40 of 100 tables: the largest"


def test_a_table_has_the_colour_of_what_becomes_of_it() -> None:
    mapping = parse_mapping(DRAFT, "draft.yaml")
    picture = er_picture(EVIDENCE, chosen(EVIDENCE, PATTERNS), roles(mapping))
    assert {box.name: box.role for box in picture.boxes} == {
        "addresses": "embedded",
        "categories": "left_out",
        "customers": "items",
        "order_items": "embedded",
        "orders": "items",
        "products": "items",
    }


def collections(text: str) -> dict[str, CollectionsPicture]:
    found = collection_pictures(parse_mapping(text, "m.yaml"), ONE.mappings[0], EVIDENCE.catalog)
    return {f"{one.table}/{one.index}": one for one in found}


def said(picture: CollectionsPicture) -> dict[str, list[list[str]]]:
    return {row.title: [[box.name, *(line.text for line in box.lines)] for box in row.boxes] for row in picture.rows}


def test_item_types_of_one_partition_stand_side_by_side_in_the_order_of_their_sort_keys() -> None:
    found = collections(DRAFT)
    assert said(found["shop/"]) == {
        "CUSTOMER#{customer_id}": [
            ["order", "ORDER#{placed_at}#{order_id}", "lines[ ] ← order_items", "1,200,000 × 812 B"],
            ["customer", "PROFILE", "addresses[ ] ← addresses", "40,000 × 812 B"],
        ],
        "PRODUCT#{product_id}": [["product", "DETAILS", "9,000 × 812 B"]],
    }
    assert said(found["shop/gsi1"]) == {
        "EMAIL#{email}": [["customer", "CUSTOMER"]],
        "ORDER#{order_id}": [["order", "ORDER"]],
    }
    left, right = found["shop/"].rows[0].boxes
    assert left.x + found["shop/"].box_width < right.x
    assert right.x + found["shop/"].box_width <= found["shop/"].width


def test_how_many_partitions_there_are_is_said() -> None:
    sharded = collections(DRAFT.replace("EMAIL#{email}", "ALL").replace("ORDER#{order_id}", "O#{order_id:mod8}"))
    assert [row.partitions for row in sharded["shop/gsi1"].rows] == ["one partition", "8 partitions"]
    assert {row.partitions for row in sharded["shop/"].rows} == {"one partition for each"}


MIXED = """\
migration: mixed
target:
  tables:
    all:
      partition_key: {name: id, type: S}
      indexes:
        by_mail: {partition_key: {name: mail, type: S}, projection: {include: [name]}}
        by_name: {partition_key: {name: name, type: S}, sort_key: {name: country, type: S}, projection: keys_only}
items:
  customer: {table: all, from: customers, key: {id: "C#{customer_id}"}, rename: {email: mail}}
  hidden: {table: all, from: customers, key: {id: "C#{name}"}, include: [name]}
  product: {table: all, from: products, key: {id: "P#{product_id}"}, set: {mail: none, country: "{sku}"}}
"""


def test_an_index_has_those_item_types_that_have_all_of_its_key() -> None:
    found = collections(MIXED)
    assert {row: [box[0] for box in boxes] for row, boxes in said(found["all/"]).items()} == {
        "C#{customer_id}": ["customer", "hidden"],
        "P#{product_id}": ["product"],
    }
    assert said(found["all/by_mail"]) == {"{email}": [["customer"]], "none": [["product"]]}
    assert found["all/by_mail"].projection == "name"
    assert said(found["all/by_name"]) == {"{name}": [["customer", "{country}"], ["product", "{sku}"]]}


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("orders", 6, "orders"),
        ("orders", 5, "orde…"),
        ("注文明細", 6, "注文…"),
        ("a\u202eb", 8, "a\\u202Eb"),
        ("é" * 3, 3, "ééé"),
    ],
)
def test_a_text_takes_no_more_room_than_it_has(text: str, cells: int, shown: str) -> None:
    assert fit(text, cells) == shown
    assert width(shown) <= cells
