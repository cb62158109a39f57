"""Canonical DynamoDB JSON, the Spark form: expressions that give the texts of `pipelines.items.canonical`.

A *fragment* is one AttributeValue as canonical text, `{"S":"x"}`; it is null where there is no value. A *plain*
number is in plain normal form already.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.canonical import quote
from pipelines.items.sql_text import Column

_BEFORE_QUOTED = len('{"S":')


def string_fragment(text: Column) -> Column:
    """`{"S":…}`. Jackson escapes; `canonical.quote` is written to agree with it."""
    return F.when(text.isNotNull(), F.call("to_json", F.struct(text.alias("S"))))


def quoted(text: Column) -> Column:
    """The JSON string alone, with its quotation marks; null for null."""
    fragment = string_fragment(text)
    return F.substring(fragment, _BEFORE_QUOTED + 1, F.call("length", fragment) - (_BEFORE_QUOTED + 1))


def harmless_string(text: Column) -> Column:
    """`{"S":…}` of a text that is known to need no escape: a uuid, a date, a number."""
    return F.concat(F.lit('{"S":"'), text, F.lit('"}'))


def number_fragment(plain: Column) -> Column:
    return F.concat(F.lit('{"N":"'), plain, F.lit('"}'))


def boolean_fragment(value: Column) -> Column:
    return F.when(value, F.lit('{"BOOL":true}')).when(~value, F.lit('{"BOOL":false}'))


def binary_fragment(value: Column) -> Column:
    return F.concat(F.lit('{"B":"'), F.call("base64", value), F.lit('"}'))


def attributes_text(fragments: Sequence[tuple[str, Column]]) -> Column:
    """`{"name":value,…}` of (name, fragment) pairs sorted by name; pairs whose fragment is null are left out."""
    pairs = [F.concat(F.lit(f"{quote(name)}:"), fragment) for name, fragment in fragments]
    return F.concat(F.lit("{"), F.concat_ws(",", *pairs), F.lit("}"))


def map_fragment(fragments: Sequence[tuple[str, Column]]) -> Column:
    return F.concat(F.lit('{"M":'), attributes_text(fragments), F.lit("}"))
