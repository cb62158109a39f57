"""The rules by which a mapping is drafted, each by a schema and statements that it alone decides; and that every draft
compiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.assess.answers.answer import answers
from pipelines.assess.design import Design, Judged, Operation, WarningKind
from pipelines.assess.draft.draft import Draft, draft
from pipelines.assess.evidence import Evidence
from pipelines.assess.folder import write_assessment, write_draft
from pipelines.assess.judged import DRAFT, Given, judge
from pipelines.assess.observed import Observed
from pipelines.assess.schema import Schema
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.model import Item
from pipelines.warehouse.place import Place
from tests.assess_evidence import Known, evidence_of, patterns_of

pytestmark = pytest.mark.unit

NUMBER = SourceType(name="bigint", kind=Kind.INTEGER)
TIME = SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ)
UNKNOWN = SourceType(name="vector", kind=Kind.OTHER, known=False)
ALL_NUMBERS = dict.fromkeys(["id", "customer_id", "order_id", "line_no", "product_id"], NUMBER)

CUSTOMERS = Known("customers", "id email name", "id", unique=["email"], distinct={"id": 1e6}, types=ALL_NUMBERS)
ORDERS = Known(
    "orders",
    "id customer_id status placed_at note",
    "id",
    rows=5_000_000,
    nullable="note",
    distinct={"customer_id": 1e6, "status": 6},
    common={"customer_id": 1e-6},
    parents={"customer_id": "customers"},
    types={"placed_at": TIME, **ALL_NUMBERS},
)
LINES = Known(
    "lines",
    "order_id line_no product_id quantity",
    "order_id line_no",
    rows=20_000_000,
    distinct={"order_id": 5e6},
    common={"order_id": 1e-6},
    parents={"order_id": "orders"},
    types=ALL_NUMBERS,
)
SHOP = evidence_of(CUSTOMERS, ORDERS, LINES)


def drafted(*statements: str | Observed, evidence: Evidence = SHOP) -> Draft:
    return draft(evidence, patterns_of(evidence, *statements), Schema(evidence), "shop")


def item(found: Draft, name: str) -> Item:
    assert found.mapping is not None
    return found.mapping.items[name]


def rules(found: Draft, about: str) -> list[str]:
    return [one.rule for one in found.choices if one.about == about or one.about.startswith(f"{about} index")]


def many(statement: str, calls: int) -> Observed:
    return Observed(statement, "queries", calls=calls)


def test_without_statements_every_row_is_an_item_by_its_key() -> None:
    found = drafted()
    assert {name: one.key["pk"] for name, one in found.mapping.items.items()} == {  # type: ignore[union-attr]
        "customers": "CUSTOMERS#{id}",
        "orders": "ORDERS#{id}",
        "lines": "ORDERS#{order_id}",
    }
    assert item(found, "lines").key["sk"] == "LINES#{line_no}"
    assert (rules(found, "orders"), rules(found, "lines")) == (["own key"], ["collection"])


def test_the_heavier_of_two_reads_gets_the_key() -> None:
    by_key, by_customer = "SELECT * FROM orders WHERE id = 1", "SELECT * FROM orders WHERE customer_id = 1"
    own = item(drafted(many(by_key, 9), many(by_customer, 4)), "orders")
    assert (own.key["pk"], own.set_["gsi1pk"]) == ("ORDERS#{id}", "ORDERS.CUSTOMER_ID#{customer_id}")
    theirs = item(drafted(many(by_key, 4), many(by_customer, 9)), "orders")
    assert (theirs.key["pk"], theirs.key["sk"]) == ("CUSTOMERS#{customer_id}", "ORDERS#{id}")
    assert theirs.set_["gsi1pk"] == "ORDERS.ID#{id}"


def test_an_order_that_is_asked_for_takes_an_index_that_serves_the_rest() -> None:
    found = drafted(
        many("SELECT * FROM orders WHERE customer_id = 1", 9),
        "SELECT * FROM orders WHERE customer_id = 1 ORDER BY placed_at DESC LIMIT 3",
    )
    assert item(found, "orders").key["pk"] == "ORDERS#{id}"
    assert item(found, "orders").set_ == {"gsi1pk": "ORDERS.CUSTOMER_ID#{customer_id}", "gsi1sk": "{placed_at}"}


def test_an_index_by_what_may_be_null_serves_its_range_alone() -> None:
    found = drafted("SELECT * FROM orders WHERE status = 'x'", "SELECT * FROM orders WHERE status = 'x' AND note > 'a'")
    sets = item(found, "orders").set_
    assert (sets["gsi1sk"], sets["gsi2sk"]) == ("#{note}", "ORDERS#{id}")


def test_an_order_that_no_index_can_give_is_not_promised() -> None:
    found = drafted("SELECT * FROM orders WHERE status = 'x' ORDER BY note LIMIT 3")
    assert item(found, "orders").set_["gsi1sk"] == "ORDERS#{id}"
    (choice,) = [one for one in found.choices if one.rule == "index"]
    assert "the order by note is left to the reader" in choice.reason


def test_few_values_are_spread() -> None:
    found = drafted("SELECT * FROM orders WHERE status = 'x'", "SELECT * FROM orders ORDER BY placed_at LIMIT 9")
    partitions = {value for name, value in item(found, "orders").set_.items() if name.endswith("pk")}
    assert partitions == {"ORDERS.STATUS#{status:esc}#{id:mod8}", "ORDERS#{id:mod8}"}
    few = evidence_of(Known("orders", "id status", "id", rows=500, distinct={"status": 6}, types=ALL_NUMBERS))
    assert ":mod" not in drafted("SELECT * FROM orders WHERE status = 'x'", evidence=few).text


def test_numbers_sort_in_an_index_whose_key_is_a_number() -> None:
    found = drafted("SELECT * FROM lines WHERE order_id = 1 AND line_no > 3")
    assert found.mapping is not None
    index = found.mapping.target.tables["shop"].indexes["gsi1"]
    assert index.sort_key is not None
    assert (index.sort_key.type, item(found, "lines").set_["gsi1sk"]) == ("N", "{line_no}")


def test_a_small_table_that_is_read_whole_is_one_partition() -> None:
    evidence = evidence_of(Known("countries", "code name", "code", rows=200))
    found = drafted("SELECT * FROM countries ORDER BY name", evidence=evidence)
    assert item(found, "countries").key == {"pk": "COUNTRIES", "sk": "COUNTRIES#{code}"}


def test_what_reads_want_with_the_item_is_embedded_unless_writes_outweigh_them() -> None:
    read = "SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 1"
    found = drafted(many(read, 10), many("UPDATE customers SET name = 'x' WHERE id = 1", 1))
    embed = item(found, "orders").embed["customer"]
    assert (embed.as_, embed.include, embed.on) == ("map", ("name",), {"id": "customer_id"})
    apart = drafted(many(read, 10), many("UPDATE customers SET name = 'x' WHERE id = 1", 3))  # of five orders each
    assert item(apart, "orders").embed == {}
    assert rules(apart, "orders.customers") == ["read apart"]
    other = drafted(many(read, 10), many("UPDATE customers SET email = 'x' WHERE id = 1", 3))
    assert "customer" in item(other, "orders").embed


def test_children_that_are_only_asked_for_by_their_parent_live_in_it() -> None:
    read = "SELECT o.status, l.quantity FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1"
    found = drafted(read, "SELECT * FROM lines WHERE order_id = 1 AND line_no = 2")
    assert found.mapping is not None
    assert "lines" not in found.mapping.items
    assert item(found, "orders").embed["lines"].include is None
    alone = drafted(read, "SELECT * FROM lines WHERE product_id = 1")
    assert set(item(alone, "orders").embed["lines"].include or ()) == {"order_id", "line_no", "quantity"}
    assert "lines" in (alone.mapping.items if alone.mapping is not None else ())


def test_nobody_loses_its_home() -> None:
    """A table that lives in its parent stays somewhere, whatever becomes of the parent."""
    citext = SourceType(name="citext", kind=Kind.TEXT, exact=False)  # which no embed can be joined on
    texts = {"id": citext, "order_id": citext}
    orders = Known("orders", "id status", "id", types=texts)
    lines = Known(**(vars(LINES) | {"rows": 2_000_000, "types": texts, "distinct": {"order_id": 1e6}}))
    read = "SELECT o.status, l.* FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 'x'"
    refused = drafted(read, evidence=evidence_of(orders, lines))
    assert refused.mapping is not None
    assert set(refused.mapping.items) == {"orders", "lines"}

    unsayable = Known("orders", "i{d} status", "i{d}", rows=5_000_000)
    found = drafted(read.replace("o.id", 'o."i{d}"'), evidence=evidence_of(unsayable, LINES))
    assert found.mapping is not None
    assert set(found.mapping.items) == {"lines"}

    parts = Known(
        "parts",
        "order_id line_no part_no",
        "order_id line_no part_no",
        rows=20_000_000,
        distinct={"order_id": 5e6, "line_no": 20},
        common={"order_id": 1e-6, "line_no": 1e-6},
        parents={"order_id line_no": "lines"},
        types=ALL_NUMBERS,
    )
    down = "SELECT l.*, p.* FROM lines l JOIN parts p USING (order_id, line_no) WHERE l.order_id = 1 AND l.line_no = 2"
    chain = drafted(
        down,
        "SELECT o.*, l.* FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1",
        evidence=evidence_of(CUSTOMERS, ORDERS, LINES, parts),
    )
    assert chain.mapping is not None
    assert set(chain.mapping.items) == {"customers", "orders", "parts"}
    assert [one.about for one in chain.choices if one.rule == "in its parent"] == ["lines"]


def test_a_list_that_may_grow_long_is_no_home_for_its_rows() -> None:
    """However small they are."""
    read = "SELECT o.status, l.quantity FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1"
    for most, is_taken_in in ((90, True), (120, False)):
        lines = Known(**(vars(LINES) | {"common": {"order_id": most / 20_000_000}}))
        found = drafted(read, evidence=evidence_of(CUSTOMERS, ORDERS, lines))
        assert ("in its parent" in rules(found, "lines")) is is_taken_in


def test_children_that_may_be_many_are_items_in_the_parents_partition() -> None:
    most = Known(**(vars(LINES) | {"common": {"order_id": 1e-3}}))
    found = drafted(
        "SELECT o.status, l.* FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = 1",
        evidence=evidence_of(CUSTOMERS, ORDERS, most),
    )
    assert item(found, "orders").embed == {}
    assert item(found, "orders").key["pk"].replace("{id}", "") == item(found, "lines").key["pk"].replace(
        "{order_id}", ""
    )
    assert any("20,000 rows" in one.reason for one in found.choices)


def test_what_has_no_key_is_left_out_and_said() -> None:
    evidence = evidence_of(Known("log", "at message"), Known("t", "a{b} c", "a{b}"), Known("u", "id", "id"))
    found = drafted(evidence=evidence)
    assert found.mapping is not None
    assert list(found.mapping.items) == ["u"]
    assert [(one.kind, one.about) for one in found.warnings] == [
        (WarningKind.NO_ITEM, "log"),
        (WarningKind.NAME, "t"),
    ]
    nothing = drafted(evidence=evidence_of(Known("log", "at message")))
    assert (nothing.mapping, nothing.text) == (None, "")


def test_a_unique_key_without_nulls_does() -> None:
    evidence = evidence_of(Known("t", "code name", unique=["code"]))
    assert item(drafted(evidence=evidence), "t").source_key == ("code",)


def test_names_that_are_taken() -> None:
    evidence = evidence_of(Known("t", "pk sk _v v_ gsi1pk", "pk", types={"gsi1pk": UNKNOWN}), Known("t.", "pk", "pk"))
    found = drafted("SELECT * FROM t WHERE v_ = 'a'", evidence=evidence)
    assert found.mapping is not None
    assert [key.name for key in found.mapping.target.tables["shop"].keys] == ["pk2", "sk2"]
    assert item(found, "t").rename == {"_v": "v_2"}
    assert item(found, "t").types == {"gsi1pk": "text"}
    assert set(found.mapping.items) == {"t", "t_"}
    taken = evidence_of(Known("t", "pk gsi1pk2", "pk"))
    made = item(drafted("SELECT * FROM t WHERE gsi1pk2 = 'a'", evidence=taken), "t")
    assert (made.rename, made.set_["gsi1pk2"]) == ({"gsi1pk2": "gsi1pk2_"}, "T.GSI1PK2#{gsi1pk2}")


def test_a_table_has_no_more_than_twenty_indexes() -> None:
    names = [f"c{number}" for number in range(25)]
    evidence = evidence_of(Known("t", " ".join(["id", *names]), "id"))
    found = drafted(*(f"SELECT * FROM t WHERE {name} = 'x'" for name in names), evidence=evidence)
    assert found.mapping is not None
    assert len(found.mapping.target.tables["shop"].indexes) == 20
    assert [one.kind for one in found.warnings] == [WarningKind.INDEXES] * 5


def test_what_the_statements_want_is_served() -> None:
    statements = [
        "SELECT * FROM orders WHERE id = 1",
        "SELECT * FROM orders WHERE customer_id = 1 AND placed_at > '2026-01-01'",
        "SELECT * FROM customers WHERE lower(email) = 'x'",
        "SELECT o.*, c.* FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = 'x'",
        "DELETE FROM lines WHERE product_id = 3",
    ]
    found = drafted(*statements)
    assert found.mapping is not None
    made = answers(found.mapping, Schema(SHOP), patterns_of(SHOP, *statements).patterns)
    assert [one.reason for one in made if not one.is_served] == []
    assert {read.operation for one in made for read in one.reads} == {Operation.GET, Operation.QUERY}


def test_an_edited_draft_stays(tmp_path: Path) -> None:
    place, patterns, schema = Place.of(tmp_path), patterns_of(SHOP), Schema(SHOP)
    first = drafted()
    assert first.mapping is not None
    assert write_draft(place, first.text) == place / "draft.yaml"
    judged = judge(Given(DRAFT, "draft.yaml", first.text, first.mapping), SHOP, patterns, schema)
    write_assessment(place, SHOP, patterns, design_of(judged))
    assert write_draft(place, f"{first.text}# new\n") == place / "draft.yaml"  # nobody has edited it
    (tmp_path / "draft.yaml").write_text(f"{first.text}# mine\n", encoding="utf-8")
    assert write_draft(place, first.text) == place / "draft.new.yaml"
    assert (tmp_path / "draft.yaml").read_text(encoding="utf-8").endswith("# mine\n")


NAMES = st.text(min_size=1, max_size=6).filter(lambda name: name.strip() != "" and "\x00" not in name)
KINDS = [Kind.TEXT, Kind.INTEGER, Kind.NUMERIC, Kind.BOOLEAN, Kind.BYTES, Kind.JSON, Kind.UUID, Kind.DATE, Kind.OTHER]
TYPES = st.sampled_from([SourceType(name=kind.value, kind=kind) for kind in KINDS] + [UNKNOWN])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_draft_compiles(data: st.DataObject) -> None:
    """Whatever tables and columns are called, and of whatever types keys are. The names of columns have no white space
    here, which only the words of this test's tables could not say."""
    words = NAMES.map(lambda name: "".join(name.split())).filter(bool)
    tables: list[Known] = []
    for name in data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        columns = data.draw(st.lists(words, min_size=1, max_size=6, unique=True))
        key = data.draw(st.lists(st.sampled_from(columns), max_size=3, unique=True))
        parents = {columns[-1]: tables[-1].name} if tables and len(tables[-1].key.split()) == 1 else {}
        types = {column: data.draw(TYPES) for column in columns}
        tables.append(Known(name, " ".join(columns), " ".join(key), types=types, parents=parents))
    evidence = evidence_of(*tables)
    statements = []
    for table in tables:
        column = data.draw(st.sampled_from(table.columns.split()))
        statements.append(f"SELECT * FROM {quoted(table.name)} WHERE {quoted(column)} = 'x'")
        statements.append(f"SELECT * FROM {quoted(table.name)} WHERE {quoted(column)} > 'x' LIMIT 3")
        for column, parent in table.parents.items():
            (of,) = next(one for one in tables if one.name == parent).key.split()
            statements.append(
                f"SELECT * FROM {quoted(table.name)} c JOIN {quoted(parent)} p ON p.{quoted(of)} = c.{quoted(column)}"
                f" WHERE p.{quoted(of)} = 'x'"
            )
    found = drafted(*statements, evidence=evidence)
    keyed = [table for table in tables if table.key]
    if found.mapping is not None:
        compile_mapping(found.mapping, evidence.catalog)
    left_out = {one.about for one in found.warnings if one.kind in (WarningKind.NO_ITEM, WarningKind.NAME)}
    items = [] if found.mapping is None else list(found.mapping.items.values())
    taken_in = {embed.from_.table for one in items for embed in one.embed.values() if embed.include is None}
    made = {one.from_.table for one in items}
    assert {table.name for table in keyed} <= made | left_out | taken_in


def design_of(judged: Judged) -> Design:
    return Design(source=SHOP.source, evidence_taken_at=SHOP.taken_at, mappings=(judged,))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
