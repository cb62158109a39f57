"""Items assembled from rows written by hand: what is left out, what is refused, and which problem comes first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipelines.items.canonical import digest
from pipelines.items.encode import default_encoding
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Encoding, Kind, SourceType
from pipelines.mapping.assemble import EmbeddedRows, Node, embedded_rows, enclosing_columns
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.mapping.online import assemble, source_key_of
from pipelines.mapping.outcome import Absent, Assembled, Rejected
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    ConstantValue,
    EmbedPlan,
    EmbedValue,
    IndexKey,
    ItemPlan,
    KeyAttribute,
    KeyType,
    Nulls,
    OrderTerm,
    Placeholder,
    RowPlan,
    Shape,
    Template,
    TemplateValue,
)
from pipelines.mapping.source_row import SourceRow

pytestmark = pytest.mark.unit

TEXT = SourceType(name="text", kind=Kind.TEXT)
NUMERIC = SourceType(name="numeric", kind=Kind.NUMERIC)
TEXTS = SourceType(name="text[]", kind=Kind.ARRAY, element=TEXT)
COLUMNS = {"id": TEXT, "a": TEXT, "b": TEXT, "n": NUMERIC, "tags": TEXTS}
TABLE = Table(
    ref=TableRef(schema_name="public", table="t"),
    relation=Relation.TABLE,
    columns=tuple(Column(name=name, type=type, nullable=True) for name, type in COLUMNS.items()),
    primary_key=("id",),
)


def column(name: str, encoding: Encoding | None = None, path: tuple[str, ...] = ()) -> ColumnValue:
    return ColumnValue(name, COLUMNS[name], encoding or default_encoding(COLUMNS[name]), path)


def template(*parts: str | tuple[str, ...]) -> TemplateValue:
    """Tuples are paths that end with a column."""
    placed = [p if isinstance(p, str) else Placeholder(p[:-1], p[-1], COLUMNS[p[-1]]) for p in parts]
    return TemplateValue(Template("…", tuple(placed)))


def plan(attributes: dict[str, Any], *embeds: EmbedPlan, nulls: Nulls = Nulls.ABSENT) -> RowPlan:
    named = [Attribute(name, attributes[name], nulls) for name in sorted(attributes)]
    return RowPlan(TABLE, tuple(COLUMNS), None, tuple(named), embeds)


def embed(
    name: str, shape: Shape, row: RowPlan, value: Any = None, limit: int | None = None, hidden: bool = False
) -> EmbedPlan:
    """Children whose `b` is the enclosing row's `id`, by id."""
    return EmbedPlan(name, shape, row, (("b", "id"),), (OrderTerm("id", TEXT, False),), limit, hidden, value)


def item(root: RowPlan, key: Any = None, index_keys: Sequence[IndexKey] = ()) -> ItemPlan:
    pk = KeyAttribute("pk", KeyType.S, key or column("id"))
    return ItemPlan("thing", "things", (pk,), root, tuple(index_keys), frozenset(), False)


def row(id: str = "1", **values: Any) -> SourceRow:
    return SourceRow({**dict.fromkeys(COLUMNS), "id": id, **values})


def node(root: RowPlan, found: SourceRow, **children: Sequence[SourceRow]) -> Node:
    embeds = {
        e.name: EmbeddedRows(enclosing_columns(e, root), embedded_rows(e, children.get(e.name, ())), {})
        for e in root.embeds
    }
    return Node(found, embeds)


def made(plan: ItemPlan, found: SourceRow, **children: Sequence[SourceRow]) -> dict[str, Any]:
    outcome = assemble(plan, node(plan.root, found, **children))
    assert isinstance(outcome, Assembled), outcome
    assert outcome.digest == digest(outcome.item)
    made: dict[str, Any] = json.loads(outcome.item)
    return made


