"""Texts that PostgreSQL sorts otherwise than by bytes: what a key answers of them, and what a draft makes of it."""

from __future__ import annotations

import pytest

from pipelines.assess.answers.answer import answers
from pipelines.assess.collect.collations import sorts_by_bytes
from pipelines.assess.design import Answer
from pipelines.assess.draft.draft import Draft, draft
from pipelines.assess.evidence import Collation, Evidence
from pipelines.assess.schema import Schema
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.load import parse_mapping
from tests.assess_evidence import Known, evidence_of, patterns_of

pytestmark = pytest.mark.unit

NUMBER = SourceType(name="bigint", kind=Kind.INTEGER)
TYPES = {
    **dict.fromkeys(("id", "shop_id"), NUMBER),
    "token": SourceType(name="uuid", kind=Kind.UUID),
    "day": SourceType(name="date", kind=Kind.DATE),
    "nick": SourceType(name="citext", kind=Kind.TEXT, exact=False),
    "loose": SourceType(name="text", kind=Kind.TEXT, exact=False),
}
ENGLISH = {
    **dict.fromkeys(("name", "nick"), Collation(name="en_US.UTF-8")),
    "loose": Collation(name="any_case", deterministic=False),
}
BY_SHOP = "SELECT * FROM goods WHERE shop_id = 1"


def goods(collations: dict[str, Collation] | None) -> Evidence:
    return evidence_of(
        Known(
            "goods",
            "id shop_id name code token day nick loose",
            "id",
            types=TYPES,
            distinct={"shop_id": 5e5},
            collations=collations,
        )
    )


def answered(
    statement: str, sort: str, collations: dict[str, Collation] | None, partition: str = "{shop_id}"
) -> Answer:
    text = (
        "migration: shop\ntarget:\n  tables:\n    shop:\n      partition_key: {name: pk, type: S}\n      indexes:\n"
        "        gsi1: {partition_key: {name: gsi1pk, type: S}, sort_key: {name: gsi1sk, type: S}}\n"
        "items:\n  good:\n    table: shop\n    from: goods\n    key: {pk: 'G#{id}'}\n"
        f"    set: {{gsi1pk: 'S#{partition}', gsi1sk: '#{sort}'}}\n"
    )
    evidence = goods(collations)
    (found,) = answers(parse_mapping(text, "test.yaml"), Schema(evidence), patterns_of(evidence, statement).patterns)
    return found


@pytest.mark.parametrize(
    ("column", "asked", "left"),
    [
        ("name", "AND name > 'a'", "range of name"),
        ("name", "AND name BETWEEN 'a' AND 'b'", "range of name"),
        ("name", "ORDER BY name", "order by name"),
        ("name", "ORDER BY name DESC LIMIT 3", "order by name DESC"),
        ("name", "AND name LIKE 'a%' AND name > 'ab'", "range of name"),
        ("name", "AND name LIKE 'a%' ORDER BY name", "order by name"),
    ],
)
def test_a_text_is_in_no_key_s_order(column: str, asked: str, left: str) -> None:
    """But in C it is, by the same key."""
    found = answered(f"{BY_SHOP} {asked}", f"{{{column}}}", ENGLISH)
    why = 'name sorts by collation en_US.UTF-8, a key by bytes: sort in the application, or declare it COLLATE "C"'
    assert [one.startswith(f"{left} ({why}") for one in found.left] == [True]
    assert answered(f"{BY_SHOP} {asked}", f"{{{column}}}", {}).left == ()


@pytest.mark.parametrize(
    ("column", "asked"),
    [
        ("name", "AND name LIKE 'a%'"),
        ("name", "AND name LIKE 'a%' AND name LIKE 'ab%'"),
        ("code", "AND code > 'a'"),
        ("code", "ORDER BY code"),
        ("token", "AND token > '00000000-0000-0000-0000-000000000000'"),
        ("day", "AND day > '2026-01-01' ORDER BY day"),
    ],
)
def test_what_is_by_bytes_is_a_key_s(column: str, asked: str) -> None:
    """A beginning, a column's own C, uuids and dates."""
    found = answered(f"{BY_SHOP} {asked}", f"{{{column}}}", ENGLISH)
    assert found.left == ()
    assert (found.reads[0].range_on == column) is ("AND" in asked)


def test_equality_is_by_bytes_unless_the_collation_is_nondeterministic() -> None:
    assert answered("SELECT * FROM goods WHERE name = 'a'", "{id}", ENGLISH, "{name}").is_served
    for place in ("{loose}", "{loose:lower}"):
        found = answered("SELECT * FROM goods WHERE loose = 'a'", "{id}", ENGLISH, place)
        assert not found.is_served
        assert "loose is compared by collation any_case, in which texts are equal whose bytes are not" in found.reason
    (left,) = answered(f"{BY_SHOP} AND loose LIKE 'a%'", "{loose}", ENGLISH).left
    assert left.startswith("range of loose (loose sorts by collation any_case")


