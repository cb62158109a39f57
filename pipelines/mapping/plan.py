"""The compiled mapping: every name resolved against the catalog, every default filled in.

One plan serves the callers: bulk (`pipelines.mapping.bulk`, a Spark plan) and online
(`pipelines.mapping.online`, SQL and an assembler in Python). Both must give the same item for the same rows, so
everything that decides an item's content is decided here, once.

    ItemPlan ── root: RowPlan ── attributes: what each row's map holds
                              └─ embeds: EmbedPlan ── row: RowPlan ── …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from pipelines.items.source_type import Encoding, SourceType
from pipelines.mapping.catalog import Table
from pipelines.mapping.predicate import Predicate


class Nulls(StrEnum):
    ABSENT = "absent"
    NULL = "null"


class Shape(StrEnum):
    LIST = "list"
    MAP = "map"
    SET = "set"


class KeyType(StrEnum):
    S = "S"
    N = "N"
    B = "B"


@dataclass(frozen=True)
class Format:
    """What stands behind the colon of a placeholder; exactly one of the fields is set.

    `pad`: the N of `0N`. `strftime`: of %Y %m %d %H %M %S and literal characters, in UTC. `case`: "lower" or
    "upper" (ASCII and Unicode simple case mapping as Python's str.lower and str.upper give it for one code point
    at a time; see docs/mapping.md). `modulus`: the N of `modN`. `escape`: the character to percent-encode beside
    `%`, or "" where nothing follows.
    """

    pad: int | None = None
    strftime: str | None = None
    case: str | None = None
    modulus: int | None = None
    escape: str | None = None


@dataclass(frozen=True)
class Placeholder:
    """`{customer.name:lower}`: `path` = ("customer",), the `as: map` embeds to go through; `column` = "name"."""

    path: tuple[str, ...]
    column: str
    type: SourceType
    format: Format | None = None


@dataclass(frozen=True)
class Template:
    """Literals and placeholders in order. `text` is the template as written, for messages."""

    text: str
    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(part for part in self.parts if isinstance(part, Placeholder))


PathColumn = tuple[tuple[str, ...], str]
"""A source column that a value shows, behind the `as: map` embeds that lead to it from the value's own row."""


@dataclass(frozen=True)
class ColumnValue:
    """A value that is one column's, in that column's encoding.

    `path` leads through `as: map` embeds (only for templates that are exactly one placeholder without a format;
    empty for a row's own columns).
    """

    column: str
    type: SourceType
    encoding: Encoding
    path: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[PathColumn, ...]:
        return ((self.path, self.column),)


@dataclass(frozen=True)
class TemplateValue:
    """A string made by a template. A NULL in any placeholder makes the whole value NULL."""

    template: Template

    @property
    def columns(self) -> tuple[PathColumn, ...]:
        return tuple((placeholder.path, placeholder.column) for placeholder in self.template.placeholders)


@dataclass(frozen=True)
class ConstantValue:
    """A literal of `set`, as a canonical AttributeValue, `{"N":"2"}`."""

    fragment: str


@dataclass(frozen=True)
class EmbedValue:
    """The attribute that holds the embed of this name."""

    embed: str


Value = ColumnValue | TemplateValue | ConstantValue | EmbedValue


@dataclass(frozen=True)
class Attribute:
    """One attribute of a row's map. `nulls` says what a NULL becomes; `set` attributes are always ABSENT."""

    name: str
    value: Value
    nulls: Nulls


@dataclass(frozen=True)
class OrderTerm:
    column: str
    type: SourceType
    descending: bool


@dataclass(frozen=True)
class EmbedPlan:
    """Rows of another table inside an enclosing row.

    `on`: pairs (column of the embedded table, column of the enclosing table); all must be equal, NULL matches
    nothing. `order_by` ends with the embedded table's primary key, so that the order is total. NULLs come last in
    either direction, text compares by UTF-8 bytes, numbers by value.
    `value`: what an element is, instead of a map of the row's attributes. In a SET a ColumnValue is given its
    scalar encoding (S, N or B), which decides SS, NS or BS.
    `hidden`: joined for templates, not emitted; always a MAP.
    """

    name: str
    shape: Shape
    row: RowPlan
    on: tuple[tuple[str, str], ...]
    order_by: tuple[OrderTerm, ...]
    limit: int | None
    hidden: bool
    value: ColumnValue | TemplateValue | None


