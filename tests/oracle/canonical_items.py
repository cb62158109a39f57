"""An item as the one text that everybody must write it as, and its size: from boto3's own serialisation."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from tests.oracle.plain_values import digits, number

_SERIALIZER = TypeSerializer()


def canonical(item: Mapping[str, Any]) -> str:
    """Attributes by name, no white space, plain numbers, sorted sets. (To boto3 a trailing zero is a digit.)"""
    return _object({name: _value(value) for name, value in item.items()})


def size_of(item: Mapping[str, Any]) -> int:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _value(value: Any) -> str:
    match value:
        case dict():
            return f'{{"M":{canonical(value)}}}'
        case list():
            return f'{{"L":[{",".join(map(_value, value))}]}}'
        case Decimal():
            value = number(value)
        case set():
            value = {number(member) if isinstance(member, Decimal) else member for member in value}
    serialized: dict[str, Any] = dict(_SERIALIZER.serialize(value))
    ((kind, content),) = serialized.items()
    match kind:
        case "N":
            return f'{{"N":"{digits(Decimal(content))}"}}'
        case "B":
            return f'{{"B":"{_base64(content)}"}}'
        case "BS":
            return _set(kind, map(_base64, content))
        case "NS":
            return _set(kind, (digits(Decimal(member)) for member in content))
        case "SS":
            return _set(kind, content)
    return f'{{"{kind}":{_string(content) if isinstance(content, str) else json.dumps(content)}}}'


def _set(kind: str, members: Any) -> str:
    return f'{{"{kind}":[{",".join(map(_string, sorted(members)))}]}}'


def _object(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{_string(name)}:{members[name]}" for name in sorted(members)) + "}"


def _string(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return re.sub(r"\\\\|\\u[0-9a-f]{4}", lambda found: found[0][:2] + found[0][2:].upper(), written)


def _base64(content: Any) -> str:
    return base64.b64encode(bytes(content)).decode()


def _size(value: Any) -> int:
    match value:
        case dict():
            return 3 + sum(1 + len(name.encode()) + _size(member) for name, member in value.items())
        case list():
            return 3 + sum(1 + _size(member) for member in value)
        case set():
            return sum(map(_size, value))
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case Decimal():
            significant = digits(value).replace("-", "").replace(".", "").strip("0")
            return 1 + math.ceil(len(significant) / 2) + (value < 0)
    return 1
