"""A key attribute's value, made of the values of the columns that its template names, by the items' own encoder."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UsageError
from pipelines.items.canonical import string
from pipelines.items.encode import encoder
from pipelines.items.reject import Unrepresentable
from pipelines.items.size import value_size
from pipelines.items.source_type import SourceType
from pipelines.mapping.plan import ColumnValue, ConstantValue, KeyType, Placeholder, TemplateValue
from pipelines.mapping.templates import placeholder_text
from pipelines.reading.physical import physical_value

Columns = Mapping[str, object]
KeyedValue = ColumnValue | TemplateValue | ConstantValue


@dataclass(frozen=True)
class KeyValue:
    """One key attribute of the table or of an index, for one item type. `item_type` is for messages."""

    item_type: str
    name: str
    type: KeyType
    value: KeyedValue
    max_bytes: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that the value is made of, in the template's order; behind an embed by its path, `customer.name`."""
        if isinstance(self.value, ConstantValue):
            return ()
        return tuple(dict.fromkeys(".".join((*path, column)) for path, column in self.value.columns))

    def of(self, given: Columns) -> dict[str, Any]:
        """As boto3 takes it, `{"S": "CUSTOMER#5"}`. Raises UsageError; every column must be given."""
        match self.value:
            case ConstantValue():
                fragment = self.value.fragment
            case ColumnValue():
                fragment = self.encoded(self.value, given[column_name(self.value)])
            case TemplateValue():
                parts = self.value.template.parts
                texts = [part if isinstance(part, str) else self.text(part, given[column_name(part)]) for part in parts]
                fragment = string("".join(texts))
        return self.checked(fragment)

    def text(self, placeholder: Placeholder, value: object) -> str:
        """A placeholder's text, its format applied."""
        physical = self._physical(column_name(placeholder), placeholder.type, value)
        try:
            text = placeholder_text(placeholder, physical, None)
        except Unrepresentable as problem:
            raise self._no_key(column_name(placeholder), problem) from None
        assert text is not None  # a physical value is never None
        return text

    def encoded(self, column: ColumnValue, value: object) -> str:
        physical = self._physical(column_name(column), column.type, value)
        try:
            fragment = encoder(column.type, column.encoding)(physical, None)
        except Unrepresentable as problem:
            raise self._no_key(column_name(column), problem) from None
        assert fragment is not None
        return fragment

    def checked(self, fragment: str) -> dict[str, Any]:
        """As boto3 takes it. Raises UsageError for what no key can be."""
        value: dict[str, Any] = json.loads(fragment)
        size = value_size(value)
        if size > self.max_bytes or "" in value.values():
            why = f"{size} bytes, {self.max_bytes} at most" if size else "it is empty"
            raise UsageError(f"{self.item_type}: no `{self.name}` can be made of these values: {why}")
        return {"B": base64.b64decode(value["B"])} if "B" in value else value

    def _physical(self, name: str, type: SourceType, value: object) -> object:
        return physical_value(f"{self.item_type}: `{name}`", type, value)

    def _no_key(self, name: str, problem: Unrepresentable) -> UsageError:
        return UsageError(f"{self.item_type}: `{name}` has a value that no key has: {problem.detail}")


def column_name(value: ColumnValue | Placeholder) -> str:
    return ".".join((*value.path, value.column))


def require_columns(item_type: str, given: Columns, wanted: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Raises UsageError where one is missing or surplus."""
    allowed = list(dict.fromkeys((*wanted, *optional)))
    for name in given:
        if name not in allowed:
            raise UsageError(f"{item_type}: `{name}` is not asked for here; give {_listed(allowed)}")
    missing = [name for name in wanted if name not in given]
    if missing:
        raise UsageError(f"{item_type}: {_listed(missing)} missing; give {_listed(wanted)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "no column"
