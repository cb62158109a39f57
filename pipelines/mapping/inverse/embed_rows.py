"""The rows of an owned embed, and of what is owned in it, from the attribute that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.items.canonical import AttributeValue
from pipelines.items.source_type import Encoding
from pipelines.mapping.inverse.fixed import fixed_columns
from pipelines.mapping.inverse.places import ELEMENT, places_of
from pipelines.mapping.inverse.row_read import RowReader, Values, step
from pipelines.mapping.inverse.same_value import joined
from pipelines.mapping.inverse.table_rows import NotInvertible, Owned, TableRows
from pipelines.mapping.inverse.unreadable import Unreadable, content
from pipelines.mapping.plan import ColumnValue, EmbedPlan, Shape

Attributes = Mapping[str, AttributeValue]

_SETS = {Encoding.S: ("SS", "S"), Encoding.N: ("NS", "N"), Encoding.B: ("BS", "B")}


@dataclass(frozen=True)
class EmbedRows:
    """One owned embed, made once. `embeds`: those owned in it; `inner`: the same for a row that goes."""

    embed: EmbedPlan
    reader: RowReader
    embeds: tuple[EmbedRows, ...]
    inner: tuple[Owned, ...]

    @classmethod
    def of(cls, embed: EmbedPlan, embeds: tuple[EmbedRows, ...]) -> EmbedRows:
        return cls(embed, embed_reader(embed), embeds, owned_rows(embeds))

    def rows(self, enclosing: Attributes, values: Values, at: str) -> Iterator[TableRows]:
        """`enclosing`: the map that holds the embed, at the path `at`; `values`: what it is as a row."""
        row, here = self.embed.row, step(at, self.embed.name)
        owner = self._owner(values)
        elements = list(_elements(self.embed, enclosing, here))
        if owner is None:
            if elements:
                raise NotInvertible(here, "holds rows, and what they are joined by is NULL")
            return
        given: dict[str, str | None] = dict(owner)
        found = [(place, attributes, self.reader.read(attributes, given, place)) for place, attributes in elements]
        self._check_keys([(place, read) for place, _, read in found])
        rows = tuple(tuple(read[column] for column in self.reader.columns) for _, _, read in found)
        yield TableRows(row.table, self.reader.columns, owner, row.where, rows, self.inner, self.reader.keep)
        for place, attributes, read in found:
            for embed in self.embeds:
                yield from embed.rows(attributes, read, place)

    def _owner(self, values: Values) -> tuple[tuple[str, str], ...] | None:
        """None where a column is NULL: it matches nothing."""
        pairs: list[tuple[str, str]] = []
        for own, outer in self.embed.on:
            text = values[outer]
            if text is None:
                return None
            pairs.append((own, joined(self.embed.row.type_of(own), text)))
        return tuple(pairs)

    def _check_keys(self, rows: list[tuple[str, dict[str, str | None]]]) -> None:
        table, seen = self.embed.row.table, set[tuple[str, ...]]()
        for place, read in rows:
            texts = ((self.embed.row.type_of(column), read[column] or "") for column in table.primary_key)
            key = tuple(joined(type, text) for type, text in texts)
            if key in seen:
                raise NotInvertible(place, f"has the primary key of {table.ref} that another element has")
            seen.add(key)


def owned_rows(embeds: tuple[EmbedRows, ...]) -> tuple[Owned, ...]:
    """What goes with a row of which these are the embeds."""
    return tuple(Owned(rows.reader.table, rows.embed.on, rows.embed.row.where, rows.inner) for rows in embeds)


def embed_reader(embed: EmbedPlan) -> RowReader:
    places = places_of(embed.row, value=embed.value)
    return RowReader.of(embed.row.table, places, {own for own, _ in embed.on}, fixed_columns(embed.row.where))


def _elements(embed: EmbedPlan, enclosing: Attributes, here: str) -> Iterator[tuple[str, Attributes]]:
    """Each element's path, and its attributes; one that is no map is an attribute of its own."""
    found = enclosing.get(embed.name)
    if found is None:
        return
    match embed.shape:
        case Shape.MAP:
            yield here, _content(found, "M", here)
        case Shape.LIST:
            for n, element in enumerate(_content(found, "L", here)):
                place = f"{here}[{n}]"
                yield place, _content(element, "M", place) if embed.value is None else {ELEMENT: element}
        case Shape.SET:
            kind, member = _SETS[embed.value.encoding if isinstance(embed.value, ColumnValue) else Encoding.S]
            for text in _content(found, kind, here):
                yield here, {ELEMENT: {member: text}}


def _content(value: AttributeValue, kind: str, at: str) -> Any:
    why = ""
    try:
        return content(value, kind)
    except Unreadable as unreadable:
        why = str(unreadable)
    raise NotInvertible(at, why)
