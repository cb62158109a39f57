"""Templates: what they give, that keys never collide, and that a key is always matched by its own item type."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import Encoding, Kind, SourceType
from pipelines.mapping.catalog import Relation, Table, TableRef
from pipelines.mapping.key_language import Choice, Language, Sequence, common, regex
from pipelines.mapping.key_language import text as literal
from pipelines.mapping.key_patterns import KeyMatcher
from pipelines.mapping.key_text import key_language
from pipelines.mapping.plan import (
    ColumnValue,
    Format,
    ItemPlan,
    KeyAttribute,
    KeyType,
    MigrationPlan,
    Placeholder,
    RowPlan,
    Template,
    TemplateValue,
)
from pipelines.mapping.template_collisions import collisions
from pipelines.mapping.templates import (
    RawPlaceholder,
    TemplateError,
    lower,
    parse_format,
    parse_template,
    render,
    template_text,
    upper,
)

pytestmark = pytest.mark.property

INTEGER = SourceType(name="bigint", kind=Kind.INTEGER)
NUMERIC = SourceType(name="numeric", kind=Kind.NUMERIC)
FLOAT8 = SourceType(name="double precision", kind=Kind.FLOAT8)
TEXT = SourceType(name="text", kind=Kind.TEXT)
UUID = SourceType(name="uuid", kind=Kind.UUID)
BOOLEAN = SourceType(name="boolean", kind=Kind.BOOLEAN)
DATE = SourceType(name="date", kind=Kind.DATE)
TIMESTAMP = SourceType(name="timestamp", kind=Kind.TIMESTAMP)
TIMESTAMPTZ = SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6) | st.text(
    "ab#%23", max_size=6
)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 120),
    Kind.NUMERIC: st.decimals(allow_nan=False, allow_infinity=False, places=4, max_value=10**8, min_value=-(10**8)).map(
        lambda number: format(number, "f")
    ),
    Kind.FLOAT8: st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    Kind.TEXT: texts,
    Kind.UUID: st.uuids().map(str),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: st.dates(),
    Kind.TIMESTAMP: st.datetimes(),
    Kind.TIMESTAMPTZ: st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC)),
}
TYPES = [INTEGER, NUMERIC, FLOAT8, TEXT, UUID, BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ]
FORMATS: dict[Kind, list[Format]] = {
    Kind.INTEGER: [Format(pad=3), Format(pad=19), Format(modulus=16), Format(escape="")],
    Kind.TEXT: [Format(case="lower"), Format(case="upper"), Format(escape="")],
    Kind.UUID: [Format(case="upper")],
    Kind.DATE: [Format(strftime="%Y-%m"), Format(strftime="%d.%H")],
    Kind.TIMESTAMPTZ: [Format(strftime="%Y%m%dT%H:%M:%S"), Format(strftime="%M%%Y".replace("%%", "%"))],
}


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Any template: literals and placeholders in any order; `esc` knows what follows it."""
    parts: list[str | Placeholder] = []
    for number in range(draw(st.integers(1, 4))):
        if draw(st.booleans()) and not (parts and isinstance(parts[-1], str)):
            parts.append(draw(st.sampled_from(["#", "A#", "-", "0", "%", "ä", ".", "x%"])))
        else:
            type = draw(st.sampled_from(TYPES))
            format = draw(st.none() | st.sampled_from(FORMATS.get(type.kind, [Format(escape="")])))
            parts.append(Placeholder((), f"c{number}", type, format))
    for number, part in enumerate(parts):
        if isinstance(part, Placeholder) and part.format is not None and part.format.escape is not None:
            following = parts[number + 1] if number + 1 < len(parts) else ""
            escape = following[0] if isinstance(following, str) and following else ""
            parts[number] = Placeholder(part.path, part.column, part.type, Format(escape=escape))
    return Template("", tuple(parts))


Row = dict[str, Any]


def row_of(data: st.DataObject, template: Template) -> Row:
    return {p.column: data.draw(VALUES[p.type.kind]) for p in template.placeholders}


def filled(template: Template, row: Row) -> str:
    try:
        text = render(template, lambda placeholder: (row[placeholder.column], None))
    except Unrepresentable as problem:
        assume(problem.reason is not RejectReason.TEMPLATE_OVERFLOW)
        raise
    assert text is not None
    return text


