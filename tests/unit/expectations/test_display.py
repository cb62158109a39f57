from __future__ import annotations

import unicodedata

import pytest

from expectations.display import LIMIT, cut, key, values, visible

pytestmark = pytest.mark.unit


def shown(source: str | None, target: str | None) -> tuple[str | None, str | None]:
    one, other = values(source, target)
    return None if one is None else one.text, None if other is None else other.text


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible("a\x00b\u202ec\u200bd\u00a0e\U000e0041") == "a\\u0000b\\u202Ec\\u200Bd\\u00A0e\\U000E0041"


def test_no_control_or_format_character_survives() -> None:
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x30000))))
    left = {unicodedata.category(char) for char in visible(everything) if char != " "}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


@pytest.mark.parametrize("text", ["plain text", "Zoë Müller", "日本語", "עברית", "🙂"])
def test_readable_text_stays(text: str) -> None:
    assert visible(text) == text


def test_a_long_text_is_cut_and_says_its_length() -> None:
    assert cut("x" * 1_000) == "x" * LIMIT + "… (1,000 characters)"
    assert cut("x" * LIMIT) == "x" * LIMIT


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ('{"pk":{"S":"A#1"},"sk":{"N":"7"}}', 'pk="A#1" sk=7'),
        ('{"order_id":"6"}', 'order_id="6"'),
        ('{"pk":{"S":"a\u202eb"}}', 'pk="a\\u202Eb"'),
    ],
)
def test_keys(document: str, text: str) -> None:
    assert key(document) == text


@pytest.mark.parametrize(
    ("fragment", "text", "kind"),
    [
        ('{"S":"it\\"s"}', '"it\\"s"', "S"),
        ('{"N":"1.5"}', "1.5", "N"),
        ('{"BOOL":true}', "true", "BOOL"),
        ('{"L":[{"S":"x"}]}', '[{"S":"x"}]', "L"),
        ("•••", "•••", ""),
    ],
)
def test_a_value_shows_its_content_and_its_type(fragment: str, text: str, kind: str) -> None:
    value, absent = values(fragment, None)
    assert value is not None
    assert (value.text, value.type, absent) == (text, kind, None)


def test_long_values_are_shown_where_they_begin_to_differ() -> None:
    start = "a" * 500
    one, other = shown(f'{{"S":"{start}X{start}"}}', f'{{"S":"{start}Y{start}"}}')
    assert one is not None and "X" in one and one.endswith("(1,003 characters)")
    assert other is not None and "Y" in other and len(other) < LIMIT + 40


def test_a_value_that_the_dataset_shortened_keeps_its_true_length() -> None:
    whole = '{"S":"' + "b" * 5_000 + '"}'
    stored = f"{whole[:1_000]}… ({len(whole):,} characters)"
    one, _ = shown(stored, None)
    assert one == '"' + "b" * (LIMIT - 1) + "… (5,002 characters)"


def test_the_part_that_differs_is_marked() -> None:
    one, other = values('{"S":"a longer street, 12"}', '{"S":"a longer street, 123"}')
    assert one is not None and other is not None
    assert one.text[one.changed_from : one.changed_to] == ""
    assert other.text[other.changed_from : other.changed_to] == "3"


@pytest.mark.parametrize("target", ['{"S":"entirely something else"}', '{"N":"5"}'])
def test_nothing_is_marked_where_that_would_not_help(target: str) -> None:
    one, other = values('{"S":"a longer street, 12"}', target)
    assert one is not None and other is not None
    assert one.changed_from == one.changed_to == other.changed_from == other.changed_to == 0
