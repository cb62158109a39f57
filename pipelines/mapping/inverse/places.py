"""Where the columns of a row stand in the map (or the element) that the row has become."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from pipelines.items.canonical import AttributeValue
from pipelines.items.source_type import Encoding, Kind
from pipelines.mapping.catalog import Column
from pipelines.mapping.inverse.decode import SETS, decoder, keep_of, lossy
from pipelines.mapping.inverse.table_rows import Keep
from pipelines.mapping.inverse.template_read import TemplateReader, template_reader
from pipelines.mapping.inverse.unreadable import Unreadable, content
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    KeyAttribute,
    Nulls,
    RowPlan,
    TemplateValue,
)

ELEMENT = ""
"""The name of the one place of an element that is no map."""

_EMPTIES = {Kind.TEXT: "", Kind.BYTES: r"\x"}
_EMPTIED = frozenset({Encoding.S, Encoding.TEXT, Encoding.B})
_TEXT_FIRST = {Encoding.TEXT: 0}


@dataclass(frozen=True)
class Place:
    """`text`: of the attribute that is there. `absent`: what the column holds where it is not. `rank`: the lower, the
    nearer to what PostgreSQL holds."""

    column: str
    attribute: str
    text: Callable[[AttributeValue], str | None]
    absent: str | None
    keep: Keep | None
    rank: int


def places_of(
    row: RowPlan,
    key: tuple[KeyAttribute, ...] = (),
    indexed: Collection[str] = (),
    value: ColumnValue | TemplateValue | None = None,
) -> Iterator[Place]:
    """`key`, `indexed`: of a root; `indexed` are attributes that an index uses as keys. `value`: of an embed whose
    elements are no maps; then nothing else is there."""
    if value is not None:
        yield from _of_value(row, Attribute(ELEMENT, value, Nulls.ABSENT), in_index=False)
        return
    yield from key_places(key)
    for attribute in row.attributes:
        yield from _of_value(row, attribute, attribute.name in indexed)


def key_places(key: tuple[KeyAttribute, ...]) -> Iterator[Place]:
    for part in key:
        if isinstance(part.value, TemplateValue):
            yield from _of_template(part.name, part.value, None)
        elif not part.value.path and not lossy(part.value.type, part.value.encoding):
            value = part.value
            text, keep = decoder(value.type, value.encoding), keep_of(value.type, value.encoding)
            yield Place(value.column, part.name, text, None, keep, rank=2)


def shown_columns(
    row: RowPlan, key: tuple[KeyAttribute, ...] = (), value: ColumnValue | TemplateValue | None = None
) -> dict[str, str]:
    """The row's own columns that an attribute shows, in whole or in part, and which attribute it is."""
    values = [*((one.name, one.value) for one in row.attributes), *((one.name, one.value) for one in key)]
    shown: dict[str, str] = {}
    for name, found in values if value is None else [(ELEMENT, value)]:
        if isinstance(found, ColumnValue | TemplateValue):
            shown |= {column: name for path, column in found.columns if not path and column not in shown}
    return shown


def _of_value(row: RowPlan, attribute: Attribute, in_index: bool) -> Iterator[Place]:
    value = attribute.value
    if isinstance(value, ColumnValue):
        if not value.path and not lossy(value.type, value.encoding):
            yield _of_column(row, attribute, value, in_index)
    elif isinstance(value, TemplateValue) and _absent_is_null(row, value):
        keep = Keep.EMPTY if in_index and len(value.template.parts) == 1 else None
        yield from _of_template(attribute.name, value, keep)


def _of_column(row: RowPlan, attribute: Attribute, value: ColumnValue, in_index: bool) -> Place:
    column = row.table.column(value.column)
    assert column is not None, f"{row.table.ref} has no column {value.column}"
    decode, keep = decoder(value.type, value.encoding), keep_of(value.type, value.encoding)
    absent: str | None = None
    if value.encoding in SETS:
        absent = "{}" if attribute.nulls is Nulls.NULL or not column.nullable else None
    elif in_index and value.encoding in _EMPTIED and column.type.kind in _EMPTIES:
        absent = None if column.nullable else _EMPTIES[column.type.kind]
        keep = Keep.EMPTY if column.nullable else keep
    null = _null(column, attribute, value)
    rank = _TEXT_FIRST.get(value.encoding, 1)
    return Place(
        value.column, attribute.name, lambda found: null if "NULL" in found else decode(found), absent, keep, rank
    )


def _null(column: Column, attribute: Attribute, value: ColumnValue) -> str | None:
    """What the column holds where the attribute is NULL: of JSON, the document `null` where a NULL of the column would
    have left the attribute out, or cannot be; an element that is no set is an empty array."""
    if value.encoding in SETS and attribute.name == ELEMENT and not column.nullable:
        return "{}"
    if value.encoding is not Encoding.JSON:
        return None
    of_column = attribute.nulls is Nulls.NULL or attribute.name == ELEMENT
    return None if of_column and column.nullable else "null"


def _absent_is_null(row: RowPlan, value: TemplateValue) -> bool:
    """Whether an absent attribute says which column is NULL."""
    placeholders = value.template.placeholders
    if len(placeholders) == 1:
        return True
    columns = (None if part.path else row.table.column(part.column) for part in placeholders)
    return all(column is not None and not column.nullable for column in columns)


def _of_template(name: str, value: TemplateValue, keep: Keep | None) -> Iterator[Place]:
    reader = template_reader(value.template)
    if reader is None:
        return
    for n, read in enumerate(reader.reads):
        yield Place(read.column, name, _placeholder(reader, n), None, keep or read.keep, rank=3)


def _placeholder(reader: TemplateReader, n: int) -> Callable[[AttributeValue], str | None]:
    def text(value: AttributeValue) -> str | None:
        if "NULL" in value:
            return None
        texts = reader.texts(content(value, "S"))
        if texts is None:
            raise Unreadable("is no text that its template makes")
        return texts[n]

    return text
