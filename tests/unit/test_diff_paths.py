from __future__ import annotations

import pytest

from pipelines.diff.differences import shortened
from pipelines.diff.paths import PathDifference, path_differences
from pipelines.diff.sensitive import Sensitive

pytestmark = pytest.mark.unit

Row = tuple[str, str, str | None, str | None]


def rows(source: str, target: str, *sensitive: str) -> list[Row]:
    found = path_differences(source, target, Sensitive(frozenset(sensitive)))
    return [(one.path, one.kind.value, one.source, one.target) for one in found]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ('{"a":{"N":"1"}}', '{"a":{"N":"1"}}', []),
        ('{"a":{"N":"1"}}', '{"a":{"N":"2"}}', [("a", "value", '{"N":"1"}', '{"N":"2"}')]),
        ('{"a":{"N":"1"}}', '{"a":{"S":"1"}}', [("a", "type", '{"N":"1"}', '{"S":"1"}')]),
        ('{"a":{"N":"1"}}', "{}", [("a", "absent", '{"N":"1"}', None)]),
        ("{}", '{"a":{"NULL":true}}', [("a", "absent", None, '{"NULL":true}')]),
        (
            '{"a":{"BOOL":true}}',
            '{"a":{"BOOL":false}}',
            [("a", "value", '{"BOOL":true}', '{"BOOL":false}')],
        ),
        # a list against a map is one difference, whatever they hold
        ('{"a":{"L":[]}}', '{"a":{"M":{}}}', [("a", "type", '{"L":[]}', '{"M":{}}')]),
        (
            '{"lines":{"L":[{"M":{"price":{"N":"1"},"sku":{"S":"x"}}},{"M":{"price":{"N":"2"}}}]}}',
            '{"lines":{"L":[{"M":{"price":{"N":"1"},"sku":{"S":"x"}}},{"M":{"price":{"N":"3"}}}]}}',
            [("lines[1].price", "value", '{"N":"2"}', '{"N":"3"}')],
        ),
        # by index: an element that is gone shifts those behind it
        (
            '{"l":{"L":[{"S":"a"},{"S":"b"}]}}',
            '{"l":{"L":[{"S":"b"}]}}',
            [("l[0]", "value", '{"S":"a"}', '{"S":"b"}'), ("l[1]", "absent", '{"S":"b"}', None)],
        ),
        (
            '{"t":{"SS":["a","b"]}}',
            '{"t":{"SS":["b","c"]}}',
            [("t{}", "absent", '{"S":"a"}', None), ("t{}", "absent", None, '{"S":"c"}')],
        ),
        ('{"t":{"NS":["1"]}}', '{"t":{"NS":["2","1"]}}', [("t{}", "absent", None, '{"N":"2"}')]),
        ('{"t":{"BS":["YQ=="]}}', '{"t":{"BS":["YQ==","Yg=="]}}', [("t{}", "absent", None, '{"B":"Yg=="}')]),
        # one member twice is no set, and still a difference
        ('{"t":{"SS":["a"]}}', '{"t":{"SS":["a","a"]}}', [("t", "value", '{"SS":["a"]}', '{"SS":["a","a"]}')]),
        ('{"é":{"S":"ß"}}', "{}", [("é", "absent", '{"S":"ß"}', None)]),
    ],
)
def test_differences(source: str, target: str, expected: list[Row]) -> None:
    assert rows(source, target) == expected


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ('{"a.b":{"L":[{"N":"1"}]}}', '"a.b"'),
        ('{"a":{"M":{"b":{"N":"1"}}}}', "a"),
        (r'{"say \"x\"":{"N":"1"}}', r'"say \"x\""'),
        ('{"a[0]":{"N":"1"}}', '"a[0]"'),
        ('{"a b":{"N":"1"}}', '"a b"'),
        ('{"t{}":{"N":"1"}}', '"t{}"'),
        (r'{"tab\t":{"N":"1"}}', r'"tab\t"'),
        ('{"":{"N":"1"}}', '""'),
    ],
)
def test_names_that_could_be_taken_for_paths_are_quoted(item: str, path: str) -> None:
    assert [row[0] for row in rows(item, "{}")] == [path]


