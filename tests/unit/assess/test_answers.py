"""The rules by which a mapping answers a read, each by a mapping and a statement that it alone decides."""

from __future__ import annotations

import pytest

from pipelines.assess.answers.answer import answers
from pipelines.assess.design import Answer, Operation
from pipelines.assess.schema import Schema
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from tests.assess_evidence import Known, evidence_of, patterns_of

pytestmark = pytest.mark.unit

NUMBER = SourceType(name="bigint", kind=Kind.INTEGER)
TIME = SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ)
PRICE = SourceType(name="numeric(12,2)", kind=Kind.NUMERIC, precision=12, scale=2)
CITEXT = SourceType(name="citext", kind=Kind.TEXT, exact=False)

EVIDENCE = evidence_of(
    Known("customers", "id email nick name", "id", types={"id": NUMBER, "nick": CITEXT}, distinct={"id": 1e6}),
    Known(
        "orders",
        "id customer_id status placed_at price note",
        "id",
        rows=5_000_000,
        nullable="note",
        distinct={"customer_id": 1e6, "status": 6},
        common={"customer_id": 1e-6},
        parents={"customer_id": "customers"},
        types={"id": NUMBER, "customer_id": NUMBER, "placed_at": TIME, "price": PRICE},
    ),
    Known(
        "lines",
        "order_id line_no product",
        "order_id line_no",
        rows=10_000_000,
        distinct={"order_id": 5e6},
        common={"order_id": 1e-6},
        parents={"order_id": "orders"},
        types={"order_id": NUMBER, "line_no": NUMBER},
    ),
    Known("words", "word", "word", rows=10),
)


def mapping_text(**parts: str) -> str:
    """`key`, `set`, `embed` and more of orders, in YAML's flow style; `more`: other item types."""
    body = "".join(f"    {name}: {text}\n" for name, text in parts.items() if name not in ("more", "index", "where"))
    where = f"    where: {parts['where']}\n" if "where" in parts else ""
    index = parts.get("index", "{name: gsi1pk, type: S}, sort_key: {name: gsi1sk, type: S}")
    return (
        "migration: shop\ntarget:\n  tables:\n    shop:\n      partition_key: {name: pk, type: S}\n"
        "      sort_key: {name: sk, type: S}\n      indexes:\n"
        f"        gsi1: {{partition_key: {index}}}\n"
        f"items:\n  order:\n    table: shop\n    from: orders\n{where}{body}{parts.get('more', '')}"
    )


OWN = "{pk: 'ORDER#{id}', sk: ORDER}"
CUSTOMER = "  customer:\n    table: shop\n    from: customers\n    key: {pk: 'CUSTOMER#{id}', sk: CUSTOMER}\n"


def answered(statement: str, **parts: str) -> Answer:
    text = mapping_text(**({"key": OWN} | parts))
    mapping = parse_mapping(text, "test.yaml")
    compile_mapping(mapping, EVIDENCE.catalog)
    (found,) = answers(mapping, Schema(EVIDENCE), patterns_of(EVIDENCE, statement).patterns)
    return found


def test_the_key_is_a_get() -> None:
    found = answered("SELECT * FROM orders WHERE id = 1 AND status = 'open'")
    (read,) = found.reads
    assert (read.operation, read.partition, read.sort, read.fills) == (
        Operation.GET,
        "ORDER#{id}",
        "ORDER",
        {"id": "id"},
    )
    assert found.left == ("filter by status",)


def test_a_list_of_keys_is_a_batch() -> None:
    (read,) = answered("SELECT * FROM orders WHERE id IN (1, 2)").reads
    assert (read.operation, read.batch) == (Operation.BATCH_GET, True)


