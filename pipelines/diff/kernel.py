"""Joins one bucket of both sides on (table, key), vectorised, reading `item` only where the digests differ.

What is settled by the join alone (both sides there, mapped, no version ahead, equal digests) is only counted; all
else comes out as pairs to be judged. DuckDB runs on one thread within a fixed memory, and spills to disk beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa

from pipelines.diff.verdict import SourceSide, TargetSide
from pipelines.errors import AccountsError
from pipelines.warehouse.arrow_files import arrow_dataset
from pipelines.warehouse.place import Place

MEMORY_LIMIT = "1GB"
FETCH_ROWS = 1_000

REJECT_COLUMNS = ("item_type", "source_key", "table", "key", "size")


@dataclass(frozen=True)
class BucketSides:
    """`source_files`, `target_files`: the bucket's records. `rejects`: REJECT_COLUMNS of the bucket's rejects."""

    bucket: int
    source_files: tuple[Place, ...]
    target_files: tuple[Place, ...]
    rejects: pa.Table


@dataclass(frozen=True)
class SideCounts:
    source_records: int
    source_rejects: int
    target_items: int


@dataclass(frozen=True)
class Pair:
    """What is known of one key, or of a reject without one. The items are there where both are and differ."""

    item_type: str | None
    table: str
    key: str | None
    source_key: str | None
    source: SourceSide | None
    target: TargetSide | None
    source_size: int | None
    target_size: int | None
    source_item: str | None
    target_item: str | None


class BucketJoin:
    """A context manager. `scratch` is the folder to spill into; it need not exist.

    A source row claims the target's item of its key. Where rejects share a key, one of them does, and none where a
    record has the key: so no item of the target is counted twice.
    Raises AccountsError where one side has a key twice.
    """

    def __init__(self, sides: BucketSides, scratch: Path) -> None:
        self._sides = sides
        self._connection = duckdb.connect(
            config={
                "threads": 1,
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(scratch),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )

    def __enter__(self) -> BucketJoin:
        try:
            self._load()
            self._connection.execute(_JOIN)
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def counts(self) -> SideCounts:
        return SideCounts(
            source_records=self._number("SELECT count(*) FROM source WHERE digest IS NOT NULL"),
            source_rejects=self._number("SELECT count(*) FROM source WHERE digest IS NULL"),
            target_items=self._number("SELECT count(*) FROM target"),
        )

    def matches(self) -> dict[str, int]:
        """The settled ones per item type."""
        rows = self._connection.execute("SELECT item_type, count(*) FROM joined WHERE settled GROUP BY item_type")
        return dict(rows.fetchall())

    def pairs(self) -> Iterator[Pair]:
        """All others, by table, key, item type and source key."""
        if self._number("SELECT count(differing_key) FROM joined"):
            for side, files in self._files.items():
                if files:
                    self._connection.execute(_READ_ITEMS[side])
        rows = self._connection.execute(_PAIRS)
        while batch := rows.fetchmany(FETCH_ROWS):
            yield from (_pair(*row) for row in batch)

    def _load(self) -> None:
        self._connection.execute(_TABLES)
        for side, files in self._files.items():
            if files:
                self._name_files(side, files)
                self._connection.execute(_LOAD[side])
            self._check_distinct(side)
        self._connection.register("rejects", self._sides.rejects)
        self._connection.execute(_LOAD_REJECTS)

    def _check_distinct(self, side: str) -> None:
        twice = self._number(_TWICE[side])
        if twice:
            raise AccountsError(
                f"bucket {self._sides.bucket}: {twice:,} keys are on the {side} side more than once; "
                f"make {'the records' if side == 'source' else 'the dump'} again"
            )

    @property
    def _files(self) -> dict[str, tuple[Place, ...]]:
        return {"source": self._sides.source_files, "target": self._sides.target_files}

    def _name_files(self, side: str, files: tuple[Place, ...]) -> None:
        """As the relation `<side>_files`: DuckDB reads a disk by itself, and what is elsewhere through Arrow, in both
        cases the columns of a query only."""
        paths = [_literal(file.local) for file in files if file.local is not None]
        if len(paths) == len(files):
            self._connection.read_parquet(paths, hive_partitioning=False).create_view(f"{side}_files")
        else:
            self._connection.register(f"{side}_files", arrow_dataset(files))

    def _number(self, query: str) -> int:
        ((number,),) = self._connection.execute(query).fetchall()
        return int(number)


def _literal(file: Path) -> str:
    """DuckDB takes a path for a pattern."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(file))