def refused(plan: ItemPlan, found: SourceRow, **children: Sequence[SourceRow]) -> tuple[RejectReason, str | None]:
    outcome = assemble(plan, node(plan.root, found, **children))
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason, outcome.attribute


def test_no_row_is_absent() -> None:
    assert assemble(item(plan({})), None) == Absent()


def test_null_is_absent_or_null() -> None:
    attributes = {"a": column("a"), "tags": column("tags", Encoding.SS), "made": template(("a",), "!")}
    assert made(item(plan(attributes)), row(tags="{}")) == {"pk": {"S": "1"}}
    explicit = plan(attributes, nulls=Nulls.NULL)
    assert made(item(explicit), row(tags="{}")) == {"pk": {"S": "1"}, "a": {"NULL": True}}


def test_no_children_are_an_empty_list_and_no_set_and_no_map() -> None:
    child = plan({"a": column("a")})
    root = plan(
        {"l": EmbedValue("l"), "s": EmbedValue("s"), "m": EmbedValue("m"), "seen": template(("m", "a"))},
        embed("l", Shape.LIST, child),
        embed("s", Shape.SET, child, column("a")),
        embed("m", Shape.MAP, child),
    )
    assert made(item(root), row()) == {"pk": {"S": "1"}, "l": {"L": []}}


def test_lists_are_ordered_and_limited() -> None:
    root = plan({"l": EmbedValue("l")}, embed("l", Shape.LIST, plan({}), column("a"), limit=2))
    children = [row("3", b="1", a="z"), row("2", b="1"), row("1", b="1", a="x"), row("0", b="9", a="other")]
    assert made(item(root), row(), l=children)["l"] == {"L": [{"S": "x"}, {"NULL": True}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (column("a"), {"SS": ["B", "a"]}),
        (template("#", ("a",)), {"SS": ["#B", "#a"]}),
        (column("a", Encoding.B), {"BS": ["Qg==", "YQ=="]}),
    ],
)
def test_sets(value: Any, expected: dict[str, Any]) -> None:
    root = plan({"s": EmbedValue("s")}, embed("s", Shape.SET, plan({}), value))
    assert made(item(root), row(), s=[row("1", b="1", a="a"), row("2", b="1", a="B")])["s"] == expected


@pytest.mark.parametrize("members", [["x", None], ["x", "x"]])
def test_a_null_or_a_member_twice_in_a_set(members: list[str | None]) -> None:
    root = plan({"s": EmbedValue("s")}, embed("s", Shape.SET, plan({}), column("a")))
    children = [row(str(n), b="1", a=member) for n, member in enumerate(members)]
    assert refused(item(root), row(), s=children) == (RejectReason.SET_NULL_OR_DUPLICATE, "s")


def test_an_index_key_is_left_out_when_it_is_null_or_empty() -> None:
    index = IndexKey("a", KeyType.S, 1024)
    root = plan({"a": column("a"), "n": column("n")}, nulls=Nulls.NULL)
    assert made(item(root, index_keys=[index]), row()) == {"pk": {"S": "1"}, "n": {"NULL": True}}
    assert made(item(root, index_keys=[index]), row(a="")) == {"pk": {"S": "1"}, "n": {"NULL": True}}
    assert made(item(root), row(a=""))["a"] == {"S": ""}


def test_key_lengths_count_bytes() -> None:
    root = plan({"a": column("a")})
    index = IndexKey("a", KeyType.S, 1024)
    assert made(item(root), row("é" * 1024))
    assert refused(item(root), row("é" * 1024 + "x")) == (RejectReason.KEY_TOO_LONG, "pk")
    assert made(item(root, index_keys=[index]), row(a="é" * 512))
    assert refused(item(root, index_keys=[index]), row(a="é" * 512 + "x")) == (RejectReason.INDEX_KEY_TOO_LONG, "a")
    as_index = IndexKey("pk", KeyType.S, 1024)
    assert refused(item(root, index_keys=[as_index]), row("x" * 1025)) == (RejectReason.INDEX_KEY_TOO_LONG, "pk")


