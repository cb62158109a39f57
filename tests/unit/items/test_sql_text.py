"""Texts of Spark SQL that are joined: one call however deep, and known never to be null where that is so."""

from __future__ import annotations

import pytest

from pipelines.items import sql_text as F  # noqa: N812

pytestmark = pytest.mark.unit


def test_a_concatenation_in_a_concatenation_is_one_call() -> None:
    inner = F.concat(F.lit('{"N":"'), F.col("n"), F.lit('"}'))
    whole = F.concat(F.lit("{"), F.concat(F.lit('"a":'), inner), F.lit("}"))
    assert whole.text == """concat('{"a":{"N":"', `n`, '"}}')"""


def test_literals_alone_are_a_literal() -> None:
    assert F.concat(F.lit("it's "), F.lit("$x")).text == F.lit("it's $x").text


def test_no_character_of_a_literal_ends_it_or_is_filled_in() -> None:
    assert F.lit("a'b\\c${d}").text == r"'a\'b\\c\u0024{d}'"


@pytest.mark.parametrize(
    ("column", "sure"),
    [
        (F.col("n"), False),
        (F.lit(None), False),
        (F.lit(""), True),
        (F.concat(F.lit("a"), F.col("n")), False),
        (F.concat(F.lit("a"), F.coalesce(F.col("n"), F.lit(""))), True),
        (F.coalesce(F.col("n"), F.col("m")), False),
        (F.when(F.col("n") == "x", F.lit("a")), False),
        (F.when(F.col("n") == "x", F.lit("a")).otherwise(F.lit("b")), True),
        (F.when(F.col("n") == "x", F.col("m")).otherwise(F.lit("b")), False),
        (F.lit("a").cast("int"), False),
        (F.concat(F.lit("{"), F.surely(F.concat(F.lit("a"), F.col("n")))), True),
    ],
)
def test_what_is_never_null_is_known(column: F.Column, sure: bool) -> None:
    assert column.sure is sure
