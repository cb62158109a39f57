"""A reader of DynamoDB who knows a design and nothing of Crossover: fills the templates of a Read, sends its requests
with boto3, and gives what came as plain Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipelines.assess.design import Operation, Read

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
Values = Mapping[str, Any]

PAGE = 60
"""Items of a page: so few that a longer answer takes several."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}:]+)(?::([^{}]+))?\}")
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class Bounds:
    """Of a range: `low` and `high` are values of its column, None where it is open. `starts`: LIKE 'starts%'."""

    low: Any = None
    high: Any = None
    with_low: bool = True
    with_high: bool = False
    starts: str | None = None


def text_of(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | str() | UUID():
            return str(value)
        case Decimal():
            return format(value.normalize(), "f")
        case datetime():
            at, zone = (value.astimezone(UTC), "Z") if value.tzinfo is not None else (value, "")
            return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + zone
        case date():
            return value.isoformat()
    raise AssertionError(type(value))


def filled(template: str, known: Values, shard: Mapping[str, int] = {}) -> str:
    """`known`: by column, or `lower(column)`. `shard`: remainders of columns that are not known."""
    text, at = "", 0
    for match in _TOKEN.finditer(template):
        text += template[at : match.start()]
        at = match.end()
        if match[0] in ("{{", "}}"):
            text += match[0][0]
        else:
            text += _placed(match[1], match[2] or "", template[at : at + 1], known, shard)
    return text + template[at:]


def _placed(name: str, form: str, following: str, known: Values, shard: Mapping[str, int]) -> str:
    if form.startswith("mod"):
        return str(int(known[name]) % int(form[3:]) if name in known else shard[name])
    if form in ("lower", "upper"):
        made = known.get(f"{form}({name})")
        return text_of(made) if made is not None else getattr(text_of(known[name]), form)()
    if form == "esc":
        return text_of(known[name]).replace("%", "%25").replace(following, f"%{ord(following):02X}")
    if form:
        return text_of(known[name]).rjust(int(form), "0")
    return text_of(known[name])


def shards_of(template: str, known: Values) -> list[dict[str, int]]:
    """Every choice of what is not known."""
    unknown = [
        (m[1], int(m[2][3:])) for m in _TOKEN.finditer(template) if m[1] and m[1] not in known and m[2][:3] == "mod"
    ]
    return [
        dict(zip((name for name, _ in unknown), one, strict=True)) for one in product(*(range(n) for _, n in unknown))
    ]


@dataclass
class Reader:
    """`requests`: how many were sent."""

    client: DynamoDBClient
    requests: int = 0

    def read(self, read: Read, known: Sequence[Values], bounds: Bounds | None) -> list[Item]:
        """`known`: of each key that is asked for the values; more than one only where the read is a batch."""
        assert len(known) == 1 or read.batch
        match read.operation:
            case Operation.QUERY:
                return self._queries(read, known, bounds)
            case Operation.GET:
                return [item for one in known for item in self._batch(read, [self._key(read, one)])]
            case Operation.BATCH_GET:
                keys = [self._key(read, one) for one in known]
                distinct = [key for number, key in enumerate(keys) if key not in keys[:number]]
                return [
                    item for at in range(0, len(distinct), 100) for item in self._batch(read, distinct[at : at + 100])
                ]
        raise AssertionError(read.operation)

    def _key(self, read: Read, known: Values) -> dict[str, Any]:
        assert read.index is None
        key = {read.partition_key: {"S": filled(read.partition, known)}}
        if read.sort_key is not None:
            assert read.sort is not None
            key[read.sort_key] = {"S": filled(read.sort, known)}
        return key

    def _batch(self, read: Read, keys: list[dict[str, Any]]) -> list[Item]:
        self.requests += 1
        if read.operation is Operation.GET:
            (key,) = keys
            item = self.client.get_item(TableName=read.table, Key=key).get("Item")
            return [plain(item)] if item is not None else []
        answer = self.client.batch_get_item(RequestItems={read.table: {"Keys": keys}})
        assert not answer["UnprocessedKeys"]
        return [plain(item) for item in answer["Responses"][read.table]]

    def _queries(self, read: Read, known: Sequence[Values], bounds: Bounds | None) -> list[Item]:
        partitions: list[tuple[str, Values]] = []
        for one in known:
            choices = shards_of(read.partition, one)
            assert len(choices) == read.shards
            partitions += [(filled(read.partition, one, choice), one) for choice in choices]
        found = [list(self._query(read, partition, one, bounds)) for partition, one in dict(partitions).items()]
        merged = [item for items in found for item in items]
        return sorted(merged, key=lambda item: item[read.sort_key or ""]) if read.shards > 1 else merged

    def _query(self, read: Read, partition: str, known: Values, bounds: Bounds | None) -> Iterator[Item]:
        condition, values = "#p = :p", {":p": {"S": partition}}
        names = {"#p": read.partition_key}
        more, bound = self._sort_condition(read, known, bounds)
        if more:
            condition, values, names = f"{condition} AND {more}", values | bound, names | {"#s": read.sort_key or ""}
        start: dict[str, Any] = {}
        while True:
            self.requests += 1
            more_arguments: dict[str, Any] = {"IndexName": read.index} if read.index is not None else {}
            if start:
                more_arguments["ExclusiveStartKey"] = start
            answer = self.client.query(
                TableName=read.table,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                Limit=PAGE,
                **more_arguments,
            )
            yield from (plain(item) for item in answer["Items"])
            start = answer.get("LastEvaluatedKey") or {}
            if not start:
                return

    def _sort_condition(self, read: Read, known: Values, bounds: Bounds | None) -> tuple[str, dict[str, Any]]:
        prefix = filled(read.sort_prefix, known)
        if read.range_on is None:
            return ("begins_with(#s, :s)", {":s": {"S": prefix}}) if prefix else ("", {})
        assert bounds is not None, f"a range of {read.range_on} and no bounds"
        if bounds.starts is not None:
            return "begins_with(#s, :s)", {":s": {"S": prefix + bounds.starts}}
        column = f"{{{read.range_on}}}"
        if read.sort == column and _is_number(bounds):
            return _compared(bounds, "N", lambda value: text_of(value))
        assert (read.sort or "").removeprefix(read.sort_prefix) == column, (
            f"nothing may follow the range in {read.sort}"
        )
        if prefix:  # both ends: what else begins otherwise is of another kind
            ends = Bounds(bounds.low, bounds.high, bounds.with_low, bounds.with_high)
            low = prefix + ("" if ends.low is None else text_of(ends.low))
            high = prefix + (_LAST if ends.high is None else text_of(ends.high))
            assert ends.low is None or ends.with_low
            assert ends.high is None or ends.with_high
            return "#s BETWEEN :a AND :b", {":a": {"S": low}, ":b": {"S": high}}
        return _compared(bounds, "S", text_of)


def _is_number(bounds: Bounds) -> bool:
    return isinstance(bounds.low if bounds.low is not None else bounds.high, int | Decimal)


def _compared(bounds: Bounds, type: str, write: Any) -> tuple[str, dict[str, Any]]:
    """One end, or both: BETWEEN takes both ends in, so an end that is out moves by the least that there is."""
    low = {type: write(bounds.low)} if bounds.low is not None else None
    high = {type: write(bounds.high)} if bounds.high is not None else None
    if high is None:
        assert low is not None
        return f"#s {'>=' if bounds.with_low else '>'} :a", {":a": low}
    if low is None:
        return f"#s {'<=' if bounds.with_high else '<'} :b", {":b": high}
    assert bounds.with_low
    if not bounds.with_high:
        assert type == "S"
        high = {"S": _before(high["S"])}
    return "#s BETWEEN :a AND :b", {":a": low, ":b": high}


def _before(text: str) -> str:
    """Of times in the fixed form, the last that is earlier: nothing of that form lies between."""
    return text[:-1] + chr(ord(text[-1]) - 1) + _LAST


def plain(item: Mapping[str, Any]) -> Item:
    return {name: _value(value) for name, value in item.items()}


def _value(value: Mapping[str, Any]) -> Any:
    """boto3's own deserializer refuses numbers of 39 digits of which the last are zeros."""
    ((type, inner),) = value.items()
    match type:
        case "N":
            return Decimal(inner)
        case "L":
            return [_value(one) for one in inner]
        case "M":
            return plain(inner)
        case "NULL":
            return None
    return inner
