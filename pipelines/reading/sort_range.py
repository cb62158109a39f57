"""A condition on the sort key: its leading columns equal, the next one beginning with a text or between two values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UsageError
from pipelines.items.canonical import string
from pipelines.items.source_type import NUMBERS, TEMPORAL, TEXTS, Encoding, Kind
from pipelines.mapping.plan import ColumnValue, KeyType, Placeholder, TemplateValue
from pipelines.mapping.templates import escaped, lower, upper
from pipelines.reading.key_value import Columns, KeyValue, column_name

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_BIG_ENDIAN = "YmdHMS"
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True)
class SortRange:
    """`operator`: of a KeyConditionExpression, `begins_with`, `BETWEEN`, `=`, `>=` or `<=`."""

    operator: str
    values: tuple[dict[str, Any], ...]

    def expression(self, name: str) -> str:
        match self.operator:
            case "begins_with":
                return f"begins_with({name}, :s0)"
            case "BETWEEN":
                return f"{name} BETWEEN :s0 AND :s1"
        return f"{name} {self.operator} :s0"


def sort_range(
    key: KeyValue, given: Columns, begins: Mapping[str, str], between: Mapping[str, Sequence[object]]
) -> SortRange | None:
    """None where the whole collection is meant. `between`: low and high, both included; None is an open end.

    Raises UsageError for columns that no condition can be made of: DynamoDB reads one stretch of a sort key.
    """
    if len(begins) + len(between) > 1:
        raise UsageError(f"{key.item_type}: one of `begins` and `between`, for one column")
    if not isinstance(key.value, TemplateValue):
        return _of_column(key, given, begins, between)
    return _OfTemplate(key, key.value.template.parts, given).range(begins, between)


def _of_column(
    key: KeyValue, given: Columns, begins: Mapping[str, str], between: Mapping[str, Sequence[object]]
) -> SortRange | None:
    if not isinstance(key.value, ColumnValue):
        _require_next(key, "", begins, between)
        return SortRange("=", (key.of(given),))
    name = column_name(key.value)
    if name in given:
        _require_next(key, "", begins, between)
        return SortRange("=", (key.of(given),))
    _require_next(key, name, begins, between)
    if begins:
        if key.type is not KeyType.S or key.value.type.kind not in TEXTS | TEMPORAL:
            raise UsageError(f"{key.item_type}: `{name}` is no text in this key; use `between`")
        return SortRange("begins_with", (key.checked(string(_beginning(key, begins[name]))),))
    if not between:
        return None
    if key.type is KeyType.S and (key.value.type.kind in NUMBERS or key.value.encoding is Encoding.TEXT):
        raise _unordered(key, name)
    ends = _ends(key, name, between[name])
    low, high = (None if end is None else key.checked(key.encoded(key.value, end)) for end in ends)
    return _range(low, high)


@dataclass(frozen=True)
class _OfTemplate:
    key: KeyValue
    parts: tuple[str | Placeholder, ...]
    given: Columns

    def range(self, begins: Mapping[str, str], between: Mapping[str, Sequence[object]]) -> SortRange | None:
        prefix, at = self._leading()
        following = self.parts[at] if at < len(self.parts) else None
        if not isinstance(following, Placeholder):
            _require_next(self.key, "", begins, between)
            return SortRange("=", (self._value(prefix),))
        name = column_name(following)
        _require_next(self.key, name, begins, between)
        if between:
            return self._between(prefix, at, following, _ends(self.key, name, between[name]))
        if begins:
            prefix += self._begins(following, begins[name])
        return SortRange("begins_with", (self._value(prefix),)) if prefix else None

    def _leading(self) -> tuple[str, int]:
        """The text up to the first placeholder that is not given, and its place. What is given beyond is refused."""
        prefix = ""
        for at, part in enumerate(self.parts):
            if isinstance(part, str):
                prefix += part
                continue
            if column_name(part) not in self.given:
                self._refuse_beyond(at, column_name(part))
                return prefix, at
            prefix += self.key.text(part, self.given[column_name(part)])
            if self._runs_on(at) and any(column_name(more) not in self.given for more in self._placeholders(at + 1)):
                raise UsageError(
                    f"{self.key.item_type}: in `{self.key.name}` nothing stands between `{column_name(part)}` and what "
                    "follows; give all its columns"
                )
        return prefix, len(self.parts)

    def _runs_on(self, at: int) -> bool:
        """Whether nothing tells where this placeholder's text ends."""
        part, behind = self.parts[at], self.parts[at + 1 : at + 2]
        return isinstance(part, Placeholder) and not _fixed_width(part) and isinstance((*behind, "")[0], Placeholder)

    def _placeholders(self, start: int) -> list[Placeholder]:
        return [part for part in self.parts[start:] if isinstance(part, Placeholder)]

    def _refuse_beyond(self, at: int, missing: str) -> None:
        leading = {column_name(part) for part in self.parts[:at] if isinstance(part, Placeholder)}
        for part in self._placeholders(at):
            # a column may stand in the partition key as well, which says nothing of where it stands here
            if column_name(part) in self.given and column_name(part) not in leading:
                raise UsageError(
                    f"{self.key.item_type}: `{column_name(part)}` comes after `{missing}` in `{self.key.name}`; "
                    f"give `{missing}`, too"
                )

    def _begins(self, placeholder: Placeholder, text: object) -> str:
        beginning, format = _beginning(self.key, text), placeholder.format
        if placeholder.type.kind not in TEXTS | TEMPORAL | {Kind.OTHER} or (format and format.modulus):
            raise UsageError(f"{self.key.item_type}: `{column_name(placeholder)}` is no text; use `between`")
        if format and format.case:
            return lower(beginning) if format.case == "lower" else upper(beginning)
        if format and format.escape is not None:
            return escaped(beginning, format.escape)
        return beginning

    def _between(self, prefix: str, at: int, placeholder: Placeholder, ends: tuple[object, object]) -> SortRange:
        behind = self.parts[at + 1 :]
        if not _sorts(placeholder) or (behind and not _fixed_width(placeholder)):
            raise _unordered(self.key, column_name(placeholder))
        texts = [None if end is None else prefix + self.key.text(placeholder, end) for end in ends]
        if not prefix and None in texts:
            low, high = (None if text is None else self._value(text) for text in texts)
            return _range(low, high if high is None or not behind else self._value(_after(str(texts[1]))))
        low_text = prefix if texts[0] is None else texts[0]
        # the bound itself is no key of this type: all that begins with the high end comes before it
        high_text = _after(prefix) if texts[1] is None else _after(texts[1]) if behind else texts[1]
        return _range(self._value(low_text), self._value(high_text))

    def _value(self, text: str) -> dict[str, Any]:
        return self.key.checked(string(text))


