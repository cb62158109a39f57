"""The mapping against the schema: what is refused, and in which words; what the plan holds."""

from __future__ import annotations

import pytest

from pipelines.errors import MappingError
from pipelines.items.source_type import Encoding, Kind, SourceType
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.plan import (
    ColumnValue,
    ConstantValue,
    EmbedValue,
    Format,
    Nulls,
    TemplateValue,
    Value,
)
from tests.unit.mapping.small_catalog import (
    CATALOG,
    HEAD,
    INTEGER,
    ORDER,
    compiled,
    order,
    order_problems,
    problems_of,
    table,
)

pytestmark = pytest.mark.unit

LINES = "{from: lines, on: {order_id: order_id}, as: list%s}"


def values(rest: str) -> dict[str, Value]:
    return {attribute.name: attribute.value for attribute in order(rest).item("order").root.attributes}


REFUSED = [
    ("    where: nope = 1\n", "items.order.where: no column `nope` in public.orders"),
    ("    where: 'statuss = 1'\n", "did you mean `status`?"),
    ("    exclude: [emial]\n", "items.order.exclude[0]: no column `emial`"),
    ("    include: [status]\n    exclude: [note]\n", "keep one"),
    ("    rename: {note: status}\n", "`status` comes from column `status` and from column `note`"),
    ("    include: [status]\n    rename: {note: memo}\n", "`note` is not emitted"),
    ("    set: {note: x}\n", "comes from column `note` and from `set.note`"),
    ("    set: {pk: x}\n", "comes from `key.pk`"),
    ("    set: {_v: 1}\n", "`_v` is an attribute of Crossover's own"),
    ("    set: {x: 1e300}\n", "quote it"),
    ("    set: {x: '{nope}'}\n", "no column `nope`"),
    ("    set: {x: '{a.b}'}\n", "no embed `a`"),
    ("    set: {x: '{note'}\n", "a single `{`"),
    ("    set: {x: 'a{payload}'}\n", "jsonb has no text in a template"),
    ("    set: {x: '{note:010}'}\n", "for whole numbers"),
    ("    set: {x: '{note:%Y}'}\n", "for dates"),
    ("    set: {x: '{order_id:lower}'}\n", "for texts"),
    ("    set: {x: '{order_id:foo}'}\n", "`foo` is no format; allowed: 0N"),
    ("    set: {x: '{placed_at:%Q}'}\n", "`%Q` is not allowed"),
    ("    set: {gsi1pk: 5}\n", "`gsi1pk` is N, but as a key of an index it is S"),
    ("    set: {gsi1sk: '{note}'}\n", "`gsi1sk` is S, but as a key of an index it is N"),
    ("    types: {note: epoch_seconds}\n", "`epoch_seconds` is not possible for text; allowed: "),
    ("    types: {tags: NS}\n", "`NS` is not possible for text[]; allowed: SS, text"),
    ("    types: {nope: S}\n", "no column `nope`"),
    (
        "    types: {note: text}\n    exclude: [note]\n",
        "items.order.types.note: `note` is not emitted, so its type has no",
    ),
    (
        "    types: {lines.sku: text}\n    embed: {lines: " + LINES % ", include: [price]" + "}\n",
        "items.order.types.lines.sku: `sku` is not emitted",
    ),
    ("    types: {lines.price: BOOL}\n    embed: {lines: " + LINES % "" + "}\n", "`BOOL` is not possible"),
    (
        "    types: {lines.price: S}\n    embed: {lines: " + LINES % ", types: {price: text}" + "}\n",
        "given here and by an enclosing item",
    ),
    ("    sensitive: [nope]\n", "items.order.sensitive[0]: no attribute `nope`"),
    ("    embed: {lines: {from: linez, on: {a: b}, as: list}}\n", "no table `public.linez`"),
    ("    embed: {lines: {from: lines, on: {a: order_id}, as: list}}\n", "no column `a` in public.lines"),
    ("    embed: {lines: {from: lines, on: {order_id: b}, as: list}}\n", "no column `b` in public.orders"),
    ("    embed: {lines: {from: lines, on: {order_id: note}, as: list}}\n", "cannot be joined"),
    ("    embed: {e: {from: events, on: {extra: payload}, as: list, order_by: [what]}}\n", "cannot be joined on"),
    ("    embed: {lines: " + LINES % ", order_by: [nope]" + "}\n", "order_by[0]: no column `nope`"),
    ("    embed: {lines: " + LINES % ", order_by: [sku, -sku]" + "}\n", "twice"),
    ("    embed: {lines: " + LINES % ", hidden: true" + "}\n", "only an `as: map` can be hidden"),
    (
        "    embed: {e: {from: events, on: {order_id: order_id}, as: list}}\n",
        "no primary key, so its rows have no order",
    ),
    ("    embed: {e: {from: events, on: {order_id: order_id}, as: list, order_by: [extra]}}\n", "jsonb has no order"),
    ("    embed: {s: {from: lines, on: {order_id: order_id}, as: set}}\n", "a set needs `value`"),
    ("    embed: {m: {from: lines, on: {order_id: order_id}, as: map, limit: 1}}\n", "no meaning for `as: map`"),
    ("    embed: {m: {from: lines, on: {order_id: order_id}, as: map, value: x}}\n", "no meaning for `as: map`"),
    (
        "    embed:\n      s: {from: events, on: {order_id: order_id}, as: set, value: '{extra}'}\n",
        "the members of a set are S, N or B",
    ),
    ("    embed: {l: " + LINES % ", value: '{sku}', exclude: [sku]" + "}\n", "no effect beside `value`"),
    ("    embed: {note: " + LINES % "" + "}\n", "comes from column `note` and from embed `note`"),
    ("    set: {x: '{lines.sku}'}\n    embed: {lines: " + LINES % "" + "}\n", "`lines` is a list"),
    ("    where: paid IS TRUE\n", "IS NULL"),
]


