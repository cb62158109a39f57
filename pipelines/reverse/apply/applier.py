"""States of items applied to the source's rows: newer wins, exactly, and without an echo (docs/protocol.md, rule 16).

All in one transaction; where that fails, in halves, down to each item alone, so that one bad item holds nobody up.
What fails alone is tried again once the others are there, since one row can need another's; then it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.inverse import ItemInverse, inverse_of
from pipelines.mapping.plan import MigrationPlan
from pipelines.reverse.apply.failure import UNIQUE_VIOLATION, ItemsFailed
from pipelines.reverse.apply.image import Applied, Image, Outcome
from pipelines.reverse.apply.surroundings import WatchThese
from pipelines.reverse.apply.transaction import Blamed, Manner, Transaction
from pipelines.reverse.apply.waiting import note_outcomes
from pipelines.reverse.apply.work import Reader, Work
from pipelines.reverse.apply.written_tables import read_written_tables
from pipelines.source.ledger.session import LedgerSession

Also = Callable[[Connection[TupleRow]], None]
"""What is to be written in the same transaction."""

_Failed = tuple[Work, ItemsFailed]


def nothing_else(_: Connection[TupleRow]) -> None:
    """Writes nothing."""


class Applier:
    """For one thread, and one at a time for a migration. `session`: on a connection of `connect_writable`."""

    def __init__(
        self, session: LedgerSession, plan: MigrationPlan, inverses: Mapping[str, ItemInverse] | None = None
    ) -> None:
        self._session = session
        self._plan = plan
        self._inverses = dict(inverses or {item.name: inverse_of(item, plan) for item in plan.items})
        self._reader = Reader(plan, self._inverses)
        self._known: Transaction | None = None

    def apply(self, images: Sequence[Image], also: Also = nothing_else, all_is_read: bool = False) -> list[Applied]:
        """What became of each image, in their order. What waits is noted in `crossover.reverse`, in the transaction
        of `also`, and what is done is not noted there any more. `all_is_read`: no earlier write is still to be told of,
        so that no tombstone has to wait for its row's item at another key (`moving`).

        Images of one key are given in the order in which they were written. Raises SourceError where the connection is
        lost or the source fails as a whole; StageError where capture is off, or another epoch or mapping is there now.
        Then `also` is not written, and the same images can be given again.
        """
        works, decided = self._reader.works(images)
        decided += [Applied(image, Outcome.OLDER) for work in works for image in work.older]

        def finish(connection: Connection[TupleRow], outcomes: Sequence[Applied]) -> None:
            note_outcomes(connection, self._plan.name, _in_order(images, [*decided, *outcomes]))
            also(connection)

        try:
            outcomes = self._attempt(works, Manner(all_is_read=all_is_read), finish)
        except ItemsFailed as failure:
            outcomes = self._in_parts(works, failure, Manner(all_is_read=all_is_read))
            with self._session.writing() as connection:
                finish(connection, outcomes)
        return _in_order(images, [*decided, *outcomes])

    def _attempt(
        self,
        works: Sequence[Work],
        manner: Manner,
        finish: Callable[[Connection[TupleRow], Sequence[Applied]], None] | None = None,
    ) -> list[Applied]:
        """All or none. Raises ItemsFailed."""
        transaction = self._transaction()
        while True:
            try:
                with transaction.begun() as connection:
                    outcomes = transaction.apply(connection, works, manner)
                    if finish is not None:
                        finish(connection, outcomes)
                return outcomes
            except WatchThese as these:
                manner = replace(manner, watched=manner.watched | these.places)

    def _in_parts(self, works: Sequence[Work], failure: ItemsFailed, manner: Manner) -> list[Applied]:
        done, failed = self._parted(works, failure, manner)
        while failed:
            still: list[_Failed] = []
            for work, _ in failed:
                some, again = self._alone(work, manner)
                done += some
                still += again
            if len(still) == len(failed):
                together = self._together(failed, manner)
                done, failed = [*done, *together], [] if together else failed
                break
            failed = still
        waiting = [Applied(work.image, Outcome.WAITS, one.problem, one.final) for work, one in failed]
        return [*done, *waiting]

    def _together(self, failed: Sequence[_Failed], manner: Manner) -> list[Applied]:
        """Items that stand in each other's way: two that change a value which may be there once."""
        if len(failed) < 2 or any(failure.sqlstate != UNIQUE_VIOLATION for _, failure in failed):
            return []
        try:
            return self._attempt([work for work, _ in failed], replace(manner, in_places=False))
        except ItemsFailed:
            return []

    def _parted(
        self, works: Sequence[Work], failure: ItemsFailed, manner: Manner
    ) -> tuple[list[Applied], list[_Failed]]:
        """What is done, and what failed by itself."""
        if len(works) == 1:
            return self._alone(works[0], manner)
        done: list[Applied] = []
        failed: list[_Failed] = []
        for part in _parts(works, failure):
            try:
                done += self._attempt(part, manner)
            except ItemsFailed as why:
                some, again = self._parted(part, why, manner)
                done += some
                failed += again
        return done, failed

    def _alone(self, work: Work, manner: Manner) -> tuple[list[Applied], list[_Failed]]:
        try:
            return self._attempt([work], manner), []
        except ItemsFailed as failure:
            if failure.sqlstate != UNIQUE_VIOLATION:
                return [], [(work, failure)]
        try:
            return self._attempt([work], replace(manner, in_places=False)), []
        except ItemsFailed as failure:
            return [], [(work, failure)]

    def _transaction(self) -> Transaction:
        if self._known is None:
            refs = [row.table.ref for row in self._plan.rows()]
            with self._session.snapshot(()) as connection:
                known = read_written_tables(connection, refs)
            self._known = Transaction(self._session, self._plan, self._inverses, known)
        return self._known


def _parts(works: Sequence[Work], failure: ItemsFailed) -> list[Sequence[Work]]:
    """Those that are to blame alone, after all others; else halves."""
    if isinstance(failure, Blamed):
        rest = [work for work in works if work.place not in failure.problems]
        alone = [[work] for work in works if work.place in failure.problems]
        return [rest, *alone] if rest else list(alone)
    half = len(works) // 2
    return [works[:half], works[half:]]


def _in_order(images: Sequence[Image], outcomes: Sequence[Applied]) -> list[Applied]:
    by_image = {id(one.image): one for one in outcomes}
    return [by_image[id(image)] for image in images]
