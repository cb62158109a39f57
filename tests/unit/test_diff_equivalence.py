"""What `compare` accepts, by which rule, and what it does not."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from pipelines.diff.equivalence import Rule
from pipelines.diff.paths import accepted_by, path_differences
from pipelines.diff.sensitive import Sensitive
from pipelines.mapping.plan import NO_EQUIVALENCES, Equivalences

pytestmark = pytest.mark.unit


def rules(
    ignore: str = "", unordered: str = "", null_is_absent: str = "", tolerance: dict[str, str] | None = None
) -> Equivalences:
    def names(text: str) -> frozenset[tuple[str, ...]]:
        return frozenset(tuple(path.split(".")) for path in text.split())

    return Equivalences(
        ignore=names(ignore),
        unordered=names(unordered),
        null_is_absent=names(null_is_absent),
        tolerance={tuple(path.split(".")): Decimal(most) for path, most in (tolerance or {}).items()},
    )


def rows(
    compare: Equivalences, source: str, target: str, *sensitive: str
) -> list[tuple[str, str, str | None, str | None, str]]:
    found = path_differences(source, target, Sensitive(frozenset(sensitive)), compare)
    return [(one.path, one.kind.value, one.source, one.target, " ".join(one.accepted_by)) for one in found]


ACCEPTED = [
    (rules(ignore="a"), '{"a":{"N":"1"}}', '{"a":{"S":"x"}}', [("a", "type", "ignore")]),
    (rules(ignore="a"), '{"a":{"N":"1"}}', "{}", [("a", "absent", "ignore")]),
    (rules(ignore="a"), '{"a":{"M":{"b":{"N":"1"}}}}', '{"a":{"M":{"b":{"N":"2"}}}}', [("a", "value", "ignore")]),
    (
        rules(ignore="l.p"),
        '{"l":{"L":[{"M":{"p":{"N":"1"}}},{"M":{}}]}}',
        '{"l":{"L":[{"M":{"p":{"N":"2"}}},{"M":{"p":{"N":"3"}}}]}}',
        [("l[0].p", "value", "ignore"), ("l[1].p", "absent", "ignore")],
    ),
    (rules(null_is_absent="a"), '{"a":{"NULL":true}}', "{}", [("a", "absent", "null_is_absent")]),
    (rules(null_is_absent="a"), "{}", '{"a":{"NULL":true}}', [("a", "absent", "null_is_absent")]),
    (rules(tolerance={"a": "0.1"}), '{"a":{"N":"1"}}', '{"a":{"N":"1.1"}}', [("a", "value", "tolerance")]),
    (
        rules(tolerance={"a": "1"}),
        '{"a":{"L":[{"N":"1"},{"L":[{"N":"5"}]}]}}',
        '{"a":{"L":[{"N":"2"},{"L":[{"N":"4"}]}]}}',
        [("a[0]", "value", "tolerance"), ("a[1][0]", "value", "tolerance")],
    ),
    (
        rules(unordered="a"),
        '{"a":{"L":[{"S":"x"},{"S":"y"},{"S":"x"}]}}',
        '{"a":{"L":[{"S":"y"},{"S":"x"},{"S":"x"}]}}',
        [("a", "value", "unordered")],
    ),
    (
        rules(unordered="l l.t", ignore="l.p", null_is_absent="l.n"),
        '{"l":{"L":[{"M":{"k":{"S":"a"},"p":{"N":"1"}}},{"M":{"k":{"S":"b"},"n":{"NULL":true},"t":{"L":[{"N":"1"},{"N":"2"}]}}}]}}',
        '{"l":{"L":[{"M":{"k":{"S":"b"},"t":{"L":[{"N":"2"},{"N":"1"}]}}},{"M":{"k":{"S":"a"},"p":{"N":"2"}}}]}}',
        [
            ("l", "value", "unordered"),
            ("l{}.n", "absent", "null_is_absent"),
            ("l{}.p", "value", "ignore"),
            ("l{}.t", "value", "unordered"),
        ],
    ),
    # in their old order, elements keep their indexes
    (
        rules(unordered="l", ignore="l.p"),
        '{"l":{"L":[{"M":{"p":{"N":"1"}}}]}}',
        '{"l":{"L":[{"M":{"p":{"N":"2"}}}]}}',
        [("l[0].p", "value", "ignore")],
    ),
]


@pytest.mark.parametrize(("compare", "source", "target", "expected"), ACCEPTED)
def test_accepted_and_by_which_rule(
    compare: Equivalences, source: str, target: str, expected: list[tuple[str, str, str]]
) -> None:
    found = rows(compare, source, target)
    assert sorted((path, kind, rule) for path, kind, _, _, rule in found) == expected
    assert accepted_by(compare, source, target) == tuple(sorted({Rule(rule) for _, _, rule in expected}))
    assert accepted_by(NO_EQUIVALENCES, source, target) == ()


@pytest.mark.parametrize(
    ("compare", "source", "target"),
    [
        (rules(ignore="a"), '{"a":{"N":"1"},"b":{"N":"1"}}', '{"a":{"N":"2"},"b":{"N":"2"}}'),
        (rules(ignore="l.p"), '{"l":{"L":[{"M":{"p":{"N":"1"}}}]}}', '{"l":{"L":[]}}'),
        (rules(ignore="l.p"), '{"l":{"L":[]}}', "{}"),
        (rules(ignore="a"), '{"m":{"M":{"a":{"N":"1"}}}}', '{"m":{"M":{"a":{"N":"2"}}}}'),
        (rules(ignore="a"), '{"a.b":{"N":"1"}}', '{"a.b":{"N":"2"}}'),
        (rules(null_is_absent="a"), '{"a":{"NULL":true}}', '{"a":{"S":""}}'),
        (rules(null_is_absent="a"), '{"a":{"L":[{"NULL":true}]}}', '{"a":{"L":[]}}'),
        (rules(null_is_absent="a"), '{"a":{"L":[]}}', "{}"),
        (rules(tolerance={"a": "0.1"}), '{"a":{"N":"1"}}', '{"a":{"N":"1.1000001"}}'),
        (rules(tolerance={"a": "0.1"}), '{"a":{"N":"1"}}', '{"a":{"S":"1"}}'),
        (rules(tolerance={"a": "0.1"}), '{"a":{"N":"0"}}', "{}"),
        (rules(tolerance={"a": "9"}), '{"a":{"NS":["1"]}}', '{"a":{"NS":["2"]}}'),
        # what only an endpoint that is not DynamoDB can hold
        (rules(tolerance={"a": "9"}), '{"a":{"N":"1"}}', '{"a":{"N":"NaN"}}'),
        (rules(tolerance={"a": "9"}), '{"a":{"N":"1"}}', '{"a":{"N":2}}'),
        (rules(tolerance={"a": "9"}), '{"a":{"N":"1"}}', '{"a":{"N":"1.00000000000000000000000000000000000001"}}'),
        (rules(unordered="a"), '{"a":{"L":[{"S":"x"},{"S":"x"}]}}', '{"a":{"L":[{"S":"x"}]}}'),
        (
            rules(unordered="a"),
            '{"a":{"L":[{"S":"x"},{"S":"x"},{"S":"y"}]}}',
            '{"a":{"L":[{"S":"x"},{"S":"y"},{"S":"y"}]}}',
        ),
        (rules(unordered="a"), '{"a":{"L":[{"N":"1"}]}}', '{"a":{"L":[{"S":"1"}]}}'),
        (
            rules(unordered="a"),
            '{"a":{"L":[{"L":[{"N":"1"},{"N":"2"}]}]}}',
            '{"a":{"L":[{"L":[{"N":"2"},{"N":"1"}]}]}}',
        ),
        (rules(unordered="a"), '{"a":{"L":[{"S":"1"}]}}', '{"a":{"SS":["1"]}}'),
    ],
)
def test_not_accepted(compare: Equivalences, source: str, target: str) -> None:
    assert accepted_by(compare, source, target) == ()
    assert accepted_by(compare, target, source) == ()
    assert any(rule == "" for *_, rule in rows(compare, source, target))


def test_equal_items_need_no_rule() -> None:
    assert accepted_by(rules(ignore="a"), '{"a":{"N":"1"}}', '{"a":{"N":"1"}}') == ()


@pytest.mark.parametrize(
    ("one", "other", "most", "accepted"),
    [
        ("0.1", "0.3", "0.2", True),  # in floats 0.3 - 0.1 < 0.2 < 0.1 + 0.2
        ("0.3", "0.1", "0.2", True),
        ("9999999999999999999999999999999999999.9", "9999999999999999999999999999999999999.8", "0.1", True),
        ("9999999999999999999999999999999999999.9", "9999999999999999999999999999999999999.7", "0.1", False),
        ("9.9E+125", "1E-130", "9.9E+125", True),
        ("9.9E+125", "-1E-130", "9.9E+125", False),
    ],
)
def test_tolerance_is_exact(one: str, other: str, most: str, accepted: bool) -> None:
    """Whatever precision the caller's thread has set."""
    with localcontext(prec=3):
        found = accepted_by(rules(tolerance={"a": most}), f'{{"a":{{"N":"{one}"}}}}', f'{{"a":{{"N":"{other}"}}}}')
    assert (found == (Rule.TOLERANCE,)) is accepted