@pytest.mark.parametrize(("rest", "words"), REFUSED)
def test_refused(rest: str, words: str) -> None:
    found = order_problems(rest)
    assert len(found) == 1, found
    assert words in found[0]
    assert found[0].startswith("m.yaml:")


def carrying(attribute: str, rest: str = "") -> list[str]:
    """Problems of a mapping whose index carries this attribute."""
    head = HEAD.replace("type: N}}", f"type: N}}, projection: {{include: [{attribute}]}}}}", 1)
    try:
        compile_mapping(parse_mapping(head + ORDER + rest, "m.yaml"), CATALOG)
    except MappingError as error:
        return error.problems
    return []


@pytest.mark.parametrize("column", ["customer_id", "placed_at"])
def test_a_version_column_is_read_and_need_not_be_emitted(column: str) -> None:
    item = order(f"    include: [status]\n    version: {column}\n").item("order")
    assert item.version == column
    assert item.root.columns == tuple(
        name for name in ("order_id", "customer_id", "status", "placed_at") if name in ("order_id", "status", column)
    )
    assert [attribute.name for attribute in item.root.attributes] == ["status"]


def test_a_version_column_must_be_able_to_order_states() -> None:
    place = "m.yaml:16: items.order.version: "
    allowed = "which cannot be a version; allowed: smallint, integer, bigint, timestamp and timestamptz"
    assert {column: order_problems(f"    version: {column}\n") for column in ("stat", "total", "due", "order_id")} == {
        "stat": [place + "no column `stat` in public.orders (did you mean `status`?)"],
        "total": [f"{place}`total` is numeric(10,2), {allowed}"],
        "due": [f"{place}`due` is date, {allowed}"],
        "order_id": [
            f"{place}`order_id` is in the primary key, so it never changes; name a column that every change raises"
        ],
    }


@pytest.mark.parametrize(
    ("name", "is_rounded"),
    [("timestamp(3) with time zone", True), ("timestamp(0) without time zone", True), ("timestamp(6)", False)],
)
def test_a_version_that_is_rounded_orders_nothing(name: str, is_rounded: bool) -> None:
    rounded = SourceType(name=name, kind=Kind.TIMESTAMPTZ)
    catalog = CATALOG.model_copy(update={"tables": (table("orders", ("id",), id=INTEGER, at=rounded),)})
    mapping = HEAD + '  order: {table: plain, from: orders, key: {key: "{id}"}, version: at}\n'
    if not is_rounded:
        assert compile_mapping(parse_mapping(mapping, "m.yaml"), catalog).item("order").version == "at"
        return
    with pytest.raises(MappingError, match="two changes could get one version"):
        compile_mapping(parse_mapping(mapping, "m.yaml"), catalog)


def test_what_an_index_carries_must_be_there() -> None:
    place = "m.yaml:8: target.tables.shop.indexes.gsi1.projection.include[0]: "
    assert carrying("emial") == [place + "no item of `shop` has an attribute `emial`"]
    assert carrying("stats") == [place + "no item of `shop` has an attribute `stats` (did you mean `status`?)"]
    assert carrying("status") == carrying("pk") == carrying("more", "    set: {more: x}\n") == []