def _range(low: dict[str, Any] | None, high: dict[str, Any] | None) -> SortRange:
    if low is not None and high is not None:
        return SortRange("BETWEEN", (low, high))
    if low is not None:
        return SortRange(">=", (low,))
    assert high is not None  # _ends refuses two open ends
    return SortRange("<=", (high,))


def _ends(key: KeyValue, name: str, ends: Sequence[object]) -> tuple[object, object]:
    if isinstance(ends, str | bytes) or len(ends) != 2 or (ends[0] is None and ends[1] is None):
        raise UsageError(
            f"{key.item_type}: `between` is {{column: (low, high)}}; one of both ends of `{name}` can be None"
        )
    return ends[0], ends[1]


def _require_next(key: KeyValue, name: str, begins: Mapping[str, str], between: Mapping[str, Sequence[object]]) -> None:
    for asked in (*begins, *between):
        if asked != name:
            here = f"here it can be of `{name}`" if name else f"`{key.name}` is whole without it"
            raise UsageError(f"{key.item_type}: no stretch of `{key.name}` is told by `{asked}`; {here}")


def _beginning(key: KeyValue, text: object) -> str:
    if not isinstance(text, str) or not text:
        raise UsageError(f"{key.item_type}: `begins` is {{column: text}}, the beginning of its text in the key")
    return text


def _unordered(key: KeyValue, name: str) -> UsageError:
    return UsageError(
        f"{key.item_type}: `{key.name}` is not in the order of `{name}`, so nothing is between two values"
    )


def _fixed_width(placeholder: Placeholder) -> bool:
    format = placeholder.format
    if format is None:
        return placeholder.type.kind in TEMPORAL | {Kind.UUID}
    return format.pad is not None or format.strftime is not None


def _sorts(placeholder: Placeholder) -> bool:
    """Whether texts are in the order of the values (of a text: as it stands in the key)."""
    format = placeholder.format
    if format is None:
        return placeholder.type.kind in TEMPORAL | TEXTS
    if format.strftime is not None:
        return _BIG_ENDIAN.startswith("".join(_DIRECTIVE.findall(format.strftime)))
    return format.modulus is None


def _after(text: str) -> str:
    """The first text after all that begin with this one, which is not empty and does not end with U+10FFFF."""
    last = ord(text[-1]) + 1
    return text[:-1] + chr(_SURROGATES.stop if last in _SURROGATES else last)
