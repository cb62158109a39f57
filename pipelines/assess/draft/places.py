"""What a template can say of a column, and names that collide with nothing."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from pipelines.assess.answers.matching import SORTABLE
from pipelines.assess.answers.texts import can_begin, column_of
from pipelines.assess.schema import Facts, Schema
from pipelines.items.source_type import NUMBERS, WRITTEN, Kind

_UNSAID = frozenset({Kind.BYTES, Kind.JSON, Kind.ARRAY})
_BRACES = frozenset("{}.:")
_NO_TAG = re.compile(r"[^A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[\s.:{}\[\]]+")

SEPARATOR = "#"


def can_say(facts: Facts, key: str) -> bool:
    """Whether a template can hold this column, or this form of it."""
    column = facts.table.column(column_of(key)[0])
    return column is not None and not set(column.name) & _BRACES and column.type.kind not in _UNSAID


def place(facts: Facts, key: str, *, last: bool, folded: bool = False) -> str:
    """`{name:esc}`: one placeholder. `last`: no literal follows. `folded`: texts that PostgreSQL finds equal in either
    case stand in lower case."""
    name, form = column_of(key)
    column = facts.table.column(name)
    if form is not None or (folded and column is not None and not column.type.exact):
        return f"{{{name}:{form or 'lower'}}}"
    escape = "" if last or column is None or column.type.kind not in WRITTEN else ":esc"
    return f"{{{name}{escape}}}"


def joined(facts: Facts, tag: str, keys: Sequence[str], *, folded: bool = False, followed: bool = False) -> str:
    """`ORDERS#{customer_id}#{name:esc}#…`. `followed`: by another literal."""
    last = None if followed else len(keys)
    parts = [place(facts, key, last=number == last, folded=folded) for number, key in enumerate(keys, 1)]
    return SEPARATOR.join([literal(tag), *parts])


def literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@dataclass(frozen=True)
class SortPlace:
    """The sort key of an index by a column: its template, and S or N."""

    template: str
    type: str


def sort_place(facts: Facts, name: str, *, prefixed: bool = False) -> SortPlace | None:
    """In which form the column sorts as its values do, or `prefixed` begins with what they do; None where there is
    none."""
    column = facts.table.column(name)
    if column is None or not can_say(facts, name):
        return None
    if facts.collation(name) is not None and not (prefixed and can_begin(facts, name)):
        return None
    if column.type.kind in NUMBERS:
        return SortPlace(f"{{{name}}}", "N")
    if column.type.kind in SORTABLE:
        # a literal first: an item whose key is an empty text is in no index
        return SortPlace(f"{SEPARATOR}{{{name}}}" if column.type.kind in (Kind.TEXT, Kind.CHAR) else f"{{{name}}}", "S")
    return None


def unused(wanted: str, taken: Container[str]) -> str:
    """`wanted`, with a number where it is taken."""
    number = 2
    found = wanted
    while found in taken:
        found, number = f"{wanted}{number}", number + 1
    return found


def plain(name: str) -> str:
    """A name that the mapping can use for an item type or an embed."""
    return _PLAIN.sub("_", name) or "_"


def tags(schema: Schema) -> dict[str, str]:
    """Of each table, what its keys begin with."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for facts in schema.tables:
        tag = unused(_NO_TAG.sub("_", facts.name).strip("_").upper() or "T", taken)
        taken.add(tag)
        found[facts.name] = tag
    return found


def key_names(schema: Schema, wanted: Iterable[str]) -> list[str]:
    """Attributes that no column is called."""
    taken = {column for facts in schema.tables for column in facts.columns}
    return [unused(name, taken) for name in wanted]