@pytest.mark.parametrize(("key", "values"), [(column("a"), {}), (column("a"), {"a": ""}), (template("x", ("a",)), {})])
def test_a_key_is_there(key: Any, values: dict[str, Any]) -> None:
    assert refused(item(plan({}), key=key), row(**values)) == (RejectReason.KEY_NULL_OR_EMPTY, "pk")


def test_an_item_has_400_kilobytes_with_its_version() -> None:
    root = plan({"a": column("a")})
    room = 400 * 1024 - len("pk1a") - len("_v") - 11
    assert made(item(root), row(a="x" * room))
    outcome = assemble(item(root), node(root, row(a="x" * (room + 1))))
    assert outcome == Rejected(
        "things", '{"pk":{"S":"1"}}', RejectReason.ITEM_TOO_LARGE, None, 409588, "409588 bytes, 409587 at most"
    )


def test_the_first_problem_is_the_keys_then_by_name_then_by_place() -> None:
    child = plan({"n": column("n"), "q": column("a", Encoding.N)})
    root = plan({"l": EmbedValue("l"), "n": column("n")}, embed("l", Shape.LIST, child))
    thing = item(root)
    bad = row("1", b="1", n="NaN", a="no number")
    good = row("0", b="1", n="1", a="2")
    assert refused(item(root, key=column("a")), row(n="NaN"), l=[bad]) == (RejectReason.KEY_NULL_OR_EMPTY, "pk")
    assert refused(thing, row(n="NaN"), l=[bad]) == (RejectReason.NOT_A_NUMBER, "l[0].n")
    assert refused(thing, row(n="NaN"), l=[good, replace(bad)]) == (RejectReason.NOT_A_NUMBER, "l[1].n")
    assert refused(thing, row(n="NaN"), l=[good]) == (RejectReason.NOT_A_NUMBER, "n")
    late = row("1", b="1", n="1", a="no number")
    assert refused(thing, row(), l=[late]) == (RejectReason.NOT_A_NUMBER, "l[0].q")


def test_an_ambiguous_map_is_a_problem_where_it_is_wanted() -> None:
    two = [row("1", b="1", a="x"), row("2", b="1", a="y")]
    hidden = embed("m", Shape.MAP, plan({}), hidden=True)
    reason = RejectReason.MAP_WITH_TWO_PARENTS
    assert made(item(plan({}, hidden)), row(), m=two) == {"pk": {"S": "1"}}
    assert refused(item(plan({"z": template(("m", "a"))}, hidden)), row(), m=two) == (reason, "z")
    assert refused(item(plan({"z": column("a", path=("m",))}, hidden)), row(), m=two) == (reason, "z")
    assert refused(item(plan({}, hidden), key=template(("m", "a"))), row(), m=two) == (reason, "pk")
    shown = embed("m", Shape.MAP, plan({"a": column("a")}))
    assert refused(item(plan({"m": EmbedValue("m")}, shown)), row(), m=two) == (reason, "m")


def test_a_problem_wins_over_a_null_before_it() -> None:
    root = plan({"t": template(("a",), "-", ("n",))})
    assert refused(item(root), row(n="NaN")) == (RejectReason.NOT_A_NUMBER, "t")


def test_the_key_of_a_reject_is_there_when_it_could_be_built() -> None:
    outcome = assemble(item(plan({"n": column("n")})), node(plan({}), row(n="NaN")))
    assert isinstance(outcome, Rejected)
    assert outcome.key == '{"pk":{"S":"1"}}'


def test_constants() -> None:
    assert made(item(plan({"v": ConstantValue('{"N":"2"}')})), row())["v"] == {"N": "2"}


def test_source_keys_are_quoted() -> None:
    assert source_key_of(item(plan({})), row('a"\n')) == '{"id":"a\\"\\n"}'
