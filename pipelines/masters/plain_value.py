"""A Python value as DynamoDB has it: the types that `pipelines.reading.Items` gives, and what means the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from decimal import Decimal

from boto3.dynamodb.types import Binary

from pipelines.items.canonical import (
    NULL,
    binary,
    binary_set,
    boolean,
    list_of,
    map_of,
    number,
    number_set,
    string,
    string_set,
)

_BYTES = (bytes, bytearray, memoryview, Binary)


class MisfitError(ValueError):
    """`path`: where in the item, `lines[2].price`; `why`: without the value."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


def plain_fragment(value: object, path: str) -> str:
    """Canonical. Raises MisfitError; Unrepresentable."""
    match value:
        case None:
            return NULL
        case bool():
            return boolean(value)
        case int() | float() | Decimal():
            return number(str(value))
        case str():
            return string(value)
        case Mapping():
            return map_of({_name(name, path): plain_fragment(one, f"{path}.{name}") for name, one in value.items()})
        case Set():
            return _set(value, path)
    if isinstance(value, _BYTES):
        return binary(as_bytes(value))
    if isinstance(value, Sequence):
        return list_of([plain_fragment(one, f"{path}[{n}]") for n, one in enumerate(value)])
    raise MisfitError(path, f"{type(value).__name__} is no value of an item here")


def as_bytes(value: object) -> bytes:
    """Of one of the types that stand for bytes."""
    return bytes(value)  # type: ignore[call-overload,no-any-return]


def is_bytes(value: object) -> bool:
    return isinstance(value, _BYTES)


def _name(name: object, path: str) -> str:
    if not isinstance(name, str):
        raise MisfitError(path, "a map's names are texts")
    return name


def _set(members: Set[object], path: str) -> str:
    if not members:
        raise MisfitError(path, "DynamoDB has no empty set; leave it out")
    if all(isinstance(one, str) for one in members):
        return string_set([str(one) for one in members])
    if all(isinstance(one, int | float | Decimal) and not isinstance(one, bool) for one in members):
        return number_set([str(one) for one in members])
    if all(is_bytes(one) for one in members):
        return binary_set([as_bytes(one) for one in members])
    raise MisfitError(path, "a set's members are all texts, all numbers or all bytes")
