"""The part of the mapping's grammar that says what DynamoDB's tables are like, and the names that all parts use."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StrictInt, StrictStr, Tag
from pydantic_core import PydanticCustomError

from pipelines.mapping.plan import KeyType

MIGRATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}", re.ASCII)  # DynamoDB's rule, of indexes too
PLAIN_NAME = re.compile(r"[^\s.:{}\[\]]+")


def _named(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if not pattern.fullmatch(name):
            raise PydanticCustomError("name", "not a name here: {what}", {"what": what})
        return name

    return AfterValidator(check)


MigrationName = Annotated[
    StrictStr, _named(MIGRATION_NAME, "letters, digits, `-` and `_`, 63 at most, a letter or digit first")
]
DynamoName = Annotated[StrictStr, _named(TABLE_NAME, "letters, digits, `_`, `-` and `.`, 3 to 255")]
PlainName = Annotated[
    StrictStr, _named(PLAIN_NAME, "no white space, no `.`, `:`, braces or brackets; at least one character")
]
Name = Annotated[StrictStr, Field(min_length=1)]
Names = tuple[Name, ...]
Count = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeySpec(Model):
    name: Name = Field(description="The attribute's name.")
    type: KeyType = Field(description="S, N or B: what DynamoDB can key on.")


class Provisioned(Model):
    """Capacity units a second that are paid for."""

    read: Positive = Field(description="Read capacity units a second.")
    write: Positive = Field(description="Write capacity units a second.")


class Include(Model):
    include: Annotated[Names, Field(min_length=1)] = Field(
        description="Attributes that the index carries beside the keys."
    )


def _shape_of(value: object) -> str:
    return "map" if isinstance(value, dict | BaseModel) else "word"


Billing = Annotated[
    Annotated[Literal["on_demand"], Tag("word")] | Annotated[Provisioned, Tag("map")],
    Discriminator(_shape_of),
]
Projection = Annotated[
    Annotated[Literal["all", "keys_only"], Tag("word")] | Annotated[Include, Tag("map")],
    Discriminator(_shape_of),
]


class IndexSpec(Model):
    """A global secondary index."""

    partition_key: KeySpec = Field(description="The index's partition key.")
    sort_key: KeySpec | None = Field(default=None, description="The index's sort key, if it has one.")
    projection: Projection = Field(default="all", description="all, keys_only, or {include: [attribute, ..]}.")


class TargetTable(Model):
    """One DynamoDB table."""

    partition_key: KeySpec = Field(description="The table's partition key.")
    sort_key: KeySpec | None = Field(default=None, description="The table's sort key, if it has one.")
    billing: Billing = Field(default="on_demand", description="on_demand, or {read: 100, write: 50} capacity units.")
    indexes: dict[DynamoName, IndexSpec] = Field(default={}, description="Global secondary indexes by name.")
    ttl: Name | None = Field(default=None, description="The attribute with the time to live, in epoch seconds.")

    @property
    def keys(self) -> tuple[KeySpec, ...]:
        """The partition key, then the sort key where there is one."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)


class Target(Model):
    tables: dict[DynamoName, TargetTable] = Field(min_length=1, description="The DynamoDB tables by name.")
