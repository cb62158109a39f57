"""Delivers items by their source keys (rule 9): claim and fold; read in one snapshot and end it; write conditionally,
without a lock or a transaction; judge refusals; mark what was read, if every write of the item is settled.

Whatever dies between two steps, the item stays undelivered, and its next delivery does all of it again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipelines.deliver.outcome import Delivered
from pipelines.deliver.reading import Reading, read
from pipelines.deliver.settle import Judged, Tried, follow_up, judged, receipt, result
from pipelines.deliver.writes import Wanted, writes
from pipelines.errors import UsageError
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.ledger.claim import Lease, claim
from pipelines.source.ledger.mark_delivered import mark_delivered
from pipelines.source.ledger.session import LedgerSession
from pipelines.target.conditional_write import ConditionalWriter, Sent

LEASE_SECONDS = 60.0
LONGEST_LEASE_SECONDS = 300.0
"""What a sweep's waiting time is counted from."""
WRITERS = 8


class Deliverer:
    """For one thread; a context manager that ends its own threads. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        session: LedgerSession,
        plan: MigrationPlan,
        writer: ConditionalWriter,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < lease_seconds <= LONGEST_LEASE_SECONDS:
            raise UsageError(f"a lease of {lease_seconds:g} seconds: give 0 to {LONGEST_LEASE_SECONDS:g}")
        self.session = session
        self.plan = plan
        self.lease = Lease(secrets.token_hex(8), lease_seconds)
        self._writer = writer
        self._clock = clock
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="deliver")

    def __enter__(self) -> Deliverer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def deliver(self, item_type: str, source_keys: Sequence[str], undelivered_only: bool = False) -> Delivered:
        """Each item as it is now, whether it was undelivered or not unless that is asked for; `source_keys` as records
        bear them.

        Some hundred at a time: all of them are under one lease. Raises StageError where this mapping or epoch is not
        the ledger's any more, SourceError, TargetError; what was not marked by then is undelivered.
        """
        item = self.plan.item(item_type)
        deadline = self._clock() + self.lease.seconds  # before the database's own begins
        claimed = claim(self.session, item, source_keys, self.lease, undelivered_only) if source_keys else []
        readings = read(self.session, item, claimed) if claimed else []
        tried = self._send({reading.source_key: (reading, writes(item, reading)) for reading in readings}, deadline)
        return self._end(item, readings, tried, tuple(sorted(set(source_keys) - set(claimed))))

    def _send(self, wanted: Mapping[str, tuple[Reading, list[Wanted]]], deadline: float) -> dict[str, list[Tried]]:
        """By source key; several items at once."""
        futures = {key: self._pool.submit(self._send_one, *pair, deadline) for key, pair in wanted.items()}
        try:
            return {key: future.result() for key, future in futures.items()}
        finally:
            for future in futures.values():
                future.cancel()

    def _send_one(self, reading: Reading, wanted: Sequence[Wanted], deadline: float) -> list[Tried]:
        """In order: while a row moves, its item stands at two keys rather than at none. Where it is not known whether
        the put was made nothing follows; where it was refused the left keys get their tombstones all the same."""
        tried: list[Tried] = []
        for one in wanted:
            answered = self._writer.write(one.write, deadline)
            tried.append(Tried(reading, one, answered))
            if answered.sent in (Sent.UNKNOWN, Sent.NOT_SENT):
                break
        return tried

    def _end(
        self, item: ItemPlan, readings: Sequence[Reading], tried: Mapping[str, Sequence[Tried]], busy: tuple[str, ...]
    ) -> Delivered:
        judgements = judged(self.session, self.plan, item, [one for several in tried.values() for one in several])
        follow_up(self.session, item, judgements)
        of: dict[str, list[Judged]] = {reading.source_key: [] for reading in readings}
        for one in judgements:
            of[one.tried.reading.source_key].append(one)
        results = [result(reading, of[reading.source_key]) for reading in readings]
        receipts = [
            receipt(reading, of[reading.source_key], found) for reading, found in zip(readings, results, strict=True)
        ]
        mark_delivered(self.session, item.name, receipts, self.lease.holder)
        return Delivered(tuple(results), busy)