def test_texts_without_case_are_in_no_key_s_order() -> None:
    """Neither by range nor by beginning, whatever the database's collation is."""
    for asked in ("nick > 'a'", "nick LIKE 'a%'"):
        (left,) = answered(f"{BY_SHOP} AND {asked}", "{nick}", {}).left
        assert left == "range of nick (nick sorts without case, a key by bytes: sort in the application)"


def test_a_range_of_another_case_is_no_range_of_the_column() -> None:
    """By bytes `Ab` is not beside `ab`."""
    found = answered(f"{BY_SHOP} AND lower(code) LIKE 'a%'", "{code}", {})
    assert (found.reads[0].range_on, found.left) == (None, ("filter by lower(code)",))
    assert not answered("SELECT * FROM goods WHERE lower(code) LIKE 'a%'", "{code}", {}, "").is_served


def test_evidence_that_does_not_tell_promises_no_order() -> None:
    (left,) = answered(f"{BY_SHOP} ORDER BY code", "{code}", None).left
    assert left.startswith("order by code (code sorts by collation unknown")


def drafted(collations: dict[str, Collation], *statements: str) -> tuple[Draft, Answer]:
    evidence = goods(collations)
    patterns = patterns_of(evidence, *statements)
    found = draft(evidence, patterns, Schema(evidence), "shop")
    assert found.mapping is not None
    answer, *_ = answers(found.mapping, Schema(evidence), patterns.patterns)
    return found, answer


@pytest.mark.parametrize(("collations", "is_sorted"), [({}, True), (ENGLISH, False)])
def test_a_draft_sorts_by_a_text_where_that_is_an_order(collations: dict[str, Collation], is_sorted: bool) -> None:
    found, answer = drafted(collations, f"{BY_SHOP} AND name > 'b'")
    assert ("#{name}" in found.text) is is_sorted
    assert (answer.left == ()) is is_sorted
    (index,) = (one for one in found.choices if one.rule == "index")
    assert ("en_US.UTF-8" in index.reason) is not is_sorted


def test_a_draft_sorts_by_a_text_s_beginning_in_any_collation() -> None:
    found, answer = drafted(ENGLISH, f"{BY_SHOP} AND name LIKE 'b%'")
    assert "#{name}" in found.text
    assert (answer.is_served, answer.left) == (True, ())


def test_a_draft_makes_no_index_of_all_rows_in_an_order_that_it_is_not() -> None:
    statement = "SELECT * FROM goods WHERE name > 'b' ORDER BY name LIMIT 5"
    assert drafted({}, statement)[1].is_served
    found, answer = drafted(ENGLISH, statement)
    assert "gsi1" not in found.text
    assert not answer.is_served
    assert answer.reason.startswith("no key of the mapping finds goods by a range of name: name sorts by collation")


@pytest.mark.parametrize(("collations", "rule"), [({}, "own key"), (ENGLISH, "parent's partition")])
def test_a_range_that_no_index_gives_keeps_no_rows_from_their_parent(
    collations: dict[str, Collation], rule: str
) -> None:
    """In C an index by shop and name serves the reads by the shop as well."""
    evidence = evidence_of(
        Known("shops", "id", "id", types=TYPES),
        Known(
            "goods",
            "id shop_id name",
            "id",
            rows=5_000_000,
            types=TYPES,
            parents={"shop_id": "shops"},
            distinct={"shop_id": 1e6},
            collations=collations,
        ),
    )
    found = draft(evidence, patterns_of(evidence, BY_SHOP, f"{BY_SHOP} AND name > 'b'"), Schema(evidence), "shop")
    assert [one.rule for one in found.choices if one.about == "goods"] == [rule]


@pytest.mark.parametrize(
    ("provider", "locale", "expected"),
    [
        *(("c", locale, True) for locale in ("C", "POSIX", "C.UTF-8", "C.utf8")),
        *(("b", locale, True) for locale in ("C", "C.UTF-8", "PG_UNICODE_FAST")),
        *(("c", locale, False) for locale in ("en_US.UTF-8", "de_DE", "", None)),
        *(("i", locale, False) for locale in ("en-US", "und", "C")),
    ],
)
def test_locales_by_bytes(provider: str, locale: str | None, expected: bool) -> None:
    assert sorts_by_bytes(provider, locale) is expected
