"""The mapping file's grammar as frozen models; docs/mapping.md is its reference.

`pipelines.mapping.load` makes a Mapping of a file and says what is wrong by line; nothing here touches the source's
schema, that is `pipelines.mapping.compile`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from pipelines.items.number import plain_number
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.checks_model import Checks, Retention
from pipelines.mapping.origin import Origin
from pipelines.mapping.plan import Nulls, Shape
from pipelines.mapping.target_model import (
    Billing,
    Include,
    IndexSpec,
    KeySpec,
    MigrationName,
    Model,
    Name,
    Names,
    PlainName,
    Positive,
    Projection,
    Provisioned,
    Target,
    TargetTable,
)

__all__ = [
    "Billing",
    "Body",
    "Compare",
    "Constant",
    "Embed",
    "Include",
    "IndexSpec",
    "Item",
    "KeySpec",
    "Mapping",
    "Projection",
    "Provisioned",
    "Source",
    "SourceTable",
    "Target",
    "TargetTable",
    "bodies",
]


def _constant(value: object) -> object:
    if isinstance(value, str | bool | int | Decimal):
        return value
    raise PydanticCustomError("constant", "a template, a number, true or false is wanted")


def _null_word(value: object) -> object:
    """`nulls: null` is YAML's null unless it is quoted; both mean the word."""
    return Nulls.NULL if value is None else value


def _table(value: object) -> object:
    return {"table": value} if isinstance(value, str) else value


