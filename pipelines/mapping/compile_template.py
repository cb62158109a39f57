"""Templates, resolved: every placeholder a column of known type, every format one that its type can have."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.items.canonical import boolean, number, string
from pipelines.items.reject import Unrepresentable
from pipelines.items.source_type import TEMPORAL, TEXTS, Encoding, Kind
from pipelines.mapping.catalog import Column
from pipelines.mapping.model import Constant
from pipelines.mapping.origin import Path, listed, nearest
from pipelines.mapping.plan import ColumnValue, ConstantValue, Format, Placeholder, Template, TemplateValue
from pipelines.mapping.problems import Problems
from pipelines.mapping.scope import Scope, is_map
from pipelines.mapping.templates import (
    FORMATS,
    RawPlaceholder,
    RawTemplate,
    TemplateError,
    parse_format,
    parse_template,
)

NO_TEXT = frozenset({Kind.BYTES, Kind.JSON, Kind.ARRAY})
"""Kinds whose values have no text in a template."""


@dataclass(frozen=True)
class Resolved:
    """What a placeholder's names stand for. `scope` is where the column lives, `path` the embeds on the way."""

    scope: Scope
    path: tuple[str, ...]
    column: Column


@dataclass(frozen=True)
class Templates:
    problems: Problems

    def parsed(self, text: str, path: Path) -> RawTemplate | None:
        try:
            return parse_template(text)
        except TemplateError as error:
            self.problems.add(path, f"`{text}`: {error}")
            return None

    def constant(self, scope: Scope, value: Constant, path: Path) -> ColumnValue | TemplateValue | ConstantValue | None:
        """A value of `set`."""
        if isinstance(value, str):
            found = self.value(scope, value, path)
            if isinstance(found, TemplateValue) and not found.template.placeholders:
                return ConstantValue(string("".join(map(str, found.template.parts))))
            return found
        if isinstance(value, bool):
            return ConstantValue(boolean(value))
        try:
            return ConstantValue(number(str(value)))
        except Unrepresentable as error:
            self.problems.add(path, f"`{value}`: {error.detail}; quote it to have a text")
            return None

    def value(self, scope: Scope, text: str, path: Path) -> ColumnValue | TemplateValue | None:
        """What a template gives: exactly `{column}` keeps the column's encoding, everything else is a text."""
        raw = self.parsed(text, path)
        if raw is None:
            return None
        if raw.only is None:
            template = self.template(scope, raw, path)
            return None if template is None else TemplateValue(template)
        found = self.resolve(scope, raw.only, path)
        return None if found is None else column_value(found, found.scope.encoding(found.column))

    def template(self, scope: Scope, raw: RawTemplate, path: Path) -> Template | None:
        parts: list[str | Placeholder] = []
        complete = True
        for part, following in zip(raw.parts, (*raw.parts[1:], ""), strict=True):
            if isinstance(part, str):
                parts.append(part)
                continue
            placeholder = self._placeholder(scope, part, following if isinstance(following, str) else "", path)
            complete = complete and placeholder is not None
            parts.append(placeholder or "")
        return Template(raw.text, tuple(parts)) if complete else None

    def resolve(self, scope: Scope, raw: RawPlaceholder, path: Path) -> Resolved | None:
        """Follows the names through `as: map` embeds to a column, and marks it as used."""
        here = scope
        for n, name in enumerate(raw.names):
            rest = ".".join(raw.names[n:])
            column = here.table.column(rest)
            if column is not None:
                here.use(column.name)
                return Resolved(here, raw.names[:n], column)
            if n == len(raw.names) - 1 or not self._is_map(here, name, path):
                if n == len(raw.names) - 1:
                    self.problems.add(path, self._unknown(here, name))
                return None
            if name not in here.children:
                return None  # its table is unknown, which is a problem of its own
            here = here.children[name]
        return None

    def _is_map(self, scope: Scope, name: str, path: Path) -> bool:
        if is_map(scope, name):
            return True
        if name in scope.body.embed:
            self.problems.add(path, f"`{name}` is a {scope.body.embed[name].as_}; a template goes through maps only")
        else:
            maps = [known for known in scope.body.embed if is_map(scope, known)]
            here = f"; maps here: {listed(maps)}" if maps else ""
            self.problems.add(path, f"no embed `{name}`{nearest(name, maps)}{here}")
        return False

    def _unknown(self, scope: Scope, name: str) -> str:
        if name in scope.body.embed:
            return f"`{name}` is an embed; name a column of it, {{{name}.column}}"
        return scope.unknown_column(name)

    def _placeholder(self, scope: Scope, raw: RawPlaceholder, following: str, path: Path) -> Placeholder | None:
        found = self.resolve(scope, raw, path)
        if found is None:
            return None
        format: Format | None = None
        try:
            if raw.format is not None:
                format = parse_format(raw.format, following)
            check_format(found.column, format)
        except TemplateError as error:
            self.problems.add(path, f"`{{{'.'.join(raw.names)}}}`: {error}")
            return None
        return Placeholder(found.path, found.column.name, found.column.type, format)


def column_value(found: Resolved, encoding: Encoding) -> ColumnValue:
    return ColumnValue(found.column.name, found.column.type, encoding, found.path)


def check_format(column: Column, format: Format | None) -> None:
    """Raises TemplateError where the column's type has no such text."""
    kind, name = column.type.kind, column.type.name
    if kind in NO_TEXT:
        raise TemplateError(f"{name} has no text in a template; use a column of another type")
    if format is None:
        return
    if (format.pad is not None or format.modulus is not None) and kind is not Kind.INTEGER:
        raise TemplateError(f"0N and modN are for whole numbers, the column is {name}; formats: {FORMATS}")
    if format.strftime is not None and kind not in TEMPORAL:
        raise TemplateError(f"%Y and the like are for dates and timestamps, the column is {name}")
    if format.case is not None and kind not in TEXTS:
        raise TemplateError(f"lower and upper are for texts, the column is {name}")