def _pair(
    item_type: str | None,
    table: str,
    key: str | None,
    source_key: str | None,
    in_source: bool,
    source_digest: bytes | None,
    source_version: int | None,
    source_size: int | None,
    in_target: bool,
    target_digest: bytes,
    target_version: int | None,
    target_mapped: bool,
    target_size: int | None,
    *items: str | None,
) -> Pair:
    return Pair(
        item_type=item_type,
        table=table,
        key=key,
        source_key=source_key,
        source=SourceSide(source_digest, source_version or 0) if in_source else None,
        target=TargetSide(target_digest, target_version, target_mapped) if in_target else None,
        source_size=source_size,
        target_size=target_size,
        source_item=items[0],
        target_item=items[1],
    )


_TABLES = """
CREATE TEMP TABLE source (
    item_type VARCHAR, "table" VARCHAR, key VARCHAR, claimed VARCHAR, source_key VARCHAR,
    digest BLOB, version BIGINT, size BIGINT
);
CREATE TEMP TABLE target (
    item_type VARCHAR, "table" VARCHAR, key VARCHAR, digest BLOB, version BIGINT, size BIGINT
);
CREATE TEMP TABLE source_items ("table" VARCHAR, key VARCHAR, item VARCHAR);
CREATE TEMP TABLE target_items ("table" VARCHAR, key VARCHAR, item VARCHAR);
"""

_LOAD = {
    "source": """
INSERT INTO source
SELECT item_type, "table", key, key, source_key, digest, version, size FROM source_files
""",
    "target": """
INSERT INTO target
SELECT item_type, "table", key, digest, version, size FROM target_files
""",
}

_TWICE = {
    side: f'SELECT count(*) FROM (SELECT 1 FROM {side} GROUP BY "table", key HAVING count(*) > 1)'  # noqa: S608
    for side in ("source", "target")
}

_LOAD_REJECTS = """
INSERT INTO source
SELECT r.item_type, r."table", r.key,
       CASE WHEN s.key IS NULL
             AND row_number() OVER (PARTITION BY r."table", r.key ORDER BY r.item_type, r.source_key) = 1
            THEN r.key END,
       r.source_key, NULL, 0, r.size
FROM rejects r LEFT JOIN source s ON s."table" = r."table" AND s.key = r.key
"""

_JOIN = """
CREATE TEMP TABLE joined AS
SELECT coalesce(s.digest = t.digest AND t.item_type IS NOT NULL AND t.version <= s.version, false) AS settled,
       coalesce(s.item_type, t.item_type) AS item_type,
       CASE WHEN NOT settled THEN coalesce(s."table", t."table") END AS "table",
       CASE WHEN NOT settled THEN coalesce(s.key, t.key) END AS key,
       CASE WHEN NOT settled THEN s.source_key END AS source_key,
       s."table" IS NOT NULL AS in_source,
       CASE WHEN NOT settled THEN s.digest END AS source_digest,
       s.version AS source_version,
       s.size AS source_size,
       t."table" IS NOT NULL AS in_target,
       CASE WHEN NOT settled THEN t.digest END AS target_digest,
       t.version AS target_version,
       t.item_type IS NOT NULL AS target_mapped,
       t.size AS target_size,
       CASE WHEN s.digest <> t.digest THEN t.key END AS differing_key
FROM source s FULL OUTER JOIN target t ON s."table" = t."table" AND s.claimed = t.key
"""

_READ_ITEMS = {
    side: f"""
INSERT INTO {side}_items
SELECT "table", key, item FROM {side}_files
WHERE key IN (SELECT differing_key FROM joined WHERE differing_key IS NOT NULL)
"""  # noqa: S608
    for side in ("source", "target")
}

_PAIRS = """
SELECT j.item_type, j."table", j.key, j.source_key,
       j.in_source, j.source_digest, j.source_version, j.source_size,
       j.in_target, j.target_digest, j.target_version, j.target_mapped, j.target_size,
       s.item, t.item
FROM joined j
LEFT JOIN source_items s ON s."table" = j."table" AND s.key = j.differing_key
LEFT JOIN target_items t ON t."table" = j."table" AND t.key = j.differing_key
WHERE NOT j.settled
ORDER BY j."table", j.key NULLS LAST, j.item_type, j.source_key
"""