def key(template: Template) -> KeyAttribute:
    return KeyAttribute("pk", KeyType.S, TemplateValue(template))


def plan(*keys: KeyAttribute) -> MigrationPlan:
    table = Table(ref=TableRef(schema_name="s", table="t"), relation=Relation.TABLE, columns=(), primary_key=())
    root = RowPlan(table, (), None, (), ())
    items = (ItemPlan(f"i{n}", "shop", (k,), root, (), frozenset(), False) for n, k in enumerate(keys))
    return MigrationPlan("m", "", tuple(items))


@given(st.data())
def test_a_key_that_a_template_gives_is_matched_by_it(data: st.DataObject) -> None:
    template = data.draw(templates())
    text = filled(template, row_of(data, template))
    assert re.fullmatch(regex(key_language(key(template))), text, re.DOTALL)
    assert KeyMatcher(plan(key(template))).item_type("shop", {"pk": {"S": text}}) == "i0"


def canonical(placeholder: Placeholder, value: Any) -> Any:
    """What of a value a placeholder keeps: equal for two values that it may make alike."""
    format = placeholder.format
    if format is not None and (format.strftime or format.case or format.modulus):
        one = Template("", (placeholder,))
        return filled(one, {placeholder.column: value})
    return template_text(placeholder.type, value, None)


@given(st.data())
def test_templates_that_pass_the_rules_never_collide(data: st.DataObject) -> None:
    template = data.draw(templates())
    assume(template.placeholders and not list(collisions(template)))
    first, second = row_of(data, template), row_of(data, template)
    if data.draw(st.booleans()):  # near misses: only one value differs
        changed = data.draw(st.sampled_from(template.placeholders)).column
        second = first | {changed: second[changed]}
    same = all(canonical(p, first[p.column]) == canonical(p, second[p.column]) for p in template.placeholders)
    assert (filled(template, first) == filled(template, second)) == same


def test_the_collision_that_the_rules_are_for() -> None:
    parts = (Placeholder((), "x", TEXT), "#", Placeholder((), "y", TEXT))
    template = Template("{x}#{y}", parts)
    assert filled(template, {"x": "a#b", "y": "c"}) == filled(template, {"x": "a", "y": "b#c"})
    assert len(list(collisions(template))) == 1


CHOICES = [
    (INTEGER, None),
    (INTEGER, Format(pad=2)),
    (NUMERIC, None),
    (BOOLEAN, None),
    (TEXT, None),
    (TEXT, Format(escape="")),
]
SMALL_VALUES: dict[Kind, list[Any]] = {
    Kind.INTEGER: [*range(13), 55, 15, 51, 1, -1, -5],
    Kind.NUMERIC: ["0", "1", "5", "0.5", "1.5", "-1", "-0.5", "11", "5.5"],
    Kind.BOOLEAN: [True, False],
    Kind.TEXT: ["".join(letters) for n in range(4) for letters in itertools.product("#25%", repeat=n)],
}


@pytest.mark.parametrize("literal", ["", "#", "2", "5", "%", ".", "-"])
def test_no_two_small_rows_collide_unless_the_rules_refuse(literal: str) -> None:
    """Every pair of small values under every pair of placeholders: random rows hardly ever meet."""
    refused = 0
    for first, second in itertools.product(CHOICES, repeat=2):
        left = Placeholder((), "x", first[0], Format(escape=literal) if first[1] == Format(escape="") else first[1])
        template = Template("", tuple(part for part in (left, literal, Placeholder((), "y", *second)) if part))
        if list(collisions(template)):
            refused += 1
            continue
        seen: dict[str, tuple[Any, Any]] = {}
        for x, y in itertools.product(sorted({*SMALL_VALUES[first[0].kind]}), SMALL_VALUES[second[0].kind]):
            try:
                text = render(template, lambda p, x=x, y=y: (x if p.column == "x" else y, None))  # type: ignore[misc]
            except Unrepresentable:
                continue
            assert text is not None
            assert seen.setdefault(text, (x, y)) == (x, y)
    assert refused