KEYS = [
    ('{pk: "A#{note}#{order_id}", sk: x}', "`note` is text and `#` follows"),
    ('{pk: "A#{order_id}5", sk: x}', "runs into `5`"),
    ('{pk: "A#{order_id}{line}", sk: x}', "no column `line`"),
    ('{pk: "A#{order_id}{customer_id}", sk: x}', "no fixed width"),
    ('{pk: "A#{order_id:mod4}.{note}", sk: x}', "runs into `.`"),
    ('{pk: "A#{note:esc}{order_id}", sk: x}', "no fixed width"),
    ('{pk: "{note:esc}%{status}", sk: x}', "`esc` itself writes `%`"),
    ('{pk: "{note:esc}2{status}", sk: x}', "`esc` itself writes `2`"),
    ('{pk: "{note:esc}5", sk: x}', "`esc` itself writes `5`"),
    ('{pk: "{paid}", sk: x}', "DynamoDB keys are texts, numbers or bytes"),
    ('{pk: "{payload}", sk: x}', "DynamoDB keys are texts, numbers or bytes"),
    ('{pk: "{tags}", sk: x}', "DynamoDB keys are texts, numbers or bytes"),
    ('{pk: "x", sk: x, zk: y}', "items.order.key.zk: no key of `shop`; its key: pk, sk"),
    ('{pk: "{order_id}"}', "lacks `sk`"),
]


@pytest.mark.parametrize(("key", "words"), KEYS)
def test_refused_keys(key: str, words: str) -> None:
    found = problems_of(f"  order:\n    table: shop\n    from: orders\n    key: {key}\n")
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    "key",
    [
        '{pk: "A#{note:esc}#{order_id}", sk: "{note:lower}"}',
        '{pk: "A#{public_id}{placed_at}{due}{order_id}", sk: "{paid}x"}',
        '{pk: "A#{order_id:05}{order_id}#{total}", sk: "{placed_at:%Y%m}7"}',
    ],
)
def test_keys_that_cannot_collide(key: str) -> None:
    assert problems_of(f"  order:\n    table: shop\n    from: orders\n    key: {key}\n") == []


def test_a_key_takes_its_declared_type() -> None:
    plan = compiled('  a:\n    table: numbers\n    from: orders\n    key: {n: "{order_id}"}\n')
    assert plan.item("a").key[0].value == ColumnValue("order_id", plan.item("a").root.table.columns[0].type, Encoding.N)
    plan = compiled('  a:\n    table: plain\n    from: orders\n    key: {key: "{order_id}"}\n')
    assert isinstance(value := plan.item("a").key[0].value, ColumnValue)
    assert value.encoding is Encoding.S
    of_time = '  a:\n    table: numbers\n    from: orders\n    key: {n: "{placed_at}"}\n    types: {placed_at: %s}\n'
    assert isinstance(value := compiled(of_time % "epoch_millis").item("a").key[0].value, ColumnValue)
    assert value.encoding is Encoding.EPOCH_MILLIS
    assert problems_of(of_time % "date")


def test_a_text_for_a_number_key_is_refused() -> None:
    found = problems_of('  a:\n    table: numbers\n    from: orders\n    key: {n: "{placed_at}"}\n')
    assert "`placed_at` is timestamp with time zone, but the key is N; say how in `types`: epoch_millis" in found[0]
    found = problems_of('  a:\n    table: numbers\n    from: orders\n    key: {n: "{order_id:05}"}\n')
    assert "gives a text, but the key is N" in found[0]


def test_the_root_needs_a_primary_key() -> None:
    found = problems_of('  a:\n    table: plain\n    from: open_orders\n    key: {key: "{order_id}"}\n')
    assert "public.open_orders, a view, has no primary key" in found[0]


def test_unknown_types_need_a_word() -> None:
    odd = '  a:\n    table: plain\n    from: odd\n    key: {key: "{id}"}\n    exclude: [_v]\n'
    assert "the type cube, which Crossover does not know" in problems_of(odd)[0]
    assert problems_of(odd + "    types: {shape: text, shapes: text}\n") == []


def test_arrays_of_unknown_types_are_no_sets() -> None:
    """What stands between their elements is for the type to say: PostGIS' geometries have a colon."""
    odd = '  a:\n    table: plain\n    from: odd\n    key: {key: "{id}"}\n    exclude: [_v, shape]\n'
    assert "`SS` is not possible for cube[]; allowed: text" in problems_of(odd + "    types: {shapes: SS}\n")[0]


