"""Masters: an application sends each write to the store that is the master of the item type's group.

    masters = Masters("shop.yaml", boto3.client("dynamodb"), catalog="shop.catalog.json")
    masters.write("order", rds=lambda: ..., dynamodb=lambda items: items.update("order", change, order_id=7, ...))

docs/masters.md
"""

from __future__ import annotations

import os
import random as randomness
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipelines.errors import UsageError
from pipelines.mapping.catalog import Catalog
from pipelines.mapping.groups import Group, group_of, groups_of
from pipelines.masters.desk import Desk
from pipelines.masters.fence import is_fenced
from pipelines.masters.item_form import ItemForm
from pipelines.masters.lease import LEASE_SECONDS, REQUEST_SECONDS, Leases, seconds
from pipelines.masters.opening import Opening
from pipelines.masters.refusals import ConflictError, ItemExistsError, WriteFencedError
from pipelines.masters.sender import Sender
from pipelines.masters.standing import read_standings
from pipelines.masters.turn import MasterMovedError, Turn, Waiting
from pipelines.masters.writer import ItemWriter
from pipelines.masters.writer_async import AsyncItemWriter
from pipelines.reading.offload import Offload
from pipelines.reading.opening import Source, opened_plan
from pipelines.source.ledger.masters import Phase

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
R = TypeVar("R")

DEADLINE_SECONDS = 30.0
MOST_CONFLICTS = 20


class Masters:
    """One a process, and for those that it forks; for any number of threads. It starts no thread and opens nothing
    before the first write."""

    def __init__(
        self,
        migration: Source,
        dynamodb: DynamoDBClient | None = None,
        *,
        catalog: Catalog | Path | str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = seconds,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        random: randomness.Random | None = None,
    ) -> None:
        """`migration`, `catalog`: as `pipelines.reading.Items` takes them; raises what it raises. `dynamodb`: a boto3
        client, whose endpoint, region and credentials are used; without it AWS's settings. `clock` is monotonic."""
        if not REQUEST_SECONDS < lease_seconds <= LEASE_SECONDS:
            raise UsageError(
                f"lease_seconds {lease_seconds:g}: give more than {REQUEST_SECONDS:g}, which a request may take, and "
                f"no more than {LEASE_SECONDS:g}, which a switch waits"
            )
        if not deadline_seconds > 0:
            raise UsageError(f"deadline_seconds {deadline_seconds:g}: give seconds above 0")
        mapping, plan = opened_plan(migration, catalog)
        self._name = mapping.migration
        self._dynamodb = dynamodb
        self._groups = groups_of(plan)
        self._forms = {
            group.name: {name: ItemForm(plan.item(name), mapping.items[name]) for name in group.item_types}
            for group in self._groups
        }
        self._lease_seconds = lease_seconds
        self._now = now
        self._waiting = Waiting(deadline_seconds, clock, sleep, random or randomness.Random())  # noqa: S311 - no secret
        self._processes: dict[int, _Process] = {}
        self._offload = Offload("crossover-masters")

    def write(self, item_type: str, *, rds: Callable[[], T] | None, dynamodb: Callable[[ItemWriter], T]) -> T:
        """What the one of them returns that belongs to the master. Each may be called again from its start: `rds`
        after PostgreSQL has refused it (its transaction must be rolled back by then), `dynamodb` where something was
        changed since it was read, as long as it has written nothing. `rds` None: where RDS is gone, or will not be
        written any more.

        Raises WriteFencedError after `deadline_seconds` without a master; UsageError for an unknown item type; whatever
        else they raise.
        """
        turn, before = self._turn(item_type, guesses=rds is not None), sys.exception()
        while True:
            is_dynamodb = turn.phase().is_dynamodb
            try:
                return dynamodb(self._writer(turn)) if is_dynamodb else _given(rds, item_type)()
            except Exception as error:
                if not _goes_on(turn, error, before, is_dynamodb=is_dynamodb):
                    raise

    async def write_async(
        self,
        item_type: str,
        *,
        rds: Callable[[], Awaitable[T]] | None,
        dynamodb: Callable[[AsyncItemWriter], Awaitable[T]],
    ) -> T:
        """As `write`, of coroutine functions; what waits for DynamoDB does so in threads, `rds` in the event loop."""
        turn, before = self._turn(item_type, guesses=rds is not None), sys.exception()
        while True:
            is_dynamodb = (await self._offload.run(turn.phase)).is_dynamodb
            try:
                if is_dynamodb:
                    return await dynamodb(AsyncItemWriter(self._writer(turn), self._offload))
                return await _given(rds, item_type)()
            except Exception as error:
                if not await self._offload.run(partial(_goes_on, turn, error, before, is_dynamodb=is_dynamodb)):
                    raise

    def phase(self, item_type: str) -> Phase:
        """As it is known, for monitoring: a write may meet another one."""
        group = self._group(item_type).name
        known = self._process().leases.known(group)
        return Phase.RDS_FIRST if known is None else known.standings[group].phase

    def close(self) -> None:
        """Lets go of this process's connections and threads."""
        self._offload.close()
        self._process().opening.close()

    def _turn(self, item_type: str, *, guesses: bool) -> Turn:
        """Of one write. Raises UsageError."""
        return Turn(self._process().leases, self._group(item_type).name, item_type, self._waiting, guesses)

    def _writer(self, turn: Turn) -> ItemWriter:
        sender = Sender(self._process().opening.wire, turn)
        return ItemWriter(Desk(self._forms[turn.group], sender, turn, self._now))

    def _group(self, item_type: str) -> Group:
        group = group_of(self._groups, item_type)
        if group is None:
            there = ", ".join(name for one in self._groups for name in one.item_types)
            raise UsageError(f"no item type `{item_type}` in {self._name}; there: {there}")
        return group

    def _process(self) -> _Process:
        """This process's own: a fork may not use its parent's connections. The parent's is kept, unused, for to let go
        of it would end them."""
        own = self._processes.get(os.getpid())
        if own is None:
            made = _Process(Opening(self._name, self._dynamodb), self._groups, self._lease_seconds, self._waiting.clock)
            own = self._processes.setdefault(os.getpid(), made)
        return own


class _Process:
    def __init__(
        self, opening: Opening, groups: tuple[Group, ...], lease_seconds: float, clock: Callable[[], float]
    ) -> None:
        self.opening = opening
        self.leases = Leases(lambda: read_standings(opening.table(), groups), lease_seconds, clock)


def _given(rds: Callable[[], R] | None, item_type: str) -> Callable[[], R]:
    if rds is None:
        raise UsageError(f"{item_type}: RDS is its master, and no function was given that writes it there (`rds`)")
    return rds


def _goes_on(turn: Turn, error: Exception, before: BaseException | None, *, is_dynamodb: bool) -> bool:
    """Whether the write is to be tried again after this error. Raises WriteFencedError where it must not be, though
    the master is another one by now. `before`: as `is_fenced` takes it."""
    if not is_dynamodb:
        if not is_fenced(error, before):
            return False
        turn.refused()
        return True
    if isinstance(error, MasterMovedError):
        if turn.written:
            raise WriteFencedError(
                f"{turn.what}: RDS became the master when {turn.written} of its items were written to DynamoDB, which "
                "are kept; write what belongs together in one transaction"
            ) from error
        return True
    if isinstance(error, ConflictError) and not isinstance(error, ItemExistsError) and not turn.written:
        turn.conflicts += 1
        if turn.conflicts < MOST_CONFLICTS and not turn.is_over:
            turn.give_way(turn.conflicts)
            return True
    return False
