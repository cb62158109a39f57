"""One row's map inside an item: what an application gives of it, as the assembler would have made it.

Columns are encoded as the mapping says; constants, and templates of columns that the map shows, are made here, whatever
was given; all else stays as it was given. Lists are put into the mapping's order where their elements show what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.items.canonical import EMPTY_LIST, NULL, attributes_of, list_of, string
from pipelines.items.encode import encoder
from pipelines.items.reject import Unrepresentable
from pipelines.mapping.model import Embed, Item
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    ConstantValue,
    EmbedPlan,
    EmbedValue,
    Nulls,
    Placeholder,
    RowPlan,
    Shape,
    TemplateValue,
)
from pipelines.mapping.templates import render
from pipelines.masters.column import NotShownError, Physical, column_fragment, physical_of
from pipelines.masters.list_order import in_mapping_order
from pipelines.masters.plain_value import MisfitError, plain_fragment

Given = Mapping[str, Any]
Columns = Mapping[str, Physical]
_NONE: Columns = {}
_EMPTY = (NULL, '{"S":""}', '{"B":""}')


@dataclass(frozen=True)
class RowForm:
    """`row`'s, bound once. `body`: what the mapping says of it. `indexed`: attributes that are keys of an index, which
    are left out where they are empty. `keys`: attributes of the item's key that show a column."""

    row: RowPlan
    body: Item | Embed
    indexed: frozenset[str] = frozenset()
    keys: Mapping[str, ColumnValue] = field(default_factory=dict)
    _shown: dict[str, list[tuple[str, ColumnValue]]] = field(init=False, default_factory=dict)
    _forms: dict[str, RowForm] = field(init=False, default_factory=dict)
    _names: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for embed in self.row.embeds:
            self._forms[embed.name] = RowForm(embed.row, self.body.embed[embed.name])
        for attribute in sorted(self.row.attributes, key=lambda one: one.name in self.body.set_):
            match attribute.value:
                case ColumnValue(path=()) as value:
                    self._shown.setdefault(value.column, []).append((attribute.name, value))
                case EmbedValue(embed=name):
                    self._names[name] = attribute.name
        for name, value in self.keys.items():
            self._shown.setdefault(value.column, []).append((name, value))

    def fragments(self, given: Given, path: str = "", columns: Columns = _NONE) -> dict[str, str]:
        """Canonical, by attribute. `columns`: values that no attribute shows, by `column` or `embed.column`. Raises
        MisfitError."""
        found = {one.name: self._fragment(one, given, path, columns) for one in self.row.attributes}
        return {name: fragment for name, fragment in found.items() if fragment is not None}

    def with_columns(self, given: Given, columns: Mapping[str, object]) -> Given:
        """`given`, and those attributes that show one of the columns and are not given."""
        more = {
            name: columns[column] for column, shown in self._shown.items() if column in columns for name, _ in shown
        }
        return {**more, **given} if more else given

    def physical(self, given: Given, column: str, at: str = "", *, coarse: bool = False) -> Physical:
        """Of a column of the row itself. Raises NotShownError; MisfitError."""
        for name, value in self._shown.get(column, ()):
            if name in self.keys and given.get(name) is None:
                continue
            found = physical_of(_encoded(given.get(name), value, below(at, name)), value, coarse=coarse)
            if found is not None:
                return found
        raise NotShownError(column)

    def behind(self, given: Given, path: Sequence[str], column: str, at: str = "", *, coarse: bool = False) -> Physical:
        """Of a column behind the `as: map` embeds of `path`. Raises NotShownError; MisfitError."""
        if not path:
            return self.physical(given, column, at, coarse=coarse)
        if path[0] not in self._names or self.row.embed(path[0]).shape is not Shape.MAP:
            raise NotShownError(".".join((*path, column)))
        name, form = self._names[path[0]], self._forms[path[0]]
        child = given.get(name)
        if child is None:
            return None, None
        at = below(at, name)
        return form.behind(_as_map(child, at), path[1:], column, at, coarse=coarse)

    def text(self, value: TemplateValue, given: Given, at: str, columns: Columns) -> str | None:
        """None where a column is NULL. Raises NotShownError; MisfitError; Unrepresentable."""

        def lookup(part: Placeholder) -> Physical:
            coarse = part.format is not None and part.format.strftime is not None
            try:
                return self.behind(given, part.path, part.column, at, coarse=coarse)
            except NotShownError as missing:
                if missing.column not in columns:
                    raise
                return columns[missing.column]

        return render(value.template, lookup)

    def check_names(self, given: Given, path: str = "", more: frozenset[str] = frozenset()) -> None:
        """Raises MisfitError for an attribute that the mapping does not have."""
        known = more.union(one.name for one in self.row.attributes)
        for name in given:
            if name not in known:
                raise MisfitError(below(path, str(name)), "the mapping has no such attribute")

    def _fragment(self, attribute: Attribute, given: Given, at: str, columns: Columns) -> str | None:
        path = below(at, attribute.name)
        try:
            fragment = self._made(attribute, given, at, path, columns)
        except Unrepresentable as problem:
            raise MisfitError(path, problem.detail) from None
        if attribute.name in self.indexed:
            return None if fragment in _EMPTY else fragment
        return NULL if fragment is None and attribute.nulls is Nulls.NULL else fragment

    def _made(self, attribute: Attribute, given: Given, at: str, path: str, columns: Columns) -> str | None:
        value, own = attribute.value, given.get(attribute.name)
        try:
            match value:
                case ConstantValue():
                    return value.fragment
                case EmbedValue():
                    return self._embedded(self.row.embed(value.embed), own, path)
                case TemplateValue():
                    text = self.text(value, given, at, columns)
                    return None if text is None else string(text)
                case ColumnValue(path=()):
                    name = self._source(attribute.name, value.column, given)
                    return column_fragment(given[name], value, path) if name in given else None
                case ColumnValue():
                    physical = self.behind(given, value.path, value.column, at)
                    return encoder(value.type, value.encoding)(*physical)
        except NotShownError:
            return None if own is None else plain_fragment(own, path)

    def _source(self, name: str, column: str, given: Given) -> str:
        """The attribute that the value of `name` is taken from: the column's own, where this one is of `set`."""
        if name in self.body.set_:
            first = self._shown[column][0][0]
            others = [one for one in self.keys if one in given and self.keys[one].column == column]
            name = first if first not in self.body.set_ else others[0] if others else name
        return name

    def _embedded(self, embed: EmbedPlan, given: object, path: str) -> str | None:
        form = self._forms[embed.name]
        if given is None:
            return EMPTY_LIST if embed.shape is Shape.LIST else None
        if embed.shape is Shape.MAP:
            return f'{{"M":{form._map(_as_map(given, path), path)}}}'
        if embed.shape is Shape.SET:
            if not isinstance(given, set | frozenset):
                raise MisfitError(path, f"a set is wanted, not {type(given).__name__}")
            return plain_fragment(given, path) if given else None
        if isinstance(given, str | bytes) or not isinstance(given, Sequence):
            raise MisfitError(path, f"a list is wanted, not {type(given).__name__}")
        places = [(one, f"{path}[{n}]") for n, one in enumerate(given)]
        if isinstance(embed.value, ColumnValue):
            return list_of([_encoded(one, embed.value, place) or NULL for one, place in places])
        if embed.value is not None:
            return list_of([plain_fragment(one, place) for one, place in places])
        rows = [(_as_map(one, place), place) for one, place in places]
        return list_of([f'{{"M":{form._map(one, place)}}}' for one, place in in_mapping_order(form, rows, embed)])

    def _map(self, given: Given, path: str) -> str:
        self.check_names(given, path)
        return attributes_of(self.fragments(given, path))


def below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _encoded(value: object, column: ColumnValue, path: str) -> str | None:
    try:
        return column_fragment(value, column, path)
    except Unrepresentable as problem:
        raise MisfitError(path, problem.detail) from None


def _as_map(value: object, path: str) -> Given:
    if isinstance(value, Mapping):
        return value
    raise MisfitError(path, f"a map is wanted, not {type(value).__name__}")
