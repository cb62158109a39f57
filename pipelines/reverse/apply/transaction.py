"""One transaction that applies some items, all or none of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.inverse import ItemInverse, NotInvertible
from pipelines.mapping.plan import MigrationPlan
from pipelines.reverse.apply.checking import ItemCheck
from pipelines.reverse.apply.failure import ItemsFailed, failed_by, is_of_the_source
from pipelines.reverse.apply.image import Applied, Outcome
from pipelines.reverse.apply.ledger_rows import lock_versions, settle, take_own
from pipelines.reverse.apply.moving import WAITING, Moving
from pipelines.reverse.apply.outsiders import Outsiders
from pipelines.reverse.apply.row_writer import ItemRows, RowWriter
from pipelines.reverse.apply.surroundings import Surroundings
from pipelines.reverse.apply.waiting import read_since
from pipelines.reverse.apply.work import Place, Reader, Work
from pipelines.reverse.apply.written_tables import WrittenTables
from pipelines.source.ledger.masters import mastered_by_dynamodb, read_masters
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.version import EPOCH_STEP, read_versions

_WRITES_AS_THE_APPLICATION = (
    "SELECT pg_catalog.set_config('crossover.applying', 'on', true)",
    "SET LOCAL search_path TO DEFAULT",  # for the functions of its triggers
    "SET CONSTRAINTS ALL DEFERRED",
)
_READS_AGAIN = ("SET CONSTRAINTS ALL IMMEDIATE", "SET LOCAL search_path TO ''")


@dataclass(frozen=True)
class Manner:
    """How a transaction is to be tried. `in_places`: of `RowWriter.write`. `watched`: items whose content is compared
    before and after. `all_is_read`: of `Applier.apply`."""

    in_places: bool = True
    all_is_read: bool = False
    watched: frozenset[Place] = frozenset()


class Blamed(ItemsFailed):
    """As ItemsFailed, of these items alone."""

    def __init__(self, problems: Mapping[Place, str]) -> None:
        super().__init__(next(iter(problems.values())), final=True)
        self.problems = problems


class Transaction:
    """Made once for a plan and a connection."""

    def __init__(
        self,
        session: LedgerSession,
        plan: MigrationPlan,
        inverses: Mapping[str, ItemInverse],
        known: WrittenTables,
    ) -> None:
        self._session = session
        self._plan = plan
        self._reader = Reader(plan, dict(inverses))
        self._writer = RowWriter(known)
        self._moving = Moving(inverses, known)
        self._checks = {name: ItemCheck(inverse) for name, inverse in inverses.items()}
        self._surroundings = Surroundings(Outsiders(plan, inverses), known, self._checks)

    @contextmanager
    def begun(self) -> Iterator[Connection[TupleRow]]:
        """Raises ItemsFailed, WatchThese; SourceError where the source fails as a whole; StageError. Then all is as it
        was before."""
        with self._session.writing() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                if is_of_the_source(error) or connection.closed:
                    raise
                failure = failed_by(error)
                raise failure from None

    def apply(self, connection: Connection[TupleRow], works: Sequence[Work], manner: Manner) -> list[Applied]:
        """In a transaction that has begun. Raises as `begun`."""
        mastered = mastered_by_dynamodb(read_masters(connection, self._plan.name))
        outcomes = [
            Applied(work.image, Outcome.IGNORED, f"RDS is the master of {work.item_type}")
            for work in works
            if work.item_type not in mastered
        ]
        seen = self._newer(connection, [work for work in works if work.item_type in mastered], outcomes)
        wanted = self._read(self._that_go(connection, list(seen), manner, outcomes), outcomes)
        self._lock(connection, wanted, seen, outcomes)
        if wanted:
            before = self._surroundings.read(connection, manner.watched)
            self._write(connection, wanted, manner.in_places)
            touches = take_own(connection, self._plan.name, sorted(mastered))
            written, tables = frozenset(work.place for work in wanted), self._writer.tables(wanted.values())
            self._surroundings.require_untouched(connection, touches, written, tables, before)
            self._check(connection, list(wanted))
            self._settle(connection, list(wanted))
        outcomes += [Applied(work.image, Outcome.APPLIED) for work in wanted]
        return outcomes

    def _newer(
        self, connection: Connection[TupleRow], works: Sequence[Work], outcomes: list[Applied]
    ) -> dict[Work, int]:
        """Those above the ledger's version, with that; the others are decided."""
        newer: dict[Work, int] = {}
        for item_type, some in _by_item_type(works).items():
            versions = read_versions(connection, self._plan.name, item_type, [work.source_key for work in some])
            for work in some:
                if work.image.version <= versions[work.source_key]:
                    outcomes.append(Applied(work.image, Outcome.OLDER))
                elif work.image.version >= self._session.first_version + EPOCH_STEP:
                    problem = "its version is of an epoch to come"
                    outcomes.append(Applied(work.image, Outcome.WAITS, problem, final=True))
                else:
                    newer[work] = versions[work.source_key]
        return newer

    def _lock(
        self,
        connection: Connection[TupleRow],
        wanted: dict[Work, ItemRows],
        seen: Mapping[Work, int],
        outcomes: list[Applied],
    ) -> None:
        """The item rows of those that are to be written, and of no others: what has a row and was never delivered
        counts as undelivered. Those that have become older meanwhile are taken out."""
        for item_type, some in _by_item_type(list(wanted)).items():
            before = {work.source_key: seen[work] for work in some}
            versions = lock_versions(connection, self._plan.name, item_type, before, self._session.first_version)
            for work in some:
                if work.image.version <= versions[work.source_key]:
                    outcomes.append(Applied(work.image, Outcome.OLDER))
                    del wanted[work]

    def _that_go(
        self, connection: Connection[TupleRow], works: Sequence[Work], manner: Manner, outcomes: list[Applied]
    ) -> list[Work]:
        """Without the tombstones of rows that may have moved."""
        asked = [work for work in works if self._moving.asks(work.image, work.item_type) and not manner.all_is_read]
        stays: set[Place] = set()
        for item_type, some in _by_item_type(asked).items():
            found = self._checks[item_type].read(connection, [work.source_key for work in some])
            for work in some:
                read = read_since(connection, self._plan.name, work.image)
                if self._moving.may_have_moved(found[work.source_key], read):
                    outcomes.append(Applied(work.image, Outcome.WAITS, WAITING))
                    stays.add(work.place)
        return [work for work in works if work.place not in stays]

    def _read(self, works: Sequence[Work], outcomes: list[Applied]) -> dict[Work, ItemRows]:
        found: dict[Work, ItemRows] = {}
        for work in works:
            try:
                found[work] = self._reader.rows(work)
            except NotInvertible as why:
                outcomes.append(Applied(work.image, Outcome.WAITS, str(why), final=True))
        return found

    def _write(self, connection: Connection[TupleRow], wanted: Mapping[Work, ItemRows], in_places: bool) -> None:
        for statement in _WRITES_AS_THE_APPLICATION:
            connection.execute(statement)
        self._writer.write(connection, wanted.values(), in_places)
        for statement in _READS_AGAIN:
            connection.execute(statement)

    def _check(self, connection: Connection[TupleRow], works: Sequence[Work]) -> None:
        problems = {
            work.place: problem
            for item_type, some in _by_item_type(works).items()
            for work, problem in self._checks[item_type].wrong(connection, some)
        }
        if problems:
            raise Blamed(problems)

    def _settle(self, connection: Connection[TupleRow], works: Sequence[Work]) -> None:
        for item_type, some in _by_item_type(works).items():
            versions = {work.source_key: work.image.version for work in some}
            if not settle(connection, self._plan.name, item_type, versions, self._session.first_version):
                raise ItemsFailed("another session touches it at the same time; it is tried again")


def _by_item_type(works: Sequence[Work]) -> dict[str, list[Work]]:
    found: dict[str, list[Work]] = defaultdict(list)
    for work in works:
        found[work.item_type].append(work)
    return dict(sorted(found.items()))
