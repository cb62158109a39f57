"""The Spark text of a map is the Python one, whichever of its attributes are absent."""

from __future__ import annotations

import itertools

import pytest
from pyspark.sql import SparkSession

from pipelines.items import sql_text
from pipelines.items.canonical import attributes_of, number, string
from pipelines.items.canonical_spark import attributes_text, harmless_string, number_fragment, string_fragment

pytestmark = [pytest.mark.property, pytest.mark.integration]

NAMES = ("a", 'b"', "c", "d")
TEXTS = (",", '","', "x")
ROWS = list(itertools.product((None, *TEXTS[:2]), (None, *TEXTS[1:]), (None, "7"), (None, "u")))


@pytest.mark.parametrize("there", [None, *range(len(NAMES) + 1)])
def test_absent_attributes_leave_no_comma(spark: SparkSession, there: int | None) -> None:
    """`there`: where an attribute stands that every row has."""
    made = [
        string_fragment(sql_text.col("_1")),
        string_fragment(sql_text.col("_2")),
        number_fragment(sql_text.col("_3")),
        harmless_string(sql_text.concat(sql_text.col("_4"), sql_text.col("_4"))),
    ]
    pairs = list(zip(NAMES, made, strict=True))
    if there is not None:
        pairs.insert(there, (_between(there), sql_text.lit('{"BOOL":true}')))
    frame = spark.createDataFrame(ROWS, "_1 string, _2 string, _3 string, _4 string")
    found = sql_text.select(frame, *(f"_{n}" for n in range(1, 5)), attributes_text(pairs).alias("text")).collect()
    for *values, text in found:
        assert text == _expected(values, there)


def test_a_map_of_nothing() -> None:
    assert attributes_text([]).text == sql_text.lit("{}").text


def _between(place: int) -> str:
    """A name that stands at this place among NAMES."""
    return "A" if place == 0 else f"{NAMES[place - 1]}a"


def _expected(values: list[str | None], there: int | None) -> str:
    a, b, c, d = values
    fragments = {
        "a": None if a is None else string(a),
        'b"': None if b is None else string(b),
        "c": None if c is None else number(c),
        "d": None if d is None else string(d + d),
    }
    if there is not None:
        fragments[_between(there)] = '{"BOOL":true}'
    return attributes_of({name: fragment for name, fragment in fragments.items() if fragment is not None})
