"""Canonical DynamoDB JSON, the Spark form: expressions that give the texts of `pipelines.items.canonical`.

A *fragment* is one AttributeValue as canonical text, `{"S":"x"}`; it is null where there is no value. A *plain*
number is in plain normal form already.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.canonical import FALSE, TRUE, quote
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
    return F.when(value, F.lit(TRUE)).when(~value, F.lit(FALSE))


def binary_fragment(value: Column) -> Column:
    return F.concat(F.lit('{"B":"'), F.call("base64", value), F.lit('"}'))


def attributes_text(fragments: Sequence[tuple[str, Column]]) -> Column:
    """`{"name":value,…}` of (name, fragment) pairs sorted by name; pairs whose fragment is null are left out."""
    pairs = [F.concat(F.lit(f"{quote(name)}:"), fragment) for name, fragment in fragments]
    comma = F.lit(",")
    there = next((n for n, pair in enumerate(pairs) if pair.sure), None)
    if not pairs:
        return F.lit("{}")
    if there is None:
        behind_commas = F.concat(*(_where_there(F.concat(comma, pair)) for pair in pairs))
        return F.concat(F.lit("{"), F.surely(F.ltrim(behind_commas, ",")), F.lit("}"))
    before = [_where_there(F.concat(pair, comma)) for pair in pairs[:there]]
    behind = [_where_there(F.concat(comma, pair)) for pair in pairs[there + 1 :]]
    return F.concat(F.lit("{"), *before, pairs[there], *behind, F.lit("}"))


def _where_there(text: Column) -> Column:
    """The text, or nothing where it is null. A copy of one value is saved where to ask twice for it is cheap."""
    if text.sure:
        return text
    parts = text.parts if isinstance(text, F.Concat) else (text,)
    unsure = [part for part in parts if not part.sure]
    if len(unsure) > 1 or isinstance(unsure[0], F.Case):
        return F.coalesce(text, F.lit(""))
    there, nothing = unsure[0].isNotNull(), F.lit("")
    return F.concat(*(F.when(there, p).otherwise(nothing) if p.sure else F.coalesce(p, nothing) for p in parts))
