"""Pages of records of a stream's shards, from where each is applied up to.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipelines.errors import TargetError
from pipelines.reverse.shards import Position
from pipelines.reverse.stream_client import StreamsClient, code_of, stream_errors
from pipelines.target.failures import THROTTLED

MOST_RECORDS = 1000
_EXPIRED = "ExpiredIteratorException"
_TRIMMED = "TrimmedDataAccessException"
_GONE = "ResourceNotFoundException"
_KNOWN = frozenset({_EXPIRED, _TRIMMED, _GONE, *THROTTLED})
_EXPIRED_TRIES = 3


@dataclass(frozen=True)
class Page:
    """`ended`: the shard has no more records and will have none. `trimmed`: records were removed that have not been
    read; `gone`: the whole shard. `throttled`: to be asked for again later."""

    position: Position
    records: Sequence[Mapping[str, Any]] = ()
    ended: bool = False
    trimmed: bool = False
    gone: bool = False
    throttled: bool = False


class ShardReader:
    """Of one stream. Several threads may read, each another shard. A page that has been returned is not returned again:
    who cannot apply it makes a new reader."""

    def __init__(self, client: StreamsClient, table: str, arn: str) -> None:
        self._client = client
        self._table = table
        self._arn = arn
        self._next: dict[str, str] = {}  # iterators, by shard; each is good for a quarter of an hour

    def read(self, position: Position) -> Page:
        """The next records after the position, or after the last page. Raises TargetError, PassingError where
        DynamoDB is away."""
        try:
            return self._read(position)
        except ClientError as error:
            self._next.pop(position.shard, None)
            code = code_of(error)
            if code in THROTTLED:
                return Page(position, throttled=True)
            return Page(position, trimmed=code == _TRIMMED, gone=code == _GONE)

    def _read(self, position: Position) -> Page:
        for _ in range(_EXPIRED_TRIES):
            iterator = self._next.get(position.shard) or self._iterator(position)
            try:
                with stream_errors(self._client, "GetRecords", self._table, _KNOWN):
                    found = self._client.get_records(ShardIterator=iterator, Limit=MOST_RECORDS)
            except ClientError as error:
                if code_of(error) != _EXPIRED:
                    raise
                self._next.pop(position.shard, None)
                continue
            following = found.get("NextShardIterator")
            if following:
                self._next[position.shard] = following
            else:
                self._next.pop(position.shard, None)
            return Page(position, found.get("Records", ()), ended=not following)
        raise TargetError(f"the stream of table {self._table}: iterators expire as soon as they are made; try again")

    def _iterator(self, position: Position) -> str:
        asked = {"StreamArn": self._arn, "ShardId": position.shard, "ShardIteratorType": "TRIM_HORIZON"}
        if position.sequence is not None:
            asked |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": position.sequence}
        with stream_errors(self._client, "GetShardIterator", self._table, _KNOWN):
            return str(self._client.get_shard_iterator(**asked)["ShardIterator"])
