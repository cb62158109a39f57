"""Measures a mapping on a live database: one READ ONLY snapshot, a bound on every query, a budget for the whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.assess.estimates.budget import Budget
from pipelines.assess.estimates.built import Built, Pace, build
from pipelines.assess.estimates.children import count_groups, groups_of
from pipelines.assess.estimates.measured import Measured, Sizes, TypeMeasured
from pipelines.assess.estimates.roots import SAMPLED_ROWS, Count, Sampled, count_rows, sample_keys
from pipelines.assess.estimates.tally import SizeTally, supposed
from pipelines.assess.schema import Facts, Schema
from pipelines.errors import SourceError
from pipelines.items.reject import RejectReason
from pipelines.mapping.model import Mapping as MigrationMapping
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.connect import connect, identity
from pipelines.source.server_error import described, in_one_line

BUDGET_SECONDS = 30.0
_COUNTING_SHARE = 3
_GROUPS_SHARE = 4
"""Counting rows may take one in so many of all seconds, before anything else; counting children of those left then."""


def measure(
    url: str,
    mapping: MigrationMapping,
    plan: MigrationPlan,
    schema: Schema,
    *,
    seconds: float = BUDGET_SECONDS,
    rows: int = SAMPLED_ROWS,
) -> Measured:
    """`plan`: the mapping, compiled against this database. `seconds` in all, about; `rows`: sampled of each item type.

    What was not read, or not wholly, is said in `notes`; its rows come from the statistics then. Raises SourceError.
    """
    with closing(connect(url)) as connection, in_one_line(identity(url), "its rows could not be sampled"):
        return measure_on(connection, mapping, plan, schema, seconds=seconds, rows=rows)


def measure_on(
    connection: Connection[TupleRow],
    mapping: MigrationMapping,
    plan: MigrationPlan,
    schema: Schema,
    *,
    seconds: float = BUDGET_SECONDS,
    rows: int = SAMPLED_ROWS,
) -> Measured:
    """As `measure`; `connection`: of `pipelines.source.connect`. Raises psycopg.Error."""
    budget = Budget(seconds)
    facts = {one.ref: one for one in schema.tables}
    with connection.transaction():
        notes: list[str] = []
        readers = [_Reader(connection, item, mapping, facts.get(item.root.table.ref), notes) for item in plan.items]
        readers.sort(key=lambda reader: reader.known or 0)  # what the small ones leave is the large ones'
        counting = budget.share(_COUNTING_SHARE)
        for n, reader in enumerate(readers):
            reader.count(counting.share(len(readers) - n))
        groups = count_groups(connection, groups_of(plan), facts, budget.share(_GROUPS_SHARE))
        pace = Pace()
        types = {
            reader.item.name: reader.read(budget.share(len(readers) - n), rows, pace)
            for n, reader in enumerate(readers)
        }
    in_order = {item.name: types[item.name] for item in plan.items}
    return Measured(plan, mapping.target.tables, in_order, groups, tuple(_in_short(notes)))


class _Reader:
    """One item type: first its rows are counted, then its sample is built."""

    def __init__(
        self,
        connection: Connection[TupleRow],
        item: ItemPlan,
        mapping: MigrationMapping,
        facts: Facts | None,
        notes: list[str],
    ) -> None:
        self.item = item
        self.known = facts.rows if facts is not None else None
        self._connection = connection
        self._facts = facts
        self._table = mapping.target.tables[item.table]
        self._notes = notes
        self._count = Count(self.known or 0, self.known or 0, exact=False)
        self._failed: str | None = None

    def count(self, budget: Budget) -> None:
        """Where no time is left, or it cannot be read, the statistics stand."""
        if budget.left <= 0:
            return
        try:
            self._count = count_rows(self._connection, self.item, self.known, budget)
        except (psycopg.errors.QueryCanceled, psycopg.errors.ProgrammingError) as error:
            self._failed = described(error)

    def read(self, budget: Budget, rows: int, pace: Pace) -> TypeMeasured:
        failed = self._failed
        if failed is None and budget.left <= 0:
            failed = "no time was left for it"
        if failed is None:
            try:
                sampled = sample_keys(self._connection, self.item, self._count, budget, rows)
                return self._built(self._count, sampled, budget, pace)
            except (psycopg.errors.QueryCanceled, psycopg.errors.ProgrammingError) as error:
                failed = described(error)
            except SourceError as error:
                failed = str(error)
        return self._unread(failed)

    def _built(self, count: Count, sampled: Sampled, budget: Budget, pace: Pace) -> TypeMeasured:
        tally = SizeTally(self._table)
        if sampled.keyless:
            tally.rejects[RejectReason.KEY_NULL_OR_EMPTY] += sampled.keyless
        built = build(self._connection, self.item, sampled.keys, budget, tally, pace)
        self._say(count, sampled, built)
        return TypeMeasured(
            plan=self.item,
            rows=count.rows,
            exact=count.exact,
            sampled=built.rows + sampled.keyless,
            random=sampled.random,
            rejects=dict(tally.rejects),
            sizes=tally.sizes() or self._supposed(count.rows),
        )

    def _unread(self, why: str) -> TypeMeasured:
        self._notes.append(f"{self.item.name}: no item was built, sizes are those of the statistics: {why}")
        count = self._count
        return TypeMeasured(self.item, count.rows, count.exact, 0, False, {}, self._supposed(count.rows))

    def _supposed(self, rows: int) -> Sizes:
        known = self._facts.bytes_of(None) if self._facts is not None and rows else None
        return supposed(known or 0.0, self._table)

    def _say(self, count: Count, sampled: Sampled, built: Built) -> None:
        name, whole = self.item.name, built.rows + sampled.keyless
        if not count.exact:
            self._notes.append(f"{name}: its rows are an estimate, for not all were counted")
        if built.stopped is not None:
            self._notes.append(f"{name}: {whole:,} items were built, then: {built.stopped}")
        elif built.rows < len(sampled.keys):
            self._notes.append(f"{name}: time allowed for {whole:,} of {len(sampled.keys):,} sampled items")
        elif not whole and count.rows:
            self._notes.append(f"{name}: the sample was empty, sizes are those of the statistics")
        if whole and not sampled.random:
            self._notes.append(f"{name}: of a {_kind(self.item)} the first rows were taken, not rows of chance")


def _kind(item: ItemPlan) -> str:
    return item.root.table.relation.value.replace("_", " ")


def _in_short(notes: list[str], most: int = 20) -> Iterator[str]:
    yield from notes[:most]
    if len(notes) > most:
        yield f"and {len(notes) - most} more notes of this kind"
