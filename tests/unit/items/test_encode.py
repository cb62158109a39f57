"""Every allowed pair of type and encoding, on values written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from pipelines.items.encode import default_encoding, encode, encodings_of
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import Encoding, Kind, SourceType

pytestmark = pytest.mark.unit


def of(kind: Kind) -> SourceType:
    return SourceType(name=kind.value, kind=kind)


def array(element: SourceType) -> SourceType:
    return SourceType(name=f"{element.name}[]", kind=Kind.ARRAY, element=element)


INTEGER, NUMERIC, FLOAT8, BOOLEAN = (of(k) for k in (Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT8, Kind.BOOLEAN))
BYTES, TEXT, CHAR, JSON, OTHER = (of(k) for k in (Kind.BYTES, Kind.TEXT, Kind.CHAR, Kind.JSON, Kind.OTHER))
DATE, TIMESTAMP, TIMESTAMPTZ = (of(k) for k in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ))
DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, 0, 0, 120)
EAST = timezone(timedelta(hours=14))

VALUES = [
    (INTEGER, Encoding.N, -9223372036854775808, '{"N":"-9223372036854775808"}'),
    (INTEGER, Encoding.N, 0, '{"N":"0"}'),
    (INTEGER, Encoding.S, 42, '{"S":"42"}'),
    (INTEGER, Encoding.TEXT, 42, '{"S":"42"}'),
    (NUMERIC, Encoding.N, "12.50", '{"N":"12.5"}'),
    (NUMERIC, Encoding.S, "12.50", '{"S":"12.5"}'),
    (NUMERIC, Encoding.S, "NaN", '{"S":"NaN"}'),
    (NUMERIC, Encoding.S, "1" * 39 + ".0", '{"S":"' + "1" * 39 + '.0"}'),
    (NUMERIC, Encoding.TEXT, "12.50", '{"S":"12.50"}'),
    (FLOAT8, Encoding.N, "1e+20", '{"N":"100000000000000000000"}'),
    (FLOAT8, Encoding.N, "-1.5e-07", '{"N":"-0.00000015"}'),
    (FLOAT8, Encoding.S, "1e+20", '{"S":"100000000000000000000"}'),
    (FLOAT8, Encoding.S, "-Infinity", '{"S":"-Infinity"}'),
    (FLOAT8, Encoding.S, "1e+200", '{"S":"1e+200"}'),
    (FLOAT8, Encoding.TEXT, "1e+20", '{"S":"1e+20"}'),
    (BOOLEAN, Encoding.BOOL, True, '{"BOOL":true}'),
    (BOOLEAN, Encoding.BOOL, False, '{"BOOL":false}'),
    (BOOLEAN, Encoding.TEXT, False, '{"S":"false"}'),
    (BYTES, Encoding.B, b"", '{"B":""}'),
    (BYTES, Encoding.B, b"\xff\xfe\xfd", '{"B":"//79"}'),
    (BYTES, Encoding.TEXT, b"\x00\xff", '{"S":"\\\\x00ff"}'),
    (TEXT, Encoding.S, 'a"é\n', '{"S":"a\\"é\\n"}'),
    (TEXT, Encoding.S, "", '{"S":""}'),
    (TEXT, Encoding.TEXT, "x", '{"S":"x"}'),
    (TEXT, Encoding.N, "+1.50", '{"N":"1.5"}'),
    (CHAR, Encoding.N, "7   ", '{"N":"7"}'),
    (TEXT, Encoding.B, "a\udcff", '{"B":"Yf8="}'),
    (TEXT, Encoding.B, "é", '{"B":"w6k="}'),
    (TEXT, Encoding.JSON, '{"a":[1.0]}', '{"M":{"a":{"L":[{"N":"1"}]}}}'),
    (CHAR, Encoding.S, "ab  ", '{"S":"ab  "}'),
    (of(Kind.UUID), Encoding.S, "0b7f0f0e-0000-4000-8000-000000000001", '{"S":"0b7f0f0e-0000-4000-8000-000000000001"}'),
    (of(Kind.ENUM), Encoding.S, "open", '{"S":"open"}'),
    (OTHER, Encoding.S, "1 day", '{"S":"1 day"}'),
    (OTHER, Encoding.TEXT, "1 day", '{"S":"1 day"}'),
    (JSON, Encoding.JSON, "null", '{"NULL":true}'),
    (JSON, Encoding.TEXT, '{"a": 1.50}', '{"S":"{\\"a\\": 1.50}"}'),
    (DATE, Encoding.S, DAY, '{"S":"2026-11-24"}'),
    (DATE, Encoding.S, date(1, 1, 1), '{"S":"0001-01-01"}'),
    (DATE, Encoding.DATE, DAY, '{"S":"2026-11-24"}'),
    (DATE, Encoding.TEXT, DAY, '{"S":"2026-11-24"}'),
    (DATE, Encoding.EPOCH_SECONDS, date(1970, 1, 2), '{"N":"86400"}'),
    (DATE, Encoding.EPOCH_MILLIS, date(1969, 12, 31), '{"N":"-86400000"}'),
    (TIMESTAMP, Encoding.S, NOON, '{"S":"2026-11-24T12:00:00.000120"}'),
    (TIMESTAMP, Encoding.DATE, NOON, '{"S":"2026-11-24"}'),
    (TIMESTAMP, Encoding.EPOCH_SECONDS, datetime(1969, 12, 31, 23, 59, 59, 1), '{"N":"-1"}'),
    (TIMESTAMP, Encoding.EPOCH_MILLIS, datetime(1969, 12, 31, 23, 59, 59, 999999), '{"N":"-1"}'),
    (TIMESTAMP, Encoding.S, datetime(1, 1, 1), '{"S":"0001-01-01T00:00:00.000000"}'),
    (TIMESTAMPTZ, Encoding.S, NOON.replace(tzinfo=UTC), '{"S":"2026-11-24T12:00:00.000120Z"}'),
    (TIMESTAMPTZ, Encoding.TEXT, NOON.replace(tzinfo=UTC), '{"S":"2026-11-24T12:00:00.000120Z"}'),
    (TIMESTAMPTZ, Encoding.S, NOON.replace(tzinfo=EAST), '{"S":"2026-11-23T22:00:00.000120Z"}'),
    (TIMESTAMPTZ, Encoding.DATE, NOON.replace(tzinfo=EAST), '{"S":"2026-11-23"}'),
    (TIMESTAMPTZ, Encoding.EPOCH_SECONDS, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), '{"N":"253402300799"}'),
    (array(INTEGER), Encoding.LIST, "{1,NULL,-3}", '{"L":[{"N":"1"},{"NULL":true},{"N":"-3"}]}'),
    (array(INTEGER), Encoding.LIST, "{}", '{"L":[]}'),
    (array(INTEGER), Encoding.LIST, "[0:1]={5,6}", '{"L":[{"N":"5"},{"N":"6"}]}'),
    (array(TEXT), Encoding.LIST, '{{a,"NULL"},{"",NULL}}',
     '{"L":[{"L":[{"S":"a"},{"S":"NULL"}]},{"L":[{"S":""},{"NULL":true}]}]}'),
    (array(NUMERIC), Encoding.LIST, "{1.50}", '{"L":[{"N":"1.5"}]}'),
    (array(BOOLEAN), Encoding.LIST, "{t,f}", '{"L":[{"BOOL":true},{"BOOL":false}]}'),
    (array(BYTES), Encoding.LIST, r'{"\\xff00","\\x"}', '{"L":[{"B":"/wA="},{"B":""}]}'),
    (array(DATE), Encoding.LIST, "{2026-11-24}", '{"L":[{"S":"2026-11-24"}]}'),
    (array(TIMESTAMP), Encoding.LIST, '{"2026-11-24 12:00:00.5"}', '{"L":[{"S":"2026-11-24T12:00:00.500000"}]}'),
    (array(TIMESTAMPTZ), Encoding.LIST, '{"2026-11-24 12:00:00+00"}', '{"L":[{"S":"2026-11-24T12:00:00.000000Z"}]}'),
    (array(JSON), Encoding.LIST, r'{"{\"a\": 1}","null"}', '{"L":[{"M":{"a":{"N":"1"}}},{"NULL":true}]}'),
    (array(OTHER), Encoding.LIST, '{"1 day"}', '{"L":[{"S":"1 day"}]}'),
    (array(SourceType(name="box", kind=Kind.OTHER)), Encoding.LIST, "{(1,1),(0,0);(2,2),(0,0)}",
     '{"L":[{"S":"(1,1),(0,0)"},{"S":"(2,2),(0,0)"}]}'),
    (array(TEXT), Encoding.SS, '{b,a,"",NULLs}', '{"SS":["","NULLs","a","b"]}'),
    (array(OTHER), Encoding.SS, '{"1 day"}', '{"SS":["1 day"]}'),
    (array(NUMERIC), Encoding.NS, "{10,9.0}", '{"NS":["10","9"]}'),
    (array(INTEGER), Encoding.NS, "{10,9}", '{"NS":["10","9"]}'),
    (array(BYTES), Encoding.BS, r'{"\\x62","\\x61"}', '{"BS":["YQ==","Yg=="]}'),
    (array(TEXT), Encoding.TEXT, '{a,"b c"}', '{"S":"{a,\\"b c\\"}"}'),
]  # fmt: skip


@pytest.mark.parametrize(("type", "encoding", "value", "fragment"), VALUES)
def test_values(type: SourceType, encoding: Encoding, value: object, fragment: str) -> None:
    assert encode(type, encoding, value, None) == fragment


def test_the_table_above_is_complete() -> None:
    of_kind: dict[Kind, set[Encoding]] = {}
    for type, encoding, _, _ in VALUES:
        of_kind.setdefault(type.kind, set()).add(encoding)
    for kind in (Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT8, Kind.BOOLEAN, Kind.BYTES, Kind.TEXT, Kind.JSON, Kind.OTHER):
        assert encodings_of(of(kind)) == of_kind[kind]
    temporal = of_kind[Kind.DATE] | of_kind[Kind.TIMESTAMP] | of_kind[Kind.TIMESTAMPTZ]
    assert encodings_of(DATE) == encodings_of(TIMESTAMP) == encodings_of(TIMESTAMPTZ) == temporal
    assert encodings_of(CHAR) == of_kind[Kind.TEXT] - {Encoding.JSON}
    assert encodings_of(array(BOOLEAN)) == {Encoding.LIST, Encoding.TEXT}
    assert encodings_of(array(DATE)) == {Encoding.LIST, Encoding.TEXT}
    assert encodings_of(array(CHAR)) == {Encoding.LIST, Encoding.TEXT, Encoding.SS}


@pytest.mark.parametrize("kind", list(Kind))
def test_the_default_is_allowed(kind: Kind) -> None:
    type = array(TEXT) if kind is Kind.ARRAY else of(kind)
    assert default_encoding(type) in encodings_of(type)


@pytest.mark.parametrize("kind", list(Kind))
def test_null_is_none_in_every_encoding(kind: Kind) -> None:
    type = array(TEXT) if kind is Kind.ARRAY else of(kind)
    assert {encode(type, encoding, None, None) for encoding in encodings_of(type)} == {None}


@pytest.mark.parametrize(
    ("type", "encoding"),
    [(array(TEXT), Encoding.SS), (array(INTEGER), Encoding.NS), (array(BYTES), Encoding.BS)],
)
def test_an_empty_set_is_none(type: SourceType, encoding: Encoding) -> None:
    assert encode(type, encoding, "{}", None) is None


@pytest.mark.parametrize(
    ("type", "encoding"),
    [
        (INTEGER, Encoding.BOOL),
        (BOOLEAN, Encoding.S),
        (BYTES, Encoding.S),
        (TEXT, Encoding.SS),
        (TEXT, Encoding.EPOCH_SECONDS),
        (CHAR, Encoding.JSON),
        (DATE, Encoding.N),
        (JSON, Encoding.S),
        (array(INTEGER), Encoding.SS),
        (array(TEXT), Encoding.NS),
        (array(TEXT), Encoding.S),
    ],
)
def test_other_pairs_are_refused(type: SourceType, encoding: Encoding) -> None:
    assert encoding not in encodings_of(type)
    with pytest.raises(ValueError, match="has no encoding"):
        encode(type, encoding, "x", None)


@pytest.mark.parametrize(
    ("type", "encoding", "value", "reason"),
    [
        (NUMERIC, Encoding.N, "NaN", RejectReason.NOT_A_NUMBER),
        (FLOAT8, Encoding.N, "-Infinity", RejectReason.NOT_A_NUMBER),
        (FLOAT8, Encoding.N, "1e+200", RejectReason.NUMBER_OUT_OF_RANGE),
        (NUMERIC, Encoding.N, "1" * 39, RejectReason.NUMBER_OUT_OF_RANGE),
        (TEXT, Encoding.N, "one", RejectReason.NOT_A_NUMBER),
        (TEXT, Encoding.S, "\ud800", RejectReason.INVALID_TEXT),
        (TEXT, Encoding.B, "\ud800", RejectReason.INVALID_TEXT),
        (TEXT, Encoding.JSON, "{", RejectReason.INVALID_JSON),
        (array(TEXT), Encoding.SS, "{a,NULL}", RejectReason.SET_NULL_OR_DUPLICATE),
        (array(TEXT), Encoding.SS, "{a,a}", RejectReason.SET_NULL_OR_DUPLICATE),
        (array(TEXT), Encoding.SS, "{{a},{b}}", RejectReason.SET_NULL_OR_DUPLICATE),
        (array(NUMERIC), Encoding.NS, "{1,1.0}", RejectReason.SET_NULL_OR_DUPLICATE),
        (array(NUMERIC), Encoding.NS, "{NaN}", RejectReason.NOT_A_NUMBER),
        (array(FLOAT8), Encoding.LIST, "{NaN}", RejectReason.NOT_A_NUMBER),
        (array(DATE), Encoding.LIST, "{infinity}", RejectReason.UNREPRESENTABLE_DATE),
        (array(TIMESTAMP), Encoding.LIST, '{"0044-03-15 00:00:00 BC"}', RejectReason.UNREPRESENTABLE_DATE),
        (array(TIMESTAMPTZ), Encoding.LIST, '{"10000-01-01 00:00:00+00"}', RejectReason.UNREPRESENTABLE_DATE),
    ],
)
def test_rejects_name_the_reason_and_not_the_value(
    type: SourceType, encoding: Encoding, value: str, reason: RejectReason
) -> None:
    with pytest.raises(Unrepresentable) as caught:
        encode(type, encoding, value, None)
    assert caught.value.reason is reason
    assert value not in caught.value.detail


@pytest.mark.parametrize("type", [DATE, TIMESTAMP, TIMESTAMPTZ])
@pytest.mark.parametrize("encoding", [Encoding.S, Encoding.DATE, Encoding.EPOCH_SECONDS, Encoding.EPOCH_MILLIS])
def test_a_time_that_is_only_raw(type: SourceType, encoding: Encoding) -> None:
    with pytest.raises(Unrepresentable) as caught:
        encode(type, encoding, None, "infinity")
    assert caught.value.reason is RejectReason.UNREPRESENTABLE_DATE
    assert encode(type, Encoding.TEXT, None, "infinity") == '{"S":"infinity"}'


def test_an_array_counts_the_containers_around_it() -> None:
    assert encode(array(INTEGER), Encoding.LIST, "{1}", None, depth=30)
    with pytest.raises(Unrepresentable) as caught:
        encode(array(INTEGER), Encoding.LIST, "{1}", None, depth=31)
    assert caught.value.reason is RejectReason.NESTED_TOO_DEEP
