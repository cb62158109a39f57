"""Types that lose something on the way, or are refused for some values: docs/types.md. One warning for each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.assess.design import DesignWarning, WarningKind
from pipelines.assess.schema import Schema
from pipelines.items.source_type import NUMBERS, TEMPORAL, Encoding, Kind, SourceType
from pipelines.mapping.plan import ColumnValue, ItemPlan, MigrationPlan, RowPlan, TemplateValue

_LISTED = 8
_EXACT_DIGITS = 38


@dataclass(frozen=True)
class _Rule:
    name: str
    text: str
    applies: Callable[[SourceType, Encoding], bool]


_RULES = (
    _Rule(
        "float",
        "NaN and the infinities are rejects; other floats have the shortest digits that give them back",
        lambda type, encoding: type.kind in (Kind.FLOAT4, Kind.FLOAT8) and encoding is Encoding.N,
    ),
    _Rule(
        "numeric",
        "numbers of more than 38 digits, which these columns may hold, are rejects; types: S takes them",
        lambda type, encoding: (
            type.kind is Kind.NUMERIC
            and encoding is Encoding.N
            and (type.precision is None or type.precision > _EXACT_DIGITS)
            and type.name != "money"
        ),
    ),
    _Rule(
        "char",
        "char(n) keeps its padding in the item",
        lambda type, encoding: type.kind is Kind.CHAR and encoding in (Encoding.S, Encoding.TEXT),
    ),
    _Rule(
        "time",
        "infinity, years before 1 and after 9999 are rejects; types: text takes them",
        lambda type, encoding: type.kind in TEMPORAL and encoding is not Encoding.TEXT,
    ),
)


def lossy_types(plan: MigrationPlan, schema: Schema) -> Iterator[DesignWarning]:
    """`evidence`: how many columns."""
    columns = [found for item in plan.items for found in _emitted(item)]
    for rule in _RULES:
        named = [name for name, type, encoding in columns if rule.applies(type, encoding)]
        if named:
            yield _warning(rule.text, named)
    sorted_by = [name for item in plan.items for name in _sorted_text(item, schema)]
    if sorted_by:
        yield _warning("text in a sort key sorts by its UTF-8 bytes, not by its collation", sorted_by)
    unknown = [name for item in plan.items for name in _unknown(item)]
    if unknown:
        yield _warning("columns of a type that needs a word in `types`, S or text; they are left out", unknown)


def _warning(text: str, names: list[str]) -> DesignWarning:
    names = list(dict.fromkeys(names))
    shown = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return DesignWarning(
        kind=WarningKind.TYPE,
        about=names[0].partition(".")[0],
        text=f"{text}: {shown}",
        evidence={"columns": float(len(names))},
    )


def _emitted(item: ItemPlan) -> Iterator[tuple[str, SourceType, Encoding]]:
    for key in item.key:
        if isinstance(key.value, ColumnValue):
            yield f"{item.name}.{key.value.column}", key.value.type, key.value.encoding
    yield from _of_row(item.root, item.name)


def _of_row(row: RowPlan, name: str) -> Iterator[tuple[str, SourceType, Encoding]]:
    for attribute in row.attributes:
        if isinstance(attribute.value, ColumnValue):
            yield f"{name}.{attribute.value.column}", attribute.value.type, attribute.value.encoding
    for embed in row.embeds:
        if not embed.hidden:
            yield from _of_row(embed.row, f"{name}.{embed.name}")


def _sorted_text(item: ItemPlan, schema: Schema) -> Iterator[str]:
    """The table's own sort key: its last key attribute, if it has two. Of texts those whose order is another."""
    ref = item.root.table.ref
    facts = schema.find(ref.table, ref.schema_name)
    columns = (column for key in item.key[1:] for column in _said(key.value))
    yield from (f"{item.name}.{one}" for one in columns if facts is not None and facts.collation(one) is not None)


def _said(value: object) -> tuple[str, ...]:
    match value:
        case TemplateValue(template=template):
            return tuple(one.column for one in template.placeholders)
        case ColumnValue(column=column):
            return (column,)
    return ()


def _unknown(item: ItemPlan) -> Iterator[str]:
    emitted = {column for attribute in item.root.attributes for column in _own(attribute.value)}
    for column in item.root.table.columns:
        type = column.type if column.type.element is None else column.type.element
        if not type.known and column.type.kind not in NUMBERS and column.name not in emitted:
            yield f"{item.name}.{column.name}"


def _own(value: object) -> tuple[str, ...]:
    return (value.column,) if isinstance(value, ColumnValue) and not value.path else ()