@pytest.mark.parametrize("on", ["{handle: note}", "{handle: handle}"])
def test_texts_that_postgresql_compares_loosely_join_nothing(on: str) -> None:
    outer = "odd" if on == "{handle: handle}" else "orders"
    key = "id" if outer == "odd" else "order_id"
    item = f'  a:\n    table: plain\n    from: {outer}\n    key: {{key: "{{{key}}}"}}\n    include: []\n'
    found = problems_of(f"{item}    embed: {{e: {{from: odd, on: {on}, as: list, include: []}}}}\n")
    assert len(found) == 1
    assert "PostgreSQL finds texts of public.citext equal that are not the same" in found[0]


def test_an_embed_is_no_deeper_than_dynamodb() -> None:
    def nested(shapes: list[str], column: str) -> list[str]:
        text, inner = "", ""
        for shape in reversed(shapes):
            inner = f"{{from: odd, on: {{id: id}}, as: {shape}, include: [{column}]{text}}}"
            text = f", embed: {{e: {inner}}}"
        return problems_of(
            '  a:\n    table: plain\n    from: odd\n    key: {key: "{id}"}\n    include: []\n'
            f"    embed: {{e: {inner}}}\n"
        )

    assert nested(["list"] * 15, "id") == []
    assert nested(["list"] * 15 + ["map"], "id") == []
    assert "e.embed.e: over 32 levels of lists and maps" in nested(["list"] * 16, "id")[0]


def test_all_problems_come_at_once_in_the_order_of_the_lines() -> None:
    found = order_problems("    where: x = 1\n    exclude: [y]\n    set: {z: '{z}'}\n    types: {q: S}\n")
    assert [problem.split(" ")[0] for problem in found] == ["m.yaml:16:", "m.yaml:17:", "m.yaml:18:", "m.yaml:19:"]


TWO_TYPES = """\
  a:
    table: shop
    from: orders
    key: {pk: "%s", sk: "X"}
  b:
    table: shop
    from: customers
    key: {pk: "%s", sk: "X"}
"""


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ("ORDER#{order_id}", "CUSTOMER#{customer_id}", False),
        ("ORDER#{order_id}", "ORDER#{customer_id}", True),
        ("ORDER#{order_id}", "{email}", True),
        ("ORDER#{order_id}", "ORDER#{email:esc}#x", False),
        ("O{order_id:03}", "O{customer_id:04}", False),
        ("O{order_id:03}", "O{customer_id}", True),
        ("O{placed_at:%Y}", "O{customer_id:03}", False),
        ("O{placed_at:%Y}", "O{customer_id:04}", True),
        ("{note:esc}#a", "{email:esc}#b", False),
        ("{paid}#a", "t{email:esc}#a", True),
        ("{paid}#a", "x{email:esc}#a", False),
    ],
)
def test_two_item_types_whose_keys_can_meet(first: str, second: str, meet: bool) -> None:
    found = problems_of(TWO_TYPES % (first, second))
    assert len(found) == meet, found
    assert not meet or "can be a key of `a`, too: both could be pk = `" in found[0]


def test_defaults_of_every_type() -> None:
    found = {n: v.encoding for n, v in values("").items() if isinstance(v, ColumnValue)}
    assert found["total"] is Encoding.N
    assert found["note"] is Encoding.S
    assert found["paid"] is Encoding.BOOL
    assert found["placed_at"] is Encoding.S
    assert found["payload"] is Encoding.JSON
    assert found["scan"] is Encoding.B
    assert found["tags"] is Encoding.LIST


def test_values_of_set() -> None:
    found = values(
        "    set: {a: order, b: 1.50, c: true, d: '{total}', e: 'x{note}', f: '{{x}}', g: '{order_id:010}'}\n"
    )
    assert found["a"] == ConstantValue('{"S":"order"}')
    assert found["b"] == ConstantValue('{"N":"1.5"}')
    assert found["c"] == ConstantValue('{"BOOL":true}')
    assert isinstance(found["d"], ColumnValue)
    assert found["f"] == ConstantValue('{"S":"{x}"}')
    assert isinstance(found["e"], TemplateValue)
    assert isinstance(found["g"], TemplateValue)
    assert found["g"].template.placeholders[0].format == Format(pad=10)


def test_esc_knows_what_follows() -> None:
    found = values("    set: {a: '{note:esc}#{status:esc}'}\n")["a"]
    assert isinstance(found, TemplateValue)
    assert [p.format for p in found.template.placeholders] == [Format(escape="#"), Format(escape="")]