@pytest.mark.parametrize(
    ("statement", "key", "set_", "expected"),
    [
        # a partition of several types: by what the sort key begins with
        (
            "SELECT * FROM orders WHERE customer_id = 1",
            "{pk: 'CUSTOMER#{customer_id}', sk: 'ORDER#{id}'}",
            "{}",
            (None, "ORDER#", None, ()),
        ),
        # by an index; a range, and an order
        (
            "SELECT * FROM orders WHERE customer_id = 1 AND placed_at > '2026-01-01'",
            OWN,
            "{gsi1pk: 'C#{customer_id}', gsi1sk: '{placed_at}'}",
            ("gsi1", "", "placed_at", ("placed_at",)),
        ),
        # ranges of numbers do not sort as text, unless they are padded
        (
            "SELECT * FROM orders WHERE customer_id = 1 AND id > 5",
            "{pk: 'CUSTOMER#{customer_id}', sk: 'ORDER#{id:010}'}",
            "{}",
            (None, "ORDER#", "id", ("id",)),
        ),
    ],
)
def test_a_query(statement: str, key: str, set_: str, expected: tuple[object, ...]) -> None:
    found = answered(statement, key=key, **({"set": set_} if set_ != "{}" else {}))
    (read,) = found.reads
    assert read.operation is Operation.QUERY
    assert (read.index, read.sort_prefix, read.range_on, read.sorted_by) == expected
    assert found.left == ()


def test_a_range_that_no_key_bounds_is_left_to_the_reader() -> None:
    found = answered(
        "SELECT * FROM orders WHERE customer_id = 1 AND id > 5",
        key="{pk: 'CUSTOMER#{customer_id}', sk: 'ORDER#{id}'}",
    )
    (read,) = found.reads
    assert (read.range_on, read.sorted_by) == (None, ())
    assert found.left == ("range of id",)


def test_an_order_that_no_key_gives_is_left_to_the_reader() -> None:
    found = answered(
        "SELECT * FROM orders WHERE customer_id = 1 ORDER BY placed_at",
        key="{pk: 'CUSTOMER#{customer_id}', sk: 'ORDER#{id}'}",
    )
    assert found.left == ("order by placed_at",)


@pytest.mark.parametrize(
    ("partition", "sort", "is_served"),
    [
        ("C#{customer_id}", "#{status}", True),
        ("C#{customer_id}", "#{note}", False),  # NULL: those items are in no index
        ("C#{customer_id}", "{status}", False),  # so are those of which the whole key is an empty text
        ("C#{customer_id}#{note}", "#{status}", False),  # a partition that is not known
    ],
)
def test_an_index_that_lacks_rows_is_none(partition: str, sort: str, is_served: bool) -> None:
    found = answered("SELECT * FROM orders WHERE customer_id = 1", set=f"{{gsi1pk: '{partition}', gsi1sk: '{sort}'}}")
    assert found.is_served is is_served


def test_a_range_never_wants_what_is_null() -> None:
    found = answered(
        "SELECT * FROM orders WHERE customer_id = 1 AND note > 'x'",
        set="{gsi1pk: 'C#{customer_id}', gsi1sk: '{note}'}",
    )
    assert found.reads[0].range_on == "note"


def test_shards_are_as_many_queries() -> None:
    found = answered(
        "SELECT * FROM orders WHERE status = 'open' ORDER BY placed_at LIMIT 5",
        set="{gsi1pk: 'S#{status:esc}#{id:mod8}', gsi1sk: '{placed_at}'}",
    )
    (read,) = found.reads
    assert (read.shards, read.fills, read.sorted_by) == (8, {"status": "status"}, ("placed_at",))


def test_a_key_of_less_than_the_value_leaves_a_filter() -> None:
    found = answered(
        "SELECT * FROM orders WHERE placed_at = '2026-01-01 10:00'",
        set="{gsi1pk: 'D#{placed_at:%Y-%m-%d}', gsi1sk: '#{id}'}",
    )
    assert found.is_served
    assert found.left == ("filter by placed_at",)


@pytest.mark.parametrize(
    ("statement", "key", "is_served"),
    [
        ("SELECT * FROM customers WHERE lower(email) = 'a'", "E#{email:lower}", True),
        ("SELECT * FROM customers WHERE lower(email) = 'a'", "E#{email}", False),
        ("SELECT * FROM customers WHERE email = 'a'", "E#{email}", True),
        ("SELECT * FROM customers WHERE nick = 'a'", "E#{nick}", False),  # A is equal to a
        ("SELECT * FROM customers WHERE nick = 'a'", "E#{nick:lower}", True),
    ],
)
def test_either_case(statement: str, key: str, is_served: bool) -> None:
    more = CUSTOMER + f"    set: {{gsi1pk: '{key}', gsi1sk: '#{{id}}'}}\n"
    assert answered(statement, more=more).is_served is is_served


