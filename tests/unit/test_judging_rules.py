"""The rules b to m of docs/verdicts.md on hand-written readings: S1, T, S2. Contents are letters, `-` is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.judging.rules import Flags, Readings, Row, RowTwice, Stored, rule_on

pytestmark = pytest.mark.unit


def row(text: str) -> Row:
    """`5A`: version 5, content A; `5-`: no item at the key; `5!`: a reject; `?-`, `?!`: the same without a version.
    After it `u`: undelivered, `m`: marked."""
    kind = text[1]
    digest = None if kind in "-!" else kind.encode()
    version = None if text[0] == "?" else int(text[0])
    return Row(version, digest, kind == "!", undelivered="u" in text[2:], marked="m" in text[2:])


def stored(text: str) -> Stored | None:
    """`5A`: `_v` 5, content A; `5-`: a tombstone; `?A`: no `_v`; ``: nothing."""
    if not text:
        return None
    return Stored(None if text[0] == "?" else int(text[0]), None if text[1] == "-" else text[1].encode())


def twice(first: str, second: str = "") -> RowTwice:
    return RowTwice(row(first), row(second or first))


NO_FLAGS = Flags()


def ruled(rows: tuple[RowTwice, ...], target: str, flags: Flags = NO_FLAGS) -> str:
    ruling = rule_on(Readings(rows, stored(target), flags))
    return f"{ruling.rule} {ruling.verdict}{' again' if ruling.again else ''}"


@pytest.mark.parametrize(
    ("first", "target", "second", "expected"),
    [
        ("5A", "?A", "", "b foreign"),  # even if equal
        ("5-", "?A", "", "b foreign"),
        ("5!", "?A", "", "b foreign"),
        ("5A", "6A", "", "c ahead"),  # even if equal
        ("5A", "6B", "", "c ahead"),
        ("5A", "6-", "", "c ahead"),
        ("5-", "6A", "", "c ahead"),
        ("5-", "6-", "", "c ahead"),
        ("5!", "6A", "", "c ahead"),
        ("5Au", "6B", "5Au", "c ahead"),
        ("5A", "6B", "5Am", "c ahead"),
        ("5!", "5A", "", "d rejected"),
        ("5!", "", "", "d rejected"),
        ("5!u", "4A", "5!um", "d rejected"),
        ("5A", "5A", "", "f match"),
        ("5A", "4A", "", "f match"),  # older, and equal
        ("5A", "6A", "6B", "f match"),  # S1 and T are equal, whatever came after
        ("5-", "", "", "f match"),
        ("5-", "5-", "", "f match"),
        ("5-u", "3-", "", "f match"),
        ("5Au", "4A", "5Aum", "f match"),
        ("5A", "5B", "5Am", "g pending"),
        ("5Am", "5B", "5A", "i mismatch"),  # marks are those of the second reading
        ("5-", "5B", "5-m", "g pending"),
        ("5A", "", "5Am", "g pending"),
        ("5A", "6B", "6B", "h in_flight again"),
        ("5A", "6B", "7C", "h in_flight again"),
        ("5A", "5B", "6C", "h in_flight again"),
        ("5A", "", "6C", "h in_flight again"),
        ("5Au", "4B", "6Cu", "h in_flight again"),
        ("5A", "5B", "", "i mismatch"),
        ("5Au", "5B", "", "i mismatch"),  # undelivered, but what is there has this very version
        ("5-", "5A", "", "i extra"),  # named by the side that has none
        ("5A", "5-", "", "i missing"),
        ("5Au", "4B", "", "j pending"),
        ("5Au", "", "", "j pending"),
        ("5Au", "4-", "", "j pending"),
        ("5-u", "4A", "", "j pending"),
        ("5-", "4A", "", "k extra"),
        ("5A", "", "", "l missing"),
        ("5A", "4-", "", "l missing"),
        ("5A", "4B", "", "m stale"),
    ],
)
def test_first_match_wins(first: str, target: str, second: str, expected: str) -> None:
    assert ruled((twice(first, second),), target) == expected


@pytest.mark.parametrize(
    ("flags", "first", "target", "expected"),
    [
        (Flags(equivalent=True), "5A", "5B", "f accepted"),
        (Flags(equivalent=True), "5Au", "4B", "f accepted"),
        (Flags(equivalent=True), "5A", "6B", "c ahead"),
        (Flags(equivalent=True), "5A", "5A", "f match"),
        (Flags(expired=True), "5A", "", "e expired"),
        (Flags(expired=True), "5Au", "", "e expired"),
        (Flags(expired=True), "5A", "4-", "l missing"),  # DynamoDB's TTL leaves no tombstone
        (Flags(expired=True), "5A", "5A", "f match"),
        (Flags(expired=True), "5A", "5B", "i mismatch"),
        # without a ledger all versions are 0, and a difference counts once it has been seen before
        (Flags(unsettled=True), "0A", "0B", "h in_flight again"),
        (Flags(unsettled=True), "0A", "", "h in_flight again"),
        (Flags(unsettled=True), "0-", "0A", "h in_flight again"),
        (Flags(unsettled=True), "0A", "0A", "f match"),
        (Flags(unsettled=True), "0A", "1A", "c ahead"),
        (Flags(unsettled=True), "0!", "0A", "d rejected"),
        (Flags(), "0A", "0B", "i mismatch"),
        (Flags(), "0A", "", "l missing"),
        (Flags(), "0-", "0A", "i extra"),
        # a column of the row tells its version: it orders what stands, and of a row that is gone it tells nothing
        (Flags(unsettled=True), "5A", "4B", "h in_flight again"),
        (Flags(unsettled=True), "5A", "5B", "h in_flight again"),
        (Flags(unsettled=True), "5A", "6B", "c ahead"),
        (Flags(unsettled=True), "?-", "9A", "h in_flight again"),
        (Flags(), "?-", "9A", "k extra"),
        (Flags(), "?-", "9-", "f match"),
        (Flags(), "?!", "9A", "d rejected"),
    ],
)
def test_what_versions_do_not_say(flags: Flags, first: str, target: str, expected: str) -> None:
    assert ruled((twice(first),), target, flags) == expected


@pytest.mark.parametrize(
    ("owner", "holder", "target", "expected"),
    [
        (twice("3-"), twice("8A"), "?A", "b foreign"),
        (twice("3-u"), twice("8A"), "3A", "owners pending"),
        (twice("3-"), twice("8Au"), "3A", "owners pending"),
        (twice("3-"), twice("8A", "8Am"), "3A", "owners pending"),
        (twice("3-", "3-u"), twice("8A"), "9A", "owners pending"),
        (twice("3-", "4-"), twice("8A"), "3A", "owners in_flight again"),
        (twice("3-"), twice("8A", "9-"), "3A", "owners in_flight again"),
        (twice("3-"), twice("8A"), "4A", "owners ahead"),  # above its own row's version, below the other's
        (twice("3-"), twice("8!"), "3A", "owners rejected"),
        (twice("3-u"), twice("8!u"), "3A", "owners rejected"),  # two rows that claim one key are never delivered
        (twice("3-"), twice("8A"), "3A", "owners mismatch"),  # equal in content, but another row's
        (twice("3-"), twice("8A"), "3-", "owners missing"),
        (twice("?-"), twice("8A"), "9A", "owners mismatch"),  # its own row is gone, and its version with it
        (twice("?-"), twice("?-", "8A"), "9A", "owners in_flight again"),
        (twice("3A", "3-"), twice("8-", "8-"), "3B", "owners mismatch"),
        (twice("3-", "3-"), twice("8-", "8A"), "3B", "owners extra"),
        (twice("3-", "3-"), twice("8-", "8A"), "3-", "owners match"),
    ],
)
def test_versions_of_two_rows_are_not_compared(owner: RowTwice, holder: RowTwice, target: str, expected: str) -> None:
    assert ruled((owner, holder), target) == expected


def test_nobody_knows_whose_an_item_is() -> None:
    assert ruled((), "5A", Flags(never=9)) == "k extra"
    assert ruled((), "9A", Flags(never=9)) == "c ahead"
    assert ruled((), "9-", Flags(never=9)) == "c ahead"
    assert ruled((), "5-", Flags(never=9)) == "f match"
    assert ruled((), "") == "f match"
    assert ruled((), "?A") == "b foreign"
    assert ruled((), "0A", Flags(unsettled=True)) == "h in_flight again"


def test_two_rows_of_an_unsettled_difference_are_read_again() -> None:
    rows = (twice("0-"), twice("0A"))
    assert ruled(rows, "0B", Flags(unsettled=True)) == "h in_flight again"
    assert ruled(rows, "0B", replace(Flags(), unsettled=False)) == "owners mismatch"
