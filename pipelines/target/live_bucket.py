"""One piece of a live backfill: each record of a bucket is put where nothing newer is (rule 7).

What is refused is kept for the stage, which alone can ask the source's ledger what it means.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.aws import origin
from pipelines.errors import TargetError
from pipelines.target.backfill_run import BackfillFolder, BucketAccount, RefusedPut
from pipelines.target.batch_write import Failure
from pipelines.target.client import Address
from pipelines.target.cold_bucket import COLUMNS, Report, owners, selected
from pipelines.target.conditional_write import PUT, Answered, ConditionalWriter, Sent, Write
from pipelines.target.failures import refusal
from pipelines.target.judge import met
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Wire
from pipelines.warehouse.dataset import read_bucket
from pipelines.warehouse.place import Place

WRITERS = 16
_ROWS_AT_ONCE = 1_000
_GIVE_UP_AFTER = 8  # items in a row that used up all their attempts


@dataclass(frozen=True)
class LiveBucket:
    """A task; picklable. `item_types`: only these, or all where empty. `partition_keys`: each table's attribute.
    `bear_source`: item types whose items bear the source key."""

    address: Address
    records_folder: Place
    run_folder: Place
    bucket: int
    partition_keys: Mapping[str, str]
    item_types: tuple[str, ...] = ()
    bear_source: frozenset[str] = frozenset()
    policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class _Row:
    item_type: str
    source_key: str | None
    write: Write


def put_bucket(task: LiveBucket) -> BucketAccount:
    """Raises TargetError; the bucket is then not done, and is written again by the next attempt: what it had put by
    then is met again, with the same version and content."""
    folder = BackfillFolder(task.run_folder)
    records = selected(read_bucket(task.records_folder, task.bucket, COLUMNS), task.item_types)
    outcome = _Outcome()
    report = Report(folder, task.bucket)
    with Wire(task.address, WRITERS) as wire, ThreadPoolExecutor(WRITERS, thread_name_prefix="put") as pool:
        sender = _Sender(wire, task.policy)
        for rows in _chunks(records, task):
            for row, answered in zip(rows, pool.map(sender.send, [row.write for row in rows]), strict=True):
                outcome.add(row, answered)
            report.add(len(rows))
    account = BucketAccount(
        bucket=task.bucket,
        records=records.num_rows,
        written=outcome.counts[Sent.WRITTEN],
        failed=len(outcome.failures),
        refused=len(outcome.refusals),
    )
    folder.finish_bucket(account, outcome.failures, outcome.refusals)
    return account


def _chunks(records: pa.Table, task: LiveBucket) -> Iterator[list[_Row]]:
    for chunk in records.to_batches(max_chunksize=_ROWS_AT_ONCE):
        rows = chunk.select(["item_type", "source_key", "table", "key", "item", "version"]).to_pylist()
        yield [
            _Row(item_type, source_key, Write(table, task.partition_keys[table], key, item, version or 0, owner))
            for (item_type, source_key, table, key, item, version), owner in zip(
                (row.values() for row in rows), owners(chunk, task.bear_source), strict=True
            )
        ]


class _Sender:
    """For the threads of one bucket. What got no answer is sent again: the same item at the same version changes
    nothing."""

    def __init__(self, wire: Wire, policy: RetryPolicy) -> None:
        self._endpoint = wire.endpoint
        self._writer = ConditionalWriter(wire, policy)
        self._policy = policy
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._lock = threading.Lock()
        self._exhausted = 0  # items in a row

    def send(self, write: Write) -> Answered:
        for failures in range(1, self._policy.attempts + 1):
            answered = self._writer.write(write, math.inf)
            if answered.sent is not Sent.UNKNOWN:
                break
            time.sleep(self._policy.delay_seconds(failures, self._random))
        self._require_hope(write, answered)
        return answered

    def _require_hope(self, write: Write, answered: Answered) -> None:
        """Raises TargetError where going on is useless."""
        with self._lock:
            heard = answered.sent not in (Sent.UNKNOWN, Sent.NOT_SENT)
            self._exhausted = 0 if heard else self._exhausted + 1
            hopeless = self._exhausted >= _GIVE_UP_AFTER
        if not hopeless:
            return
        if answered.sent is Sent.NOT_SENT:
            raise refusal(answered.code or "", PUT, write.table, self._endpoint)
        raise TargetError(
            f"{origin(self._endpoint)}: no answer that can be understood ({answered.code}); "
            "check the endpoint, then run again"
        )


class _Outcome:
    def __init__(self) -> None:
        self.counts: Counter[Sent] = Counter()
        self.failures: list[Failure] = []
        self.refusals: list[RefusedPut] = []

    def add(self, row: _Row, answered: Answered) -> None:
        self.counts[answered.sent] += 1
        found = met(answered)
        if answered.sent is Sent.WRITTEN:
            return
        if answered.sent is not Sent.REFUSED or found is None:
            code = answered.code or "refused without telling what is there"
            self.failures.append(Failure(row.write.table, row.write.key, code))
            return
        self.refusals.append(
            RefusedPut(
                item_type=row.item_type,
                table=row.write.table,
                key=row.write.key,
                source_key=row.source_key,
                version=row.write.version,
                met_version=found.version,
                met_owner=found.owner,
                met_tombstone=found.is_tombstone,
                met_equal=found.equal,
            )
        )