def test_an_item_type_with_a_condition_lacks_rows() -> None:
    assert not answered("SELECT * FROM orders WHERE id = 1", where="\"status = 'open'\"").is_served


@pytest.mark.parametrize(
    ("embed", "reads"),
    [
        ("{customer: {from: customers, on: {id: customer_id}, as: map}}", 1),
        ("{customer: {from: customers, on: {id: customer_id}, as: map, include: [name]}}", 1),
        ("{customer: {from: customers, on: {id: customer_id}, as: map, include: [email]}}", 2),
        ("{customer: {from: customers, on: {id: customer_id}, as: map, hidden: true}}", 2),
        ("{customer: {from: customers, on: {id: customer_id}, as: map, where: \"name <> 'x'\"}}", 2),
        ("{lines: {from: lines, on: {order_id: id}, as: list}}", 2),
    ],
)
def test_what_the_item_holds_needs_no_read(embed: str, reads: int) -> None:
    statement = "SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 1"
    found = answered(statement, embed=embed, more=CUSTOMER)
    assert len(found.reads) == reads
    if reads == 2:
        assert (found.reads[1].item_type, found.reads[1].follows, found.reads[1].fills) == (
            "customer",
            0,
            {"id": "customer_id"},
        )


def test_a_join_that_nothing_answers_is_not_served() -> None:
    statement = "SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 1"
    found = answered(statement)
    assert not found.is_served
    assert "no key of the mapping finds customers by id" in found.reason


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("SELECT * FROM lines WHERE order_id = 1", ("of the list lines",)),
        ("SELECT * FROM lines WHERE order_id = 1 AND line_no = 2", ("of the list lines, the elements by line_no",)),
    ],
)
def test_rows_that_their_parent_holds(statement: str, left: tuple[str, ...]) -> None:
    found = answered(statement, embed="{lines: {from: lines, on: {order_id: id}, as: list}}")
    (read,) = found.reads
    assert (read.item_type, read.fills) == ("order", {"id": "order_id"})
    assert found.left == left


@pytest.mark.parametrize("extra", ["limit: 3", "where: \"product <> 'x'\"", "include: [product]", "value: '{product}'"])
def test_a_list_that_lacks_rows_or_columns_does_not_serve(extra: str) -> None:
    found = answered(
        "SELECT * FROM lines WHERE order_id = 1",
        embed=f"{{lines: {{from: lines, on: {{order_id: id}}, as: list, {extra}}}}}",
    )
    assert not found.is_served


def test_or_is_as_many_reads() -> None:
    found = answered(
        "SELECT * FROM orders WHERE id = 1 OR (customer_id = 2 AND price > 3)",
        set="{gsi1pk: 'C#{customer_id}', gsi1sk: '{price}'}",
        index="{name: gsi1pk, type: S}, sort_key: {name: gsi1sk, type: N}",
    )
    assert [(read.operation, read.index, read.range_on) for read in found.reads] == [
        (Operation.GET, None, None),
        (Operation.QUERY, "gsi1", "price"),
    ]


def test_all_rows_of_a_small_table() -> None:
    words = "  word:\n    table: shop\n    from: words\n    key: {pk: WORDS, sk: 'WORD#{word}'}\n"
    assert answered("SELECT * FROM words", more=words).is_served
    spread = words.replace("pk: WORDS", "pk: 'W#{word}'").replace("sk: 'WORD#{word}'", "sk: W")
    assert not answered("SELECT * FROM words", more=spread).is_served


def test_a_write_finds_its_rows() -> None:
    found = answered(
        "UPDATE orders SET status = 'x' WHERE customer_id = 4", set="{gsi1pk: 'C#{customer_id}', gsi1sk: '#{id}'}"
    )
    assert (found.is_served, found.reads[0].index) == (True, "gsi1")
    assert not answered("UPDATE orders SET status = 'x' WHERE customer_id = 4").is_served
    assert answered("INSERT INTO orders (id) VALUES (1)").is_served


def test_null_is_no_value_of_a_key() -> None:
    found = answered("SELECT * FROM orders WHERE note IS NULL", set="{gsi1pk: 'N#{note}', gsi1sk: '#{id}'}")
    assert not found.is_served
    assert "generated column" in found.reason