def _tolerance(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value <= 0:
        raise PydanticCustomError("tolerance", "a number above 0 is wanted: by how much two values may differ")
    return value


Constant = Annotated[
    StrictStr | StrictBool | StrictInt | Decimal,
    BeforeValidator(_constant),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Tolerance = Annotated[
    StrictInt | Decimal,
    BeforeValidator(_tolerance),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
TypeName = Literal["S", "N", "B", "BOOL", "SS", "NS", "BS", "json", "text", "epoch_seconds", "epoch_millis", "date"]


class Source(Model):
    """Where the rows come from."""

    schema_: Name = Field(default="public", alias="schema", description="The schema of tables named without one.")
    url_env: Name = Field(
        default="CROSSOVER_SOURCE_URL", description="The environment variable that holds the database URL."
    )


class SourceTable(Model):
    """A table of the source; without a schema, that of `source.schema`."""

    schema_: Name | None = Field(default=None, alias="schema", description="The table's schema, where it is another.")
    table: Name = Field(description="The table's exact name.")

    def ref(self, default_schema: str) -> TableRef:
        return TableRef(schema_name=self.schema_ or default_schema, table=self.table)


class Compare(Model):
    """Which differences a verification accepts. Attributes by their path, `lines.price`, without list indexes."""

    ignore: Names = Field(default=(), description="Attributes, or embed.attribute, that are not compared.")
    unordered: Names = Field(default=(), description="Lists, or embed.list, that are compared without their order.")
    null_is_absent: Names = Field(
        default=(), description="Attributes, or embed.attribute, of which NULL on one side equals absent on the other."
    )
    tolerance: dict[Name, Tolerance] = Field(
        default={}, description="Attribute, or embed.attribute: by how much its numbers may differ."
    )


class Body(Model):
    """What an item and an embed have in common: which rows of a table, and what they become."""

    from_: Annotated[SourceTable, BeforeValidator(_table, json_schema_input_type=Name | SourceTable)] = Field(
        alias="from", description="The source table: its name, or {schema: .., table: ..}."
    )
    where: Name | None = Field(default=None, description="Only rows for which this condition is true.")
    include: Names | None = Field(default=None, description="The columns that are emitted; all others are not.")
    exclude: Names = Field(default=(), description="Columns that are not emitted.")
    rename: dict[Name, Name] = Field(default={}, description="Column: the attribute's name.")
    set_: dict[Name, Constant] = Field(
        default={}, alias="set", description="Attribute: a template, a number, true or false."
    )
    types: dict[Name, TypeName] = Field(default={}, description="Column, or embed.column: how its values are encoded.")
    nulls: Annotated[Nulls | None, BeforeValidator(_null_word)] = Field(
        default=None, description="What a NULL column becomes: absent (the default) or null. Embeds inherit it."
    )
    sensitive: Names = Field(default=(), description="Attributes, or embed.attribute, that are never shown in clear.")
    embed: dict[PlainName, Embed] = Field(default={}, description="Rows of other tables inside this one, by attribute.")


class Embed(Body):
    """Rows of another table inside the enclosing row."""

    on: dict[Name, Name] = Field(
        min_length=1, description="Column of the embedded table: column of the enclosing one. All must be equal."
    )
    as_: Shape = Field(alias="as", description="list, map (one row at most) or set.")
    order_by: Names = Field(default=(), description="Columns that order a list; -column for descending.")
    limit: Positive | None = Field(default=None, description="At most so many elements, the first in order.")
    hidden: StrictBool = Field(default=False, description="Joined for templates only, not emitted; maps only.")
    value: Name | None = Field(
        default=None, description="A template: what an element is, instead of a map of the row's columns."
    )


class Item(Body):
    """One item type: one item for each row of the root table."""

    table: Name = Field(description="The DynamoDB table, one of target.tables.")
    key: dict[Name, Name] = Field(min_length=1, description="Key attribute: its template.")
    source_key: Names = Field(
        default=(), description="Columns that tell the root's rows apart, where it has no primary key: of a view."
    )
    version: Name | None = Field(
        default=None,
        description="A column of the root that orders a row's states, instead of the ledger: a counter or a time.",
    )
    compare: Compare = Field(default=Compare(), description="Differences that a verification accepts.")


class Mapping(Model):
    """One migration from PostgreSQL to DynamoDB."""

    migration: MigrationName = Field(description="The migration's name; a folder of the warehouse.")
    source: Source = Field(default=Source(), description="Where the rows come from.")
    target: Target = Field(description="Where the items go.")
    items: dict[PlainName, Item] = Field(min_length=1, description="The item types by name.")
    checks: Checks = Field(default=Checks(), description="When verification runs, and what it lets pass.")
    retention: Retention | None = Field(default=None, description="How many runs are kept.")

    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def origin(self) -> Origin:
        """The file's name and lines, for messages; empty where the mapping was made in Python."""
        return self._origin

    def located(self, origin: Origin) -> Mapping:
        self._origin = origin
        return self

    @property
    def versioned(self) -> frozenset[str]:
        """The item types whose versions are those of a column."""
        return frozenset(name for name, item in self.items.items() if item.version is not None)

    def meaning_hash(self) -> str:
        """SHA-256, in hex, of all that decides the items: equal for two files that mean the same.

        Layout, comments, the order of keys and written defaults do not count; nor do `compare`, `checks` and
        `retention`, which say how and when to compare, not what.
        """
        meaning = {
            "migration": self.migration,
            "source": self.source.model_dump(mode="json"),
            "tables": {name: table.model_dump(mode="json") for name, table in self.target.tables.items()},
            "items": {name: _meaning(item, self.source.schema_, Nulls.ABSENT) for name, item in self.items.items()},
        }
        text = json.dumps(meaning, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _meaning(body: Item | Embed, schema: str, inherited: Nulls) -> dict[str, Any]:
    nulls = body.nulls or inherited
    own: dict[str, Any] = {"compare": None} if isinstance(body, Item) else {}  # as in every hash since the first
    if isinstance(body, Item) and body.source_key:
        own["source_key"] = body.source_key
    return (
        body.model_dump(mode="json", exclude={"embed", "from_", "set_", "source_key", "compare"})
        | own
        | {
            "from": str(body.from_.ref(schema)),
            "include": None if body.include is None else sorted(body.include),
            "exclude": sorted(body.exclude),
            "sensitive": sorted(body.sensitive),
            "set": {name: _constant_meaning(value) for name, value in body.set_.items()},
            "nulls": nulls,
            "embed": {name: _meaning(embed, schema, nulls) for name, embed in body.embed.items()},
        }
    )


def _constant_meaning(value: str | bool | int | Decimal) -> list[str]:
    if isinstance(value, str | bool):
        return [type(value).__name__, str(value)]
    return ["number", plain_number(str(value))]


def bodies(mapping: Mapping) -> Iterator[Item | Embed]:
    """Every item and every embed, in the file's order, an item before its embeds."""

    def walk(body: Item | Embed) -> Iterator[Item | Embed]:
        yield body
        for embed in body.embed.values():
            yield from walk(embed)

    for item in mapping.items.values():
        yield from walk(item)