@given(st.data())
def test_two_templates_that_give_one_text_are_found_out(data: st.DataObject) -> None:
    first, second = data.draw(templates()), data.draw(templates())
    text = common(key_language(key(first)), key_language(key(second)))
    if text is None:
        given_text = filled(first, row_of(data, first))
        assume(given_text)
        assert not re.fullmatch(regex(key_language(key(second))), given_text, re.DOTALL)
    else:
        for template in (first, second):
            assert re.fullmatch(regex(key_language(key(template))), text, re.DOTALL)


words = st.lists(st.text("ab", max_size=3), min_size=1, max_size=4)


@given(words, words)
def test_common_is_exact_on_finite_languages(left: list[str], right: list[str]) -> None:
    def language(texts: list[str]) -> Language:
        return Sequence((Choice(tuple(literal(text) for text in texts)), literal("")))

    found = common(language(left), language(right))
    shared = {text for text in set(left) & set(right) if text}
    assert found in shared if shared else found is None


@given(texts, st.sampled_from(["#", "%", "ä", "\U0001f600", "."]))
def test_escaped_texts_can_be_read_back(text: str, following: str) -> None:
    template = Template("", (Placeholder((), "x", TEXT, Format(escape=following)), following))
    given_text = filled(template, {"x": text})
    assert following == "%" or following not in given_text.removesuffix(following)
    assert unquote(given_text.removesuffix(following)) == text


@given(st.characters(exclude_categories=["Cs"]))
@example("ß")
@example("İ")
@example("Σ")
def test_case_changes_one_code_point_at_a_time(character: str) -> None:
    assert len(lower(character)) == len(upper(character)) == 1
    assert lower(f"a{character}a")[1:2] == lower(character)


NUMBER_TYPES = [INTEGER, NUMERIC, FLOAT8]


@given(st.sampled_from(NUMBER_TYPES).flatmap(lambda t: st.tuples(st.just(t), VALUES[t.kind])))
def test_number_keys_are_matched(typed: tuple[SourceType, Any]) -> None:
    type, value = typed
    text = template_text(type, value, None)
    attribute = KeyAttribute("pk", KeyType.N, ColumnValue("c", type, Encoding.N))
    matcher = KeyMatcher(plan(attribute))
    assert matcher.item_type("shop", {"pk": {"N": text}}) == "i0"
    assert matcher.item_type("shop", {"pk": {"S": text}}) is None
    assert matcher.item_type("other", {"pk": {"N": text}}) is None
    as_text = KeyAttribute("pk", KeyType.S, ColumnValue("c", type, Encoding.S))
    assert KeyMatcher(plan(as_text)).item_type("shop", {"pk": {"S": text}}) == "i0"


@pytest.mark.parametrize("text", ["1e+300", "-1.5e-200", "NaN", "-Infinity", "0.10"])
def test_numbers_as_texts_that_dynamodb_has_no_number_for(text: str) -> None:
    as_text = KeyAttribute("pk", KeyType.S, ColumnValue("c", FLOAT8, Encoding.S))
    assert KeyMatcher(plan(as_text)).item_type("shop", {"pk": {"S": text}}) == "i0"


def test_keys_that_no_row_can_have() -> None:
    customer = key(Template("", ("CUSTOMER#", Placeholder((), "customer_id", INTEGER))))
    order = key(Template("", ("ORDER#", Placeholder((), "order_id", INTEGER, Format(pad=4)))))
    matcher = KeyMatcher(plan(customer, order))

    def found(text: str) -> str | None:
        return matcher.item_type("shop", {"pk": {"S": text}})

    assert found("CUSTOMER#-12") == "i0"
    assert found("ORDER#0012") == "i1"
    for foreign in (
        "CUSTOMER#abc",
        "CUSTOMER#012",
        "CUSTOMER#1.5",
        "CUSTOMER#",
        "CUSTOMER#1\n",
        "customer#1",
        "ORDER#12",
    ):
        assert found(foreign) is None
    assert matcher.item_type("shop", {"pk": {"S": "ORDER#0012"}, "sk": {"S": "x"}}) is None
    assert matcher.item_type("shop", {"xk": {"S": "ORDER#0012"}}) is None


