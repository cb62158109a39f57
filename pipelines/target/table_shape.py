"""What of a DynamoDB table must be as the mapping says: its keys and its indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.mapping.model import Include, IndexSpec, KeySpec, Projection, TargetTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.literals import ScalarAttributeTypeType
    from mypy_boto3_dynamodb.type_defs import (
        AttributeDefinitionTypeDef,
        KeySchemaElementTypeDef,
        ProjectionOutputTypeDef,
        TableDescriptionTypeDef,
    )


@dataclass(frozen=True)
class Key:
    name: str
    type: str  # S, N, B

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"


@dataclass(frozen=True)
class IndexShape:
    """`projected`: the attributes beside the keys; None for all of them."""

    keys: tuple[Key, ...]
    projected: frozenset[str] | None

    def __str__(self) -> str:
        if self.projected is None:
            return f"{_text(self.keys)}, all attributes"
        names = ", ".join(sorted(self.projected)) or "keys only"
        return f"{_text(self.keys)}, {names}"


@dataclass(frozen=True)
class TableShape:
    keys: tuple[Key, ...]
    indexes: Mapping[str, IndexShape]

    @classmethod
    def wanted(cls, table: TargetTable) -> TableShape:
        """As the mapping says."""
        return cls(
            _keys(table.partition_key, table.sort_key),
            {name: _index(index) for name, index in table.indexes.items()},
        )

    @classmethod
    def existing(cls, table: TableDescriptionTypeDef) -> TableShape:
        """As DescribeTable says."""
        types = {one["AttributeName"]: one["AttributeType"] for one in table.get("AttributeDefinitions", [])}
        return cls(
            _read_keys(table.get("KeySchema", []), types),
            {
                index.get("IndexName", ""): IndexShape(
                    _read_keys(index.get("KeySchema", []), types), _read_projection(index.get("Projection", {}))
                )
                for index in table.get("GlobalSecondaryIndexes", [])
            },
        )

    def differences(self, existing: TableShape) -> Iterator[str]:
        """How an existing table is not as this one, each with both sides; indexes that it has besides do no harm."""
        if existing.keys != self.keys:
            yield f"its key is {_text(existing.keys)}, the mapping says {_text(self.keys)}"
        for name, index in self.indexes.items():
            found = existing.indexes.get(name)
            if found is None:
                yield f"it has no index {name}, the mapping says {index}"
            elif found != index:
                yield f"its index {name} is {found}, the mapping says {index}"

    def attribute_definitions(self) -> list[AttributeDefinitionTypeDef]:
        """For CreateTable: every attribute that is a key of something, once."""
        keys = {key.name: key for keys in self._all_keys() for key in keys}
        return [{"AttributeName": key.name, "AttributeType": _scalar(key.type)} for key in keys.values()]

    def _all_keys(self) -> Iterable[tuple[Key, ...]]:
        return (self.keys, *(index.keys for index in self.indexes.values()))


def key_schema(keys: tuple[Key, ...]) -> list[KeySchemaElementTypeDef]:
    """For CreateTable: the partition key first."""
    schema: list[KeySchemaElementTypeDef] = [{"AttributeName": keys[0].name, "KeyType": "HASH"}]
    schema.extend({"AttributeName": key.name, "KeyType": "RANGE"} for key in keys[1:])
    return schema


def _keys(partition_key: KeySpec, sort_key: KeySpec | None) -> tuple[Key, ...]:
    specs = (partition_key,) if sort_key is None else (partition_key, sort_key)
    return tuple(Key(spec.name, str(spec.type)) for spec in specs)


def _index(index: IndexSpec) -> IndexShape:
    return IndexShape(_keys(index.partition_key, index.sort_key), _projected(index.projection))


def _projected(projection: Projection) -> frozenset[str] | None:
    if isinstance(projection, Include):
        return frozenset(projection.include)
    return None if projection == "all" else frozenset()


def _read_keys(schema: Sequence[KeySchemaElementTypeDef], types: Mapping[str, str]) -> tuple[Key, ...]:
    partition_first = sorted(schema, key=lambda element: element["KeyType"] != "HASH")
    return tuple(Key(one["AttributeName"], types.get(one["AttributeName"], "?")) for one in partition_first)


def _read_projection(projection: ProjectionOutputTypeDef) -> frozenset[str] | None:
    kind = projection.get("ProjectionType", "ALL")
    return None if kind == "ALL" else frozenset(projection.get("NonKeyAttributes", []))


def _scalar(name: str) -> ScalarAttributeTypeType:
    match name:
        case "N" | "B" | "S":
            return name
        case _:
            raise ValueError(f"DynamoDB cannot key on {name}")


def _text(keys: tuple[Key, ...]) -> str:
    return " + ".join(map(str, keys))