@dataclass(frozen=True)
class RowPlan:
    """One row of one table: which columns are read, which rows count, what they become.

    `columns`: all that is needed of the table here (attributes, templates, joins, order, where, primary key), in
    the table's order. `attributes`: sorted by name (code points).
    """

    table: Table
    columns: tuple[str, ...]
    where: Predicate | None
    attributes: tuple[Attribute, ...]
    embeds: tuple[EmbedPlan, ...]

    def embed(self, name: str) -> EmbedPlan:
        return next(embed for embed in self.embeds if embed.name == name)

    def type_of(self, name: str) -> SourceType:
        """Of a column that is there."""
        column = self.table.column(name)
        assert column is not None, f"{self.table.ref} has no column {name}"
        return column.type


@dataclass(frozen=True)
class KeyAttribute:
    """One attribute of the primary key: the partition key first, then the sort key where there is one.

    A TemplateValue gives S. Key attributes are not among the root's `attributes`; they are part of the item.
    """

    name: str
    type: KeyType
    value: ColumnValue | TemplateValue


@dataclass(frozen=True)
class IndexKey:
    """An attribute that some index of the table uses as a key; `""` there leaves the attribute out."""

    attribute: str
    type: KeyType
    max_bytes: int  # 2,048 for a partition key, 1,024 for a sort key; the smaller where it is both


AttributeNames = tuple[str, ...]
"""The attribute names on the way from an item to a value; elements of a list have none of their own."""


@dataclass(frozen=True)
class Equivalences:
    """`compare` of an item type: which differences are accepted, by the names that lead there."""

    ignore: frozenset[AttributeNames] = frozenset()
    unordered: frozenset[AttributeNames] = frozenset()
    null_is_absent: frozenset[AttributeNames] = frozenset()
    tolerance: Mapping[AttributeNames, Decimal] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ignore or self.unordered or self.null_is_absent or self.tolerance)


NO_EQUIVALENCES = Equivalences()


@dataclass(frozen=True)
class ItemPlan:
    """One item type. `source_key` names the columns that tell the root's rows apart, in key order: those that the
    mapping names (`named_key`), else the primary key's.

    `sensitive`: attribute paths (`email`, `customer.phone`, `lines.price`), those of templates that use a
    sensitive column included. `key_sensitive`: the key, or the source key, shows one. `version`: the root's column that
    orders a row's states (`row_version`); None where a ledger does, or nothing.
    """

    name: str
    table: str
    key: tuple[KeyAttribute, ...]
    root: RowPlan
    index_keys: tuple[IndexKey, ...]
    sensitive: frozenset[str]
    key_sensitive: bool
    named_key: tuple[str, ...] = ()
    compare: Equivalences = NO_EQUIVALENCES
    version: str | None = None

    @property
    def source_key(self) -> tuple[str, ...]:
        return self.named_key or self.root.table.primary_key

    @property
    def source_key_unproved(self) -> bool:
        """Whether nothing keeps two rows from having one source key, or a NULL in it."""
        return bool(self.named_key) or self.root.table.inherited


@dataclass(frozen=True)
class MigrationPlan:
    """All item types of one mapping file, in the file's order."""

    name: str
    mapping_hash: str
    items: tuple[ItemPlan, ...]

    def item(self, name: str) -> ItemPlan:
        return next(item for item in self.items if item.name == name)

    def rows(self) -> Iterator[RowPlan]:
        """Every RowPlan of every item type, roots before their embeds."""
        for item in self.items:
            yield from walk(item.root)

    def columns_by_table(self) -> dict[Table, tuple[str, ...]]:
        """Per source table, the union of the columns that any item type reads, in the table's order."""
        used: dict[Table, set[str]] = {}
        for row in self.rows():
            used.setdefault(row.table, set()).update(row.columns)
        return {
            table: tuple(column.name for column in table.columns if column.name in names)
            for table, names in used.items()
        }


def walk(row: RowPlan) -> Iterator[RowPlan]:
    yield row
    for embed in row.embeds:
        yield from walk(embed.row)
