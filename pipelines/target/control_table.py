"""The control table of a migration: what operators decide and applications obey, and what applications have seen.

One table, `crossover-<migration>`, keys `pk` and `sk` (S), on demand. It is none of the mapping's tables, so that dumps
and diffs do not see it, and it works when the source is gone. A row is one JSON document (`document`, S) and, where it
is changed by condition, its `version` (N, from 1).

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipelines.errors import TargetError
from pipelines.mapping.model import TargetTable
from pipelines.target.client import dynamodb_client
from pipelines.target.describe import describe
from pipelines.target.failures import target_errors
from pipelines.target.table_creation import WAIT_SECONDS, create_table, wait_until_active

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef
    from pydantic import JsonValue

_SHAPE = TargetTable.model_validate(
    {"partition_key": {"name": "pk", "type": "S"}, "sort_key": {"name": "sk", "type": "S"}}
)
_READ_AT_ONCE = 100  # BatchGetItem's limit
_ATTEMPTS = 5


def control_table_name(migration: str) -> str:
    return f"crossover-{migration}"


class NoControlTableError(TargetError):
    """The migration has none yet, or it was deleted."""


@dataclass(frozen=True)
class Key:
    pk: str
    sk: str


@dataclass(frozen=True)
class Row:
    """`version`: 0 where the row is not changed by condition. `expires`: seconds since 1970, from when on DynamoDB may
    delete it, 0 for never."""

    key: Key
    document: Mapping[str, JsonValue]
    version: int = 0
    expires: int = 0


@dataclass(frozen=True)
class ControlTable:
    client: DynamoDBClient
    name: str

    @classmethod
    def of(cls, migration: str, client: DynamoDBClient | None = None) -> ControlTable:
        """Of the migration of that name. Calls nobody. Raises UsageError where AWS's settings cannot be used."""
        return cls(client or dynamodb_client(), control_table_name(migration))

    def create(self, wait_seconds: float = WAIT_SECONDS) -> None:
        """Until it can be used; without effect where it is there. Raises TargetError."""
        if (describe(self.client, self.name) or {}).get("TableStatus") == "ACTIVE":
            return
        create_table(self.client, self.name, _SHAPE)
        wait_until_active(self.client, [self.name], wait_seconds)

    def let_rows_expire(self) -> None:
        """DynamoDB deletes rows some time after `expires`. Raises TargetError.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
        """
        with target_errors(self.client, "DescribeTimeToLive", self.name):
            found = self.client.describe_time_to_live(TableName=self.name)["TimeToLiveDescription"]
        if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
            return
        with target_errors(self.client, "UpdateTimeToLive", self.name):
            self.client.update_time_to_live(
                TableName=self.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
            )

    def get(self, key: Key) -> Row | None:
        """Strongly consistent. Raises NoControlTableError, TargetError."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
        """Those of them that are there, strongly consistent. Raises NoControlTableError, TargetError."""
        found: dict[Key, Row] = {}
        for start in range(0, len(keys), _READ_AT_ONCE):
            wanted = [_key(one) for one in keys[start : start + _READ_AT_ONCE]]
            for _ in range(_ATTEMPTS):
                with target_errors(self.client, "BatchGetItem", self.name):
                    try:
                        answer = self.client.batch_get_item(
                            RequestItems={self.name: {"Keys": wanted, "ConsistentRead": True}}
                        )
                    except self.client.exceptions.ResourceNotFoundException:
                        raise self._missing() from None
                for item in answer["Responses"].get(self.name, []):
                    row = self._row(item)
                    found[row.key] = row
                left = answer.get("UnprocessedKeys", {}).get(self.name)
                if left is None:
                    break
                wanted = list(left["Keys"])
            else:
                raise TargetError(f"table {self.name}: BatchGetItem was throttled for too long; wait, then go on")
        return found

    def query(self, pk: str, first: str, last: str) -> Iterator[Row]:
        """The rows of `pk` whose `sk` is from `first` to `last`, both of them too, in their order, strongly consistent.
        Raises NoControlTableError, TargetError."""
        start: Mapping[str, AttributeValueTypeDef] | None = None
        while True:
            more = {} if start is None else {"ExclusiveStartKey": start}
            with target_errors(self.client, "Query", self.name):
                try:
                    page = self.client.query(
                        TableName=self.name,
                        KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                        ExpressionAttributeValues={":pk": {"S": pk}, ":first": {"S": first}, ":last": {"S": last}},
                        ConsistentRead=True,
                        **more,  # type: ignore[arg-type]
                    )
                except self.client.exceptions.ResourceNotFoundException:
                    raise self._missing() from None
            yield from (self._row(item) for item in page["Items"])
            start = page.get("LastEvaluatedKey")
            if not start:
                return

    def put(self, row: Row) -> None:
        """Whatever was there. Raises NoControlTableError, TargetError."""
        with target_errors(self.client, "PutItem", self.name):
            try:
                self.client.put_item(TableName=self.name, Item=_item(row))
            except self.client.exceptions.ResourceNotFoundException:
                raise self._missing() from None

    def put_next(self, row: Row, *also: Row) -> bool:
        """`row` in place of its version before, or of none where `row.version` is 1, and `also`, whatever was there:
        all of them, or none where somebody else was quicker. A repeat after a lost answer counts once.

        Raises NoControlTableError, TargetError.
        """
        put: TransactWriteItemTypeDef = {"Put": {"TableName": self.name, "Item": _item(row)}}
        if row.version == 1:
            put["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["Put"]["ConditionExpression"] = "version = :was"
            put["Put"]["ExpressionAttributeValues"] = {":was": {"N": str(row.version - 1)}}
        others: list[TransactWriteItemTypeDef] = [{"Put": {"TableName": self.name, "Item": _item(one)}} for one in also]
        with target_errors(self.client, "TransactWriteItems", self.name):
            try:
                self.client.transact_write_items(TransactItems=[put, *others])
            except self.client.exceptions.ResourceNotFoundException:
                raise self._missing() from None
            except ClientError as error:
                if _was_overtaken(error):
                    return False
                raise
        return True

    def _missing(self) -> NoControlTableError:
        return NoControlTableError(
            f"table {self.name}: no such table; a change by `crossover route` or `crossover writes` makes it"
        )

    def _row(self, item: Mapping[str, AttributeValueTypeDef]) -> Row:
        try:
            document = json.loads(item["document"]["S"])
            key = Key(item["pk"]["S"], item["sk"]["S"])
            version, expires = (int(item.get(name, {}).get("N", "0")) for name in ("version", "expires"))
        except (KeyError, ValueError):
            document = None
        if not isinstance(document, dict):
            raise TargetError(f"table {self.name}: a row is no row of Crossover's; look at who writes to it")
        return Row(key, document, version, expires)


def _key(key: Key) -> dict[str, AttributeValueTypeDef]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _item(row: Row) -> dict[str, AttributeValueTypeDef]:
    item = _key(row.key)
    item["document"] = {"S": json.dumps(dict(row.document), ensure_ascii=False)}
    if row.version:
        item["version"] = {"N": str(row.version)}
    if row.expires:
        item["expires"] = {"N": str(row.expires)}
    return item


def _was_overtaken(error: ClientError) -> bool:
    reasons = error.response.get("CancellationReasons", [])
    return any(one.get("Code") in ("ConditionalCheckFailed", "TransactionConflict") for one in reasons)