def test_quoted_name_before_an_index() -> None:
    assert rows('{"a.b":{"L":[{"N":"1"}]}}', '{"a.b":{"L":[{"N":"2"}]}}')[0][0] == '"a.b"[0]'


@pytest.mark.parametrize(
    ("path", "general"),
    [
        ("lines[12].price", "lines[].price"),
        ("a[0][1]", "a[][]"),
        ('"a[0]".b[3]', '"a[0]".b[]'),
        (r'"\"[1]"[2]', r'"\"[1]"[]'),
    ],
)
def test_general_path_leaves_indexes_out(path: str, general: str) -> None:
    difference = next(path_differences('{"a":{"N":"1"}}', "{}"))
    assert PathDifference(path, difference.kind, None, None).general == general


@pytest.mark.parametrize(
    ("source", "target", "sensitive", "expected"),
    [
        ('{"email":{"S":"x"}}', '{"email":{"S":"y"}}', "email", ("email", "value", "•••", "•••")),
        ('{"email":{"S":"x"}}', "{}", "email", ("email", "absent", "•••", None)),
        ('{"email":{"S":"x"}}', '{"email":{"N":"1"}}', "email", ("email", "type", "•••", "•••")),
        (
            '{"lines":{"L":[{"M":{"price":{"N":"1"}}}]}}',
            '{"lines":{"L":[{"M":{"price":{"N":"2"}}}]}}',
            "lines.price",
            ("lines[0].price", "value", "•••", "•••"),
        ),
        # what is below a sensitive path is not told apart: its names may be values
        (
            '{"payload":{"M":{"joe@example.com":{"N":"1"}}}}',
            '{"payload":{"M":{"sue@example.com":{"N":"1"}}}}',
            "payload",
            ("payload", "value", "•••", "•••"),
        ),
        ('{"tags":{"SS":["x"]}}', '{"tags":{"SS":["y"]}}', "tags", ("tags", "value", "•••", "•••")),
        # what is above one is shown without it
        (
            '{"customer":{"M":{"name":{"S":"n"},"phone":{"S":"1"}}}}',
            "{}",
            "customer.phone",
            ("customer", "absent", '{"M":{"name":{"S":"n"},"phone":"•••"}}', None),
        ),
        (
            '{"lines":{"L":[{"M":{"price":{"N":"1"}}}]}}',
            '{"lines":{"S":"price 1"}}',
            "lines.price",
            ("lines", "type", '{"L":[{"M":{"price":"•••"}}]}', "•••"),
        ),
        (
            '{"customer":{"M":{}}}',
            '{"customer":{"L":[{"S":"0123"}]}}',
            "customer.phone",
            ("customer", "type", '{"M":{}}', '{"L":["•••"]}'),
        ),
        ('{"emails":{"S":"x"}}', "{}", "email", ("emails", "absent", '{"S":"x"}', None)),
        # where dots in names leave it open what a path means, rather too much is masked
        ('{"a":{"M":{"b.c":{"S":"x"}}}}', '{"a":{"M":{}}}', "a.b", ('a."b.c"', "absent", "•••", None)),
    ],
)
def test_sensitive_values_are_masked(source: str, target: str, sensitive: str, expected: Row) -> None:
    assert rows(source, target, sensitive) == [expected]


def test_lone_surrogate_becomes_an_escape() -> None:
    shown = rows(r'{"a":{"S":"\ud800"}}', '{"a":{"S":"x"}}')[0][2]
    assert shown == r'{"S":"\ud800"}'


def test_long_values_are_shortened_and_their_length_told() -> None:
    assert shortened("x" * 1000) == "x" * 1000
    assert shortened("x" * 12_345) == "x" * 1000 + "… (12,345 characters)"
    assert shortened(None) is None