def test_hidden_maps_feed_templates_and_are_not_emitted() -> None:
    plan = order(
        "    include: [status]\n    set: {who: '{buyer.name}'}\n"
        "    embed: {buyer: {from: customers, on: {customer_id: customer_id}, as: map, hidden: true}}\n"
    )
    root = plan.item("order").root
    assert [attribute.name for attribute in root.attributes] == ["status", "who"]
    assert root.columns == ("order_id", "customer_id", "status")
    assert root.embed("buyer").row.columns == ("customer_id", "name")
    assert root.embed("buyer").row.attributes == ()


def test_only_columns_that_are_used_are_read() -> None:
    columns = order("    include: [note]\n    where: paid = true\n").columns_by_table()
    assert list(columns.values()) == [("order_id", "note", "paid")]


def test_an_order_is_total() -> None:
    row = order("    embed: {lines: " + LINES % ", order_by: [-price]" + "}\n").item("order").root
    assert [(t.column, t.descending) for t in row.embed("lines").order_by] == [
        ("price", True),
        ("order_id", False),
        ("line_no", False),
    ]
    row = (
        order("    embed: {e: {from: events, on: {order_id: order_id}, as: list, order_by: [what]}}\n")
        .item("order")
        .root
    )
    assert [term.column for term in row.embed("e").order_by] == ["what", "order_id", "happened", "extra"]


def test_nulls_are_inherited_and_never_explicit_in_an_index_key() -> None:
    root = (
        order(
            "    nulls: null\n    set: {gsi1pk: '{note}'}\n    rename: {customer_id: gsi1sk}\n"
            "    embed: {lines: " + LINES % "" + ", more: " + LINES % ", nulls: absent" + "}\n"
        )
        .item("order")
        .root
    )
    nulls = {attribute.name: attribute.nulls for attribute in root.attributes}
    assert nulls["note"] is Nulls.NULL
    assert nulls["gsi1sk"] is Nulls.ABSENT
    assert nulls["lines"] is Nulls.ABSENT
    assert {a.nulls for a in root.embed("lines").row.attributes} == {Nulls.NULL}
    assert {a.nulls for a in root.embed("more").row.attributes} == {Nulls.ABSENT}


def test_types_reach_embeds() -> None:
    row = order("    types: {lines.price: S}\n    embed: {lines: " + LINES % "" + "}\n").item("order").root
    prices = [a.value for a in row.embed("lines").row.attributes if a.name == "price"]
    assert isinstance(prices[0], ColumnValue)
    assert prices[0].encoding is Encoding.S
    assert EmbedValue("lines") in [attribute.value for attribute in row.attributes]


SENSITIVE = """\
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{email:esc}#", sk: P}
    sensitive: [email]
  order:
    table: shop
    from: orders
    key: {pk: "ORDER#{order_id}", sk: P}
    set: {label: "{status} {c.email}", other: "{c.name}"}
    embed:
      c: {from: customers, on: {customer_id: customer_id}, as: map, include: [name, email]}
      mails: {from: customers, on: {customer_id: customer_id}, as: list, value: "{email}"}
      l: {from: lines, on: {order_id: order_id}, as: list}
    sensitive: [l.price]
"""


def test_a_sensitive_column_is_sensitive_wherever_it_shows() -> None:
    plan = compiled(SENSITIVE)
    assert plan.item("customer").sensitive == {"email"}
    assert plan.item("customer").key_sensitive
    assert plan.item("order").sensitive == {"label", "c.email", "mails", "l.price"}
    assert not plan.item("order").key_sensitive


def test_the_whole_of_an_embed_is_sensitive() -> None:
    plan = order("    sensitive: [lines]\n    embed: {lines: " + LINES % ", include: [sku, price]" + "}\n")
    assert plan.item("order").sensitive == {"lines", "lines.sku", "lines.price"}


TTL = """\
migration: m
target: {tables: {shop: {partition_key: {name: pk, type: S}, ttl: %s}}}
items: {order: {table: shop, from: orders, key: {pk: "O#{order_id}"}, types: {placed_at: %s}}}
"""


@pytest.mark.parametrize(
    ("name", "type", "words"),
    [
        ("placed_at", "epoch_seconds", ""),
        ("placed_at", "epoch_millis", "must be in epoch seconds"),
        ("placed_at", "S", "must be in epoch seconds"),
        ("order_id", "S", ""),
        ("nothing", "S", "no item of `shop` has an attribute `nothing`"),
    ],
)
def test_ttl_is_epoch_seconds(name: str, type: str, words: str) -> None:

    mapping = parse_mapping(TTL % (name, type), "m.yaml")
    if not words:
        compile_mapping(mapping, CATALOG)
        return
    with pytest.raises(MappingError, match=words):
        compile_mapping(mapping, CATALOG)
