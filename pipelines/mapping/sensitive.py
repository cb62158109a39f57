"""Which attributes must never be shown in clear: those named, and all others that show the same columns.

A column that one item type declares sensitive is sensitive in every item type of the mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipelines.mapping.catalog import TableRef
from pipelines.mapping.model import Embed, Item
from pipelines.mapping.origin import Path, nearest
from pipelines.mapping.plan import (
    ColumnValue,
    EmbedPlan,
    EmbedValue,
    ItemPlan,
    RowPlan,
    TemplateValue,
    Value,
)
from pipelines.mapping.problems import Problems

Tainted = set[tuple[TableRef, str]]
"""Columns whose values are sensitive."""


def mark_sensitive(compiled: list[tuple[Item, ItemPlan]], problems: Problems) -> tuple[ItemPlan, ...]:
    """The plans with `sensitive` and `key_sensitive` filled in; names that are not there become problems."""
    tainted: Tainted = set()
    named: list[set[str]] = []
    for item, plan in compiled:
        declared = _Declared(tainted, set(), problems)
        declared.body(item, plan.root, ("items", plan.name), "")
        named.append(declared.paths)
    return tuple(
        replace(
            plan,
            sensitive=frozenset(paths | set(_showing(plan.root, tainted, ""))),
            key_sensitive=_key_shows(plan, tainted),
        )
        for (_, plan), paths in zip(compiled, named, strict=True)
    )


class _Declared:
    """Reads the `sensitive` lists of an item and its embeds."""

    def __init__(self, tainted: Tainted, paths: set[str], problems: Problems) -> None:
        self.tainted = tainted
        self.paths = paths
        self._problems = problems

    def body(self, body: Item | Embed, row: RowPlan, path: Path, prefix: str) -> None:
        for n, name in enumerate(body.sensitive):
            self._name(body, row, name, (*path, "sensitive", n), prefix)
        plans = {embed.name: embed for embed in row.embeds}
        for name, embed in body.embed.items():
            if name in plans:
                self.body(embed, plans[name].row, (*path, "embed", name), f"{prefix}{name}.")

    def _name(self, body: Item | Embed, row: RowPlan, name: str, path: Path, prefix: str) -> None:
        attribute = next((known for known in row.attributes if known.name == name), None)
        embed, dot, rest = name.partition(".")
        inner = next((known for known in row.embeds if known.name == embed), None)
        if attribute is not None:
            self._value(row, attribute.value, prefix + name)
        elif inner is not None:
            if dot:
                self._name(body.embed[embed], inner.row, rest, path, f"{prefix}{embed}.")
            else:
                self._everything(inner, prefix + name)
        elif row.table.column(name) is not None:
            self.tainted.add((row.table.ref, name))  # not emitted here, but templates may show it
        elif name not in body.set_ and embed not in body.embed:  # else it has a problem of its own
            names = [known.name for known in row.attributes] + [known.name for known in row.embeds]
            hint = nearest(name, names)
            self._problems.add(path, f"no attribute `{name}` here{hint}; the path is embed.attribute, after renaming")

    def _value(self, row: RowPlan, value: Value, path: str) -> None:
        self.paths.add(path)
        if isinstance(value, ColumnValue):
            self.tainted.update(_columns(row, value))
        elif isinstance(value, EmbedValue):
            self._everything(row.embed(value.embed), path)

    def _everything(self, embed: EmbedPlan, path: str) -> None:
        self.paths.add(path)
        if isinstance(embed.value, ColumnValue):
            self.tainted.update(_columns(embed.row, embed.value))
        for attribute in embed.row.attributes:
            self._value(embed.row, attribute.value, f"{path}.{attribute.name}")


def _showing(row: RowPlan, tainted: Tainted, prefix: str) -> Iterator[str]:
    """Paths of the attributes that show a tainted column."""
    for attribute in row.attributes:
        path = prefix + attribute.name
        if isinstance(attribute.value, EmbedValue):
            embed = row.embed(attribute.value.embed)
            if embed.value is not None and _shows(embed.row, embed.value, tainted):
                yield path
            yield from _showing(embed.row, tainted, f"{path}.")
        elif _shows(row, attribute.value, tainted):
            yield path


def _key_shows(plan: ItemPlan, tainted: Tainted) -> bool:
    root = plan.root
    return any(_shows(root, key.value, tainted) for key in plan.key) or any(
        (root.table.ref, column) in tainted for column in plan.source_key
    )


def _shows(row: RowPlan, value: Value, tainted: Tainted) -> bool:
    return any(column in tainted for column in _columns(row, value))


def _columns(row: RowPlan, value: Value) -> Iterator[tuple[TableRef, str]]:
    if isinstance(value, ColumnValue | TemplateValue):
        for path, column in value.columns:
            yield _column(row, path, column)


def _column(row: RowPlan, path: tuple[str, ...], column: str) -> tuple[TableRef, str]:
    for name in path:
        row = row.embed(name).row
    return row.table.ref, column