def test_numbers_that_an_endpoint_kept_as_they_were_sent() -> None:
    matcher = KeyMatcher(plan(KeyAttribute("pk", KeyType.N, ColumnValue("c", INTEGER, Encoding.N))))
    assert matcher.item_type("shop", {"pk": {"N": "1.500E+3"}}) == "i0"
    assert matcher.item_type("shop", {"pk": {"N": "1.5"}}) is None
    assert matcher.item_type("shop", {"pk": {"N": "x"}}) is None


@pytest.mark.parametrize(
    ("type", "format", "value", "expected"),
    [
        (INTEGER, Format(pad=5), 42, "00042"),
        (INTEGER, Format(modulus=10), -3, "7"),
        (INTEGER, None, -3, "-3"),
        (NUMERIC, None, "1.50", "1.5"),
        (FLOAT8, None, "1e+20", "100000000000000000000"),
        (BOOLEAN, None, False, "false"),
        (TEXT, Format(case="upper"), "straße", "STRAßE"),
        (DATE, None, date(987, 1, 2), "0987-01-02"),
        (DATE, Format(strftime="%Y-%H"), date(987, 1, 2), "0987-00"),
        (TIMESTAMP, None, datetime(2026, 11, 24, 8, 55), "2026-11-24T08:55:00.000000"),
        (TIMESTAMPTZ, None, datetime(2026, 11, 24, 8, 55, tzinfo=UTC), "2026-11-24T08:55:00.000000Z"),
        (TIMESTAMPTZ, Format(strftime="%Y%m%d %H:%M:%S"), datetime(1, 1, 1, tzinfo=UTC), "00010101 00:00:00"),
        (TEXT, Format(escape="#"), "50%#", "50%25%23"),
        (TEXT, Format(escape="€"), "€", "%E2%82%AC"),
        (INTEGER, Format(pad=5), None, None),
        (DATE, Format(strftime="%Y"), None, None),
        (TEXT, Format(case="lower"), None, None),
    ],
)
def test_what_a_placeholder_gives(type: SourceType, format: Format | None, value: Any, expected: str | None) -> None:
    template = Template("", (Placeholder((), "c", type, format),))
    assert render(template, lambda placeholder: (value, None)) == expected


@pytest.mark.parametrize(
    ("type", "format", "value", "raw", "reason"),
    [
        (INTEGER, Format(pad=2), 100, None, RejectReason.TEMPLATE_OVERFLOW),
        (INTEGER, Format(pad=2), -1, None, RejectReason.TEMPLATE_OVERFLOW),
        (NUMERIC, None, "NaN", None, RejectReason.NOT_A_NUMBER),
        (NUMERIC, None, "1" * 39, None, RejectReason.NUMBER_OUT_OF_RANGE),
        (DATE, None, None, "infinity", RejectReason.UNREPRESENTABLE_DATE),
        (DATE, Format(strftime="%Y"), None, "infinity", RejectReason.UNREPRESENTABLE_DATE),
    ],
)
def test_what_a_placeholder_refuses(
    type: SourceType, format: Format | None, value: Any, raw: str | None, reason: RejectReason
) -> None:
    template = Template("", ("x", Placeholder((), "c", type, format)))
    with pytest.raises(Unrepresentable) as caught:
        render(template, lambda placeholder: (value, raw))
    assert caught.value.reason is reason


@given(st.text("{}ab:.%# ", max_size=12))
def test_a_template_parses_to_what_was_written_or_is_refused(text: str) -> None:
    try:
        parsed = parse_template(text)
    except TemplateError:
        return
    written = ""
    for part in parsed.parts:
        if isinstance(part, RawPlaceholder):
            written += "{" + ".".join(part.names) + ("" if part.format is None else f":{part.format}") + "}"
        else:
            written += part.replace("{", "{{").replace("}", "}}")
    assert written == text


@pytest.mark.parametrize("format", ["", "0", "00", "039", "mod", "mod0", "Lower", "d", "%", "%Y%", "%y", "10", "esc "])
def test_formats_that_there_are_not(format: str) -> None:
    with pytest.raises(TemplateError):
        parse_format(format, "#")
