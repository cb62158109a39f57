"""What an application gives as an item, as the item that the table holds: its key, its attributes, whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.errors import UsageError
from pipelines.items.canonical import attributes_of, canonical_item, string
from pipelines.items.encode import encoder
from pipelines.items.reject import Unrepresentable
from pipelines.items.size import MAX_ITEM_BYTES, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES, canonical_size
from pipelines.items.source_type import SourceType
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.key_source import KeyReader
from pipelines.mapping.model import Item
from pipelines.mapping.online import MAX_UTF8_BYTES, source_key_text
from pipelines.mapping.plan import ColumnValue, ItemPlan, TemplateValue
from pipelines.mapping.templates import template_text
from pipelines.masters.column import NotShownError, column_fragment
from pipelines.masters.plain_value import MisfitError
from pipelines.masters.row_form import Columns, Given, RowForm
from pipelines.reading.key_value import KeyValue, require_columns
from pipelines.reading.physical import physical_value

_LIMITS = (MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES)


@dataclass(frozen=True)
class Formed:
    """`key`, `item`: canonical JSON, without Crossover's own attributes. `owner`: the source key, where items
    bear it."""

    key: str
    item: str
    owner: str | None


class ItemForm:
    """Of one item type, bound once."""

    def __init__(self, plan: ItemPlan, body: Item) -> None:
        """`body`: what the mapping says of it."""
        self.table = plan.table
        self.partition_key = plan.key[0].name
        self._plan = plan
        self._bears_owner = not key_names_row(plan)
        self._reader = KeyReader(plan)
        self._keys = tuple(
            KeyValue(plan.name, key.name, key.type, key.value, most)
            for key, most in zip(plan.key, _LIMITS, strict=False)
        )
        self._columns = tuple(dict.fromkeys(column for key in self._keys for column in key.columns))
        self._types = {column: plan.root.type_of(column) for column in plan.source_key} | _types(plan)
        shown = {key.name: key.value for key in plan.key if isinstance(key.value, ColumnValue) and not key.value.path}
        self._row = RowForm(plan.root, body, frozenset(key.attribute for key in plan.index_keys), shown)

    def key_of(self, columns: Mapping[str, object]) -> str:
        """Canonical, of the columns of the key's templates. Raises UsageError."""
        require_columns(self._plan.name, columns, self._columns)
        return canonical_item({key.name: key.of(columns) for key in self._keys})

    def formed(self, given: Given, columns: Mapping[str, object], owner: str | None = None) -> Formed:
        """`columns`: of the key, which no attribute shows. `owner`: of the item that this one replaces, should its own
        attributes not tell. Raises UsageError."""
        try:
            return self._formed(self._row.with_columns(given, columns), self._known(columns), owner)
        except MisfitError as problem:
            raise UsageError(f"{self._plan.name}, attribute `{problem.path}`: {problem.why}") from None

    def _formed(self, given: Given, columns: Columns, owner: str | None) -> Formed:
        self._row.check_names(given, more=frozenset(key.name for key in self._keys))
        keys = {key.name: self._key(key, given, columns) for key in self._keys}
        key = attributes_of(keys)
        item = attributes_of(keys | self._row.fragments(given, columns=columns))
        if len(item) * MAX_UTF8_BYTES > MAX_ITEM_BYTES and (size := canonical_size(item)) > MAX_ITEM_BYTES:
            raise UsageError(f"{self._plan.name}: an item of {size} bytes; {MAX_ITEM_BYTES} at most")
        return Formed(key, item, self._owner(key, given, columns, owner) if self._bears_owner else None)

    def _key(self, key: KeyValue, given: Given, columns: Columns) -> str:
        try:
            fragment = self._made(key, given, columns)
        except NotShownError as missing:
            fragment = self._as_given(key, given, missing.column)
        except Unrepresentable as problem:
            raise MisfitError(key.name, problem.detail) from None
        if fragment is None:
            raise UsageError(f"{self._plan.name}: no `{key.name}` can be made: one of {_listed(key.columns)} is NULL")
        key.checked(fragment)
        return fragment

    def _made(self, key: KeyValue, given: Given, columns: Columns) -> str | None:
        value = key.value
        if isinstance(value, TemplateValue):
            text = self._row.text(value, given, "", columns)
            return None if text is None else string(text)
        assert isinstance(value, ColumnValue)  # no key is a constant
        try:
            physical = self._row.behind(given, value.path, value.column)
        except NotShownError as missing:
            if missing.column not in columns:
                raise
            physical = columns[missing.column]
        return encoder(value.type, value.encoding)(*physical)

    def _as_given(self, key: KeyValue, given: Given, missing: str) -> str:
        own = given.get(key.name)
        if own is None:
            raise UsageError(
                f"{self._plan.name}: `{missing}` missing, of which `{key.name}` is made; no attribute shows it: give "
                "it in `columns`"
            )
        value = key.value if isinstance(key.value, ColumnValue) else None
        fragment = string(own) if value is None and isinstance(own, str) else None
        if value is not None:
            fragment = column_fragment(own, value, key.name)
        if fragment is None:
            raise MisfitError(key.name, "a text is wanted")
        return fragment

    def _known(self, columns: Mapping[str, object]) -> Columns:
        require_columns(self._plan.name, columns, (), tuple(self._types))
        return {
            name: (physical_value(f"{self._plan.name}: `{name}`", self._types[name], value), None)
            for name, value in columns.items()
        }

    def _owner(self, key: str, given: Given, columns: Columns, owner: str | None) -> str:
        texts: list[tuple[str, str]] = []
        for column in self._plan.source_key:
            try:
                physical = self._row.physical(given, column)
            except NotShownError:
                if column not in columns:
                    break
                physical = columns[column]
            text = template_text(self._plan.root.type_of(column), *physical)
            if text is None:
                break
            texts.append((column, text))
        else:
            return source_key_text(texts)
        found = self._reader.source_key(key) or owner
        if found is None:
            raise UsageError(
                f"{self._plan.name}: {_listed(self._plan.source_key)} tells whose item it is; give it, as an attribute "
                "or in `columns`"
            )
        return found


def _types(plan: ItemPlan) -> dict[str, SourceType]:
    """Of the columns that the key is made of."""
    found: dict[str, SourceType] = {}
    for key in plan.key:
        parts = (key.value,) if isinstance(key.value, ColumnValue) else key.value.template.placeholders
        found |= {".".join((*part.path, part.column)): part.type for part in parts}
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