def test_what_is_left_of_an_unordered_list() -> None:
    compare = rules(unordered="l")
    one = '{"l":{"L":[{"M":{"k":{"S":"a"},"p":{"N":"1"}}},{"M":{"k":{"S":"b"}}}]}}'
    other = '{"l":{"L":[{"M":{"k":{"S":"b"}}},{"M":{"k":{"S":"a"},"p":{"N":"2"}}}]}}'
    assert rows(compare, one, other) == [("l{}.p", "value", '{"N":"1"}', '{"N":"2"}', "")]
    more = '{"l":{"L":[{"S":"z"},{"M":{"k":{"S":"b"}}},{"S":"x"}]}}'
    assert rows(compare, '{"l":{"L":[{"M":{"k":{"S":"b"}}},{"S":"y"}]}}', more) == [
        ("l{}", "absent", '{"S":"y"}', None, ""),
        ("l{}", "absent", None, '{"S":"x"}', ""),
        ("l{}", "absent", None, '{"S":"z"}', ""),
    ]


def test_what_is_masked_is_accepted_by_what_is_in_it() -> None:
    compare = rules(ignore="p.a", tolerance={"p.n": "1"})
    one = '{"p":{"M":{"a":{"S":"secret"},"n":{"N":"1"}}}}'
    assert rows(compare, one, '{"p":{"M":{"a":{"S":"other"},"n":{"N":"2"}}}}', "p") == [
        ("p", "value", "•••", "•••", "ignore tolerance")
    ]
    assert rows(compare, one, '{"p":{"M":{"a":{"S":"other"},"n":{"N":"3"}}}}', "p") == [
        ("p", "value", "•••", "•••", "")
    ]
    assert rows(rules(ignore="p"), one, "{}", "p") == [("p", "absent", "•••", None, "ignore")]
