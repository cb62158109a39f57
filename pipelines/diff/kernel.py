"""Joins one bucket of both sides on (table, key), vectorised, reading `item` only where the digests differ.

What is settled by the join alone (both sides there, mapped, no version ahead, equal digests) is only counted; all
else comes out as pairs to be judged. DuckDB runs on one thread within a fixed memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.diff.queries import (
    ALONE,
    ALONE_TWICE,
    CLAIMS,
    FILES,
    JOIN,
    LEDGER_TABLES,
    LOAD_KNOWN,
    LOAD_TOMBSTONES,
    NO_FILES,
    NO_ITEMS,
    ORDERED,
    PAIRS,
    PAIRS_OF_PIECE,
    PAIRS_OF_PIECE_WITH_LEDGER,
    PAIRS_WITH_LEDGER,
    PIECES,
    READ_ITEMS,
    RECORDS_AND_CLAIMS,
    RECORDS_ONLY,
    TOTALS,
    TWICE,
)
from pipelines.diff.sides import BucketSides, KnownRows, Pairs, SideCounts
from pipelines.diff.verdict import LedgerSide, RowState
from pipelines.errors import AccountsError
from pipelines.mapping.key_source import KeyReader
from pipelines.warehouse.arrow_files import arrow_dataset
from pipelines.warehouse.place import Place

MEMORY_LIMIT = "1GB"
FETCH_ROWS = 1_000
BYTES_AT_ONCE = 64_000_000  # of both sides' items, as the records' sizes tell them, in one query
PIECE_BYTES = 4_000_000  # of both sides' items: all paths of a piece are held, some times as much

_TOLD = pa.schema([pa.field("table", pa.string()), pa.field("key", pa.string()), pa.field("source_key", pa.string())])

LEDGER_COLUMNS = (
    "row_told",
    "row_version",
    "row_undelivered",
    "is_another",
    "owner_version",
    "owner_undelivered",
    "tombstone",
)
"""Of PAIRS_WITH_LEDGER, beside those of PAIRS."""


class BucketJoin:
    """A context manager. `scratch`: the folder to spill into, which need not exist; without one the join has to do
    with MEMORY_LIMIT, which all but enormous buckets do.

    A source row claims the target's item of its key. Where rejects share a key, one of them does, and none where a
    record has the key: so no item of the target is counted twice.
    Raises AccountsError where one side has a key twice, duckdb.OutOfMemoryException where there is no room.
    """

    def __init__(self, sides: BucketSides, scratch: Path | None = None) -> None:
        self._sides = sides
        self._connection = _in_memory().cursor() if scratch is None else _database(str(scratch))

    def __enter__(self) -> BucketJoin:
        try:
            self._rows = {side: self._name_files(side, files) for side, files in self._files.items()}
            self._join()
            self._check_distinct()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def counts(self) -> SideCounts:
        """By the files' footers, not by what the join made of them."""
        return SideCounts(
            source_records=self._rows["source"],
            source_rejects=self._sides.rejects.num_rows,
            target_items=self._rows["target"],
        )

    def matches(self) -> dict[str, int]:
        """The settled ones per item type."""
        return {item_type: settled for item_type, settled, *_ in self._totals if settled}

    def pairs(self) -> Iterator[Pairs]:
        """All others, by table, key, item type and source key."""
        differ = any(differing for *_, differing in self._totals)
        for side, files in self._files.items():
            self._connection.execute((READ_ITEMS if differ and files else NO_ITEMS)[side])
        if self._sides.ledger is not None:
            self._look_up(self._sides.ledger)
        for relation in self._pair_queries():
            for batch in relation.to_arrow_reader(FETCH_ROWS):
                yield from map(self._pairs, _pieces(batch))

    def _pair_queries(self) -> Iterator[duckdb.DuckDBPyRelation]:
        """One, as a rule; what a query has joined to its rows cannot be moved to a disk, so of many items several."""
        with_ledger = self._sides.ledger is not None
        if sum(item_bytes for *_, item_bytes, _ in self._totals) <= BYTES_AT_ONCE:
            yield self._connection.sql(PAIRS_WITH_LEDGER if with_ledger else PAIRS)
            return
        self._connection.execute(ORDERED, [BYTES_AT_ONCE])
        query = PAIRS_OF_PIECE_WITH_LEDGER if with_ledger else PAIRS_OF_PIECE
        for piece in self._connection.execute(PIECES).fetchall():
            yield self._connection.sql(query, params=piece)

    def _look_up(self, ledger: KnownRows) -> None:
        """What the ledger knows of the rows that unsettled keys belong to."""
        self._connection.execute(LEDGER_TABLES)
        self._read_keys(ledger.readers)
        if self._sides.tombstone_files:
            self._name_files("tombstone", self._sides.tombstone_files)
            self._connection.execute(LOAD_TOMBSTONES)
        if ledger.files:
            self._name_files("known", ledger.files)
            self._connection.execute(LOAD_KNOWN)

    def _read_keys(self, readers: Mapping[str, KeyReader]) -> None:
        """Whose the target's items are that no source row has the key of."""
        last = -1
        while batch := self._connection.execute(ALONE, [last]).fetchall():
            last = batch[-1][0]
            told = [
                {"table": table, "key": key, "source_key": readers[item_type].source_key(key)}
                for _, item_type, table, key in batch
                if item_type in readers
            ]
            self._connection.register("told", pa.Table.from_pylist(told, schema=_TOLD))
            self._connection.execute('INSERT INTO told_rows SELECT "table", key, source_key FROM told')
            self._connection.unregister("told")

    def _join(self) -> None:
        source = RECORDS_ONLY
        if self._sides.rejects.num_rows:
            self._connection.register("rejects", self._sides.rejects)
            self._connection.execute(CLAIMS)
            source = RECORDS_AND_CLAIMS
        owner = "NULL::VARCHAR" if self._sides.ledger is None else "source_key"
        self._connection.execute(JOIN.format(source=source, owner=owner))
        self._totals = self._connection.execute(TOTALS).fetchall()

    def _check_distinct(self) -> None:
        """A key that is twice on a side and at all on the other makes the join longer than that side is."""
        in_source, in_target = (sum(row[n] for row in self._totals) for n in (2, 3))
        expected = (self._rows["source"] + self._sides.rejects.num_rows, self._rows["target"])
        if (in_source, in_target) == expected and not self._number(ALONE_TWICE):
            return
        for side, query in TWICE.items():
            if twice := self._number(query):
                raise AccountsError(
                    f"bucket {self._sides.bucket}: {twice:,} keys are on the {side} side more than once; "
                    f"make {'the records' if side == 'source' else 'the dump'} again"
                )

    @property
    def _files(self) -> dict[str, tuple[Place, ...]]:
        return {"source": self._sides.source_files, "target": self._sides.target_files}

    def _name_files(self, side: str, files: tuple[Place, ...]) -> int:
        """As the relation `<side>_files`: DuckDB reads a disk by itself, and what is elsewhere through Arrow, in both
        cases the columns of a query only. Returns how many rows they have, by their footers."""
        if not files:
            self._connection.execute(NO_FILES[side])
            return 0
        paths = [_literal(file.local) for file in files if file.local is not None]
        if len(paths) != len(files):
            dataset = arrow_dataset(files)
            self._connection.register(f"{side}_files", dataset)
            return int(dataset.count_rows())
        self._connection.execute(FILES.format(side=side, paths=", ".join(paths)))
        return self._number(f"SELECT count(*) FROM {side}_files")  # noqa: S608

    def _pairs(self, rows: pa.RecordBatch) -> Pairs:
        versions = rows.column("source_version").to_pylist()
        if self._sides.ledger is None:
            return Pairs(rows, versions, [None] * rows.num_rows)
        told = [rows.column(name).to_pylist() for name in ("item_type", *LEDGER_COLUMNS)]
        ledgers = [self._ledger_side(*row) for row in zip(*told, strict=True)]
        digests = rows.column("source_digest").to_pylist()
        versions = [
            ledger.row.version if digest is None and ledger is not None and ledger.row is not None else version
            for digest, version, ledger in zip(digests, versions, ledgers, strict=True)
        ]  # rejects carry none, and of a row that is gone the ledger alone tells
        return Pairs(rows, versions, ledgers)

    def _ledger_side(
        self,
        item_type: str | None,
        row_told: bool,
        row_version: int | None,
        row_undelivered: bool | None,
        is_another: bool,
        owner_version: int | None,
        owner_undelivered: bool | None,
        tombstone: int | None,
    ) -> LedgerSide | None:
        ledger = self._sides.ledger
        if ledger is None or item_type not in ledger.readers:
            return None

        def state(version: int | None, undelivered: bool | None) -> RowState:
            return RowState(ledger.first_version if version is None else version, bool(undelivered))

        return LedgerSide(
            row=state(row_version, row_undelivered) if row_told else None,
            owner=state(owner_version, owner_undelivered) if is_another else None,
            next_epoch=ledger.next_epoch,
            marked=item_type in ledger.marked,
            tombstone=-1 if tombstone is None else tombstone,
        )

    def _number(self, query: str) -> int:
        ((number,),) = self._connection.execute(query).fetchall()
        return int(number)


def _pieces(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """So that no piece has many large items."""
    lengths = [pc.fill_null(pc.binary_length(rows.column(name)), 0) for name in ("source_item", "target_item")]
    sizes = pc.add(*lengths).to_pylist()
    start, size = 0, 0
    for number, one in enumerate(sizes, start=1):
        size += one
        if size > PIECE_BYTES:
            yield rows.slice(start, number - start)
            start, size = number, 0
    if start < rows.num_rows:
        yield rows.slice(start)


def _literal(file: Path) -> str:
    """DuckDB takes a path for a pattern."""
    return "'" + re.sub(r"[*?[]", r"[\g<0>]", str(file)).replace("'", "''") + "'"


@cache
def _in_memory() -> duckdb.DuckDBPyConnection:
    """One for all the buckets of a process: to open another takes longer than a small bucket's join."""
    return _database("")


def _database(temp_directory: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": temp_directory,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
