"""Delivers items by their source keys (rule 9): claim and fold; read in one snapshot and end it; write conditionally,
without a lock or a transaction; judge refusals; mark what was read, if every write of the item is settled.

Whatever dies between two steps, the item stays undelivered, and its next delivery does all of it again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipelines.deliver.outcome import Delivered
from pipelines.deliver.reading import Reading, read
from pipelines.deliver.settle import Judged, Tried, follow_up, judged, receipt, result
from pipelines.deliver.writes import Wanted, writes
from pipelines.errors import UsageError
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.ledger.claim import Lease, claim, claim_due
from pipelines.source.ledger.mark_delivered import mark_delivered
from pipelines.source.ledger.session import LedgerSession
from pipelines.target.chain_write import ChainWriter
from pipelines.target.conditional_write import Sent

LEASE_SECONDS = 60.0
LONGEST_LEASE_SECONDS = 300.0
"""What a sweep's waiting time is counted from."""

OnPut = Callable[[str, Sent], None]


class Deliverer:
    """For one thread. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        session: LedgerSession,
        plan: MigrationPlan,
        writer: ChainWriter,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        unless_paused: bool = False,
    ) -> None:
        """`unless_paused`: `deliver` raises StageError while deliveries are paused."""
        if not 0 < lease_seconds <= LONGEST_LEASE_SECONDS:
            raise UsageError(f"a lease of {lease_seconds:g} seconds: give 0 to {LONGEST_LEASE_SECONDS:g}")
        self.session = session
        self.plan = plan
        self.lease = Lease(secrets.token_hex(8), lease_seconds)
        self._writer = writer
        self._clock = clock
        self._unless_paused = unless_paused

    def deliver(
        self, item_type: str, source_keys: Sequence[str], undelivered_only: bool = False, on_put: OnPut | None = None
    ) -> Delivered:
        """Each item as it is now, whether it was undelivered or not unless that is asked for; `source_keys` as records
        bear them. `on_put`: told of each source key what its first write has come to, before anything is marked.

        Some hundred at a time: all of them are under one lease. Raises StageError where this mapping or epoch is not
        the ledger's any more, SourceError, TargetError; what was not marked by then is undelivered.
        """
        item = self.plan.item(item_type)
        deadline = self._clock() + self.lease.seconds  # before the database's own begins
        claimed = self._claim(item, source_keys, undelivered_only) if source_keys else []
        busy = tuple(sorted(set(source_keys) - set(claimed)))
        return replace(self._deliver_claimed(item, claimed, deadline, on_put), busy=busy)

    def _claim(self, item: ItemPlan, source_keys: Sequence[str], undelivered_only: bool) -> list[str]:
        return claim(self.session, item, source_keys, self.lease, undelivered_only, self._unless_paused)

    def deliver_due(self, item_types: Sequence[str], most: int) -> dict[str, Delivered]:
        """Those that have been due for longest, at most so many in all; by item type. Raises as `deliver`."""
        deadline = self._clock() + self.lease.seconds
        items = [self.plan.item(item_type) for item_type in item_types]
        claimed = claim_due(self.session, items, self.lease, most)
        return {
            item.name: self._deliver_claimed(item, claimed[item.name], deadline, None)
            for item in items
            if item.name in claimed
        }

    def _deliver_claimed(
        self, item: ItemPlan, claimed: Sequence[str], deadline: float, on_put: OnPut | None
    ) -> Delivered:
        readings = read(self.session, item, claimed) if claimed else []
        tried = self._send([(reading, writes(item, reading)) for reading in readings], deadline, on_put)
        return self._end(item, readings, tried)

    def _send(
        self, wanted: Sequence[tuple[Reading, list[Wanted]]], deadline: float, on_put: OnPut | None
    ) -> dict[str, list[Tried]]:
        """By source key."""

        def on_first(place: int, sent: Sent) -> None:
            if on_put is not None:
                on_put(wanted[place][0].source_key, sent)

        answers = self._writer.write([[one.write for one in several] for _, several in wanted], deadline, on_first)
        return {
            reading.source_key: [
                Tried(reading, one, answered) for one, answered in zip(several, answered_of, strict=False)
            ]
            for (reading, several), answered_of in zip(wanted, answers, strict=True)
        }

    def _end(self, item: ItemPlan, readings: Sequence[Reading], tried: Mapping[str, Sequence[Tried]]) -> Delivered:
        judgements = judged(self.session, self.plan, item, [one for several in tried.values() for one in several])
        follow_up(self.session, item, judgements)
        of: dict[str, list[Judged]] = {reading.source_key: [] for reading in readings}
        for one in judgements:
            of[one.tried.reading.source_key].append(one)
        results = [result(reading, of[reading.source_key]) for reading in readings]
        receipts = [
            receipt(reading, of[reading.source_key], found) for reading, found in zip(readings, results, strict=True)
        ]
        waited = mark_delivered(self.session, item.name, receipts, self.lease.holder)
        settled = tuple(waited[one.source_key] for one in results if one.settled and one.source_key in waited)
        return Delivered(tuple(results), waited_seconds=settled)
