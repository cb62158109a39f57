"""`encode` against boto3's TypeSerializer, and against PostgreSQL's own array syntax written another way."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from pipelines.items.array_text import parse_array
from pipelines.items.canonical import canonical_value
from pipelines.items.encode import encode
from pipelines.items.json_document import json_document
from pipelines.items.reject import Unrepresentable
from pipelines.items.source_type import Encoding, Kind, SourceType

pytestmark = pytest.mark.property

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


def of(kind: Kind) -> SourceType:
    return SourceType(name=kind.value, kind=kind)


def array(kind: Kind) -> SourceType:
    return SourceType(name=f"{kind}[]", kind=Kind.ARRAY, element=of(kind))


def boto3(value: Any) -> str:
    return canonical_value(TypeSerializer().serialize(value))


@given(TEXTS)
def test_text(value: str) -> None:
    assert encode(of(Kind.TEXT), Encoding.S, value, None) == boto3(value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers(value: int) -> None:
    assert encode(of(Kind.INTEGER), Encoding.N, value, None) == boto3(value)


@given(DECIMALS)
def test_numerics(value: Decimal) -> None:
    assert encode(of(Kind.NUMERIC), Encoding.N, f"{value:f}", None) == boto3(value)


@given(FLOATS)
def test_floats_keep_the_digits_that_they_are_printed_with(value: float) -> None:
    """Python prints doubles as PostgreSQL does, shortest first; only the exponent's place differs."""
    try:
        fragment = encode(of(Kind.FLOAT8), Encoding.N, repr(value), None)
    except Unrepresentable:
        assert 0 < abs(value) < 1e-129
        return
    assert fragment is not None
    assert float(json.loads(fragment)["N"]) == value


@given(st.booleans())
def test_booleans(value: bool) -> None:
    assert encode(of(Kind.BOOLEAN), Encoding.BOOL, value, None) == boto3(value)


@given(st.binary(max_size=40))
def test_bytes(value: bytes) -> None:
    assert encode(of(Kind.BYTES), Encoding.B, value, None) == boto3(value)


@given(st.datetimes(timezones=st.timezones()) | st.datetimes(timezones=st.just(UTC)))
def test_times_sort_as_their_texts(value: datetime) -> None:
    try:
        utc = value.astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar, seen from far off
        return
    text = encode(of(Kind.TIMESTAMPTZ), Encoding.S, value, None)
    assert text == f'{{"S":"{utc:%Y-%m-%dT%H:%M:%S.%fZ}"}}'.replace(f'"{utc:%Y}-', f'"{utc.year:04}-')
    seconds = encode(of(Kind.TIMESTAMPTZ), Encoding.EPOCH_SECONDS, value, None)
    assert seconds is not None
    elapsed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(json.loads(seconds)["N"]))
    assert timedelta(0) <= utc - elapsed < timedelta(seconds=1)


@given(st.dates())
def test_dates(value: date) -> None:
    assert encode(of(Kind.DATE), Encoding.S, value, None) == boto3(f"{value.year:04}-{value.month:02}-{value.day:02}")


def literal(elements: list[Any]) -> str:
    """As array_in reads it, every element quoted."""
    parts = []
    for element in elements:
        if isinstance(element, list):
            parts.append(literal(element))
        elif element is None:
            parts.append("NULL")
        else:
            parts.append('"' + "".join("\\" + c if c in '"\\' else c for c in element) + '"')
    return "{" + ",".join(parts) + "}"


ARRAYS = st.lists(st.none() | TEXTS, max_size=5) | st.lists(
    st.lists(st.none() | TEXTS, min_size=2, max_size=2), max_size=3
)


@given(ARRAYS)
def test_arrays(elements: list[Any]) -> None:
    assert parse_array(literal(elements)) == elements
    assert encode(array(Kind.TEXT), Encoding.LIST, literal(elements), None) == boto3(elements)


@given(st.sets(TEXTS, min_size=1, max_size=5))
def test_string_sets(members: set[str]) -> None:
    assert encode(array(Kind.TEXT), Encoding.SS, literal(list(members)), None) == boto3(members)


@given(st.sets(DECIMALS, min_size=1, max_size=5))
def test_number_sets(members: set[Decimal]) -> None:
    texts = [f"{member:f}" for member in members]
    assert encode(array(Kind.NUMERIC), Encoding.NS, literal(texts), None) == boto3(members)


@given(st.sets(st.binary(max_size=6), min_size=1, max_size=5))
def test_binary_sets(members: set[bytes]) -> None:
    texts = [rf"\x{member.hex()}" for member in members]
    assert encode(array(Kind.BYTES), Encoding.BS, literal(texts), None) == boto3(members)


JSON_NUMBERS = st.integers(-(10**30), 10**30) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30
)
JSON = st.recursive(
    st.none() | st.booleans() | TEXTS | JSON_NUMBERS.filter(lambda n: n == 0 or abs(n) > 1e-100),
    lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXTS.filter(bool), v, max_size=4),
    max_leaves=15,
)


def decimals(value: Any) -> Any:
    match value:
        case float():
            return Decimal(repr(value))
        case list():
            return [decimals(member) for member in value]
        case dict():
            return {name: decimals(member) for name, member in value.items()}
    return value


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_json(value: Any, ascii_only: bool, indent: int | None) -> None:
    assert json_document(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == boto3(decimals(value))


@given(st.text(st.sampled_from('[]{}",:\\u0019.eE+- \n\ttrufalsn'), max_size=40))
def test_json_is_what_the_standard_parser_takes(text: str) -> None:
    try:
        fragment = json_document(text)
    except Unrepresentable:
        return
    json.loads(text)
    assert canonical_value(json.loads(fragment)) == fragment
