"""What the statements of a database are: `patterns.json`. Pure data, made from evidence and statements."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from importlib.metadata import version

from pydantic import Field

from pipelines.assess.evidence import Frozen

FORMAT = 1


class PatternClass(StrEnum):
    """What a statement would be against DynamoDB, taken by itself. Each statement has exactly one."""

    POINT_READ = "point_read"  # GetItem, or BatchGetItem for a list
    PARTITION_READ = "partition_read"  # Query of one partition
    RANGE_READ = "range_read"  # Query of one partition, within a range of its sort key
    NEEDS_GSI = "needs_gsi"
    NEEDS_DENORMALISATION = "needs_denormalisation"
    NOT_FOR_DYNAMODB = "not_for_dynamodb"
    WRITE = "write"
    OUTSIDE = "outside"  # it touches no table that was assessed: utility statements, the catalogue, other schemas
    UNREADABLE = "unreadable"


class Alternative(StrEnum):
    """What to do with a statement that is not for DynamoDB."""

    KEEP_IN_RDS = "keep_in_rds"
    STREAM_OUT = "stream_out"
    PRECOMPUTE = "precompute"


class WriteKind(StrEnum):
    INSERT = "insert"
    UPSERT = "upsert"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    TRUNCATE = "truncate"


class Join(Frozen):
    """A step from a table to `table`, whose `columns` equal the `others` of the table before. `down`: from one row to
    many."""

    table: str
    columns: tuple[str, ...]
    others: tuple[str, ...]
    down: bool


class Embed(Frozen):
    """A join that the item answers by holding the other table's rows. `path`: tables from the item's own to the other,
    `joins`: the steps between them; `columns`: of the other table, that the statement uses, None for all; `rows`: that
    one item would hold, on average and at the most, None where it is not known."""

    path: tuple[str, ...]
    joins: tuple[Join, ...] = ()
    columns: tuple[str, ...] | None = None
    on: str
    form: str  # "map", "list", or "items": rows of their own in the same partition
    rows: float | None
    rows_most: float | None


class Branch(Frozen):
    """One read of one table's items. `keys`: the columns that find them, `lower(email)` where not the value itself is
    asked for; `sort`: the column that orders or, where it is `ranged`, bounds what is found, `prefixed` where that is
    by `LIKE 'x%'` alone; `batch`: a list of keys; `sparse`: whether the key is NULL is asked, not its value;
    `filters`: columns that are tested after the read, or the name of the partition that the rows must be in; `order`:
    those of ORDER BY, `-` before one that falls.
    """

    pattern: PatternClass
    table: str
    keys: tuple[str, ...] = ()
    sort: str | None = None
    ranged: bool = False
    prefixed: bool = False
    batch: bool = False
    sparse: bool = False
    filters: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    embeds: tuple[Embed, ...] = ()


class FanOut(Frozen):
    """Items that one written row touches if `path` were embedded so; the written table comes first, the item's own
    table last. None where it is not known."""

    path: tuple[str, ...]
    items: float | None
    items_most: float | None


class Write(Frozen):
    """`columns`: those that are set, none for a delete or where the statement does not name them. `located`: the class
    of finding the rows, `finds` the read that does."""

    kind: WriteKind
    table: str
    columns: tuple[str, ...]
    located: PatternClass | None
    finds: Branch | None = None
    fan_out: tuple[FanOut, ...]


class Load(Frozen):
    """Shares are 0 to 1 of all patterns; None where the statements' source does not tell."""

    calls: int
    calls_per_second: float | None
    share_of_calls: float
    milliseconds: float | None
    share_of_time: float | None
    rows: int | None
    rows_per_call: float | None


class Pattern(Frozen):
    """One shape of statement. `text` has parameters for all values and is None where it could not be made sure.

    `table`: whose item answers it; the fields that Branch has are those of the read, or of the worst where it takes
    several: `branches` are all of them. `once`: a row that the reads find twice is put out once.
    """

    id: str
    pattern: PatternClass
    reason: str
    text: str | None
    table: str | None = None
    keys: tuple[str, ...] = ()
    sort: str | None = None
    ranged: bool = False
    prefixed: bool = False
    batch: bool = False
    sparse: bool = False
    filters: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    once: bool = False
    embeds: tuple[Embed, ...] = ()
    branches: tuple[Branch, ...] = ()
    alternative: Alternative | None = None
    locks: bool = False
    limit: bool = False
    writes: tuple[Write, ...] = ()
    load: Load
    positions: tuple[str, ...]  # where it stands, the first few


class Patterns(Frozen):
    """`statements` = the sum of `classes`: texts, before those of one shape became one pattern."""

    format: int = FORMAT
    crossover: str = Field(default_factory=lambda: version("crossover"))
    source: str
    evidence_taken_at: datetime
    window_seconds: float | None
    statements: int
    classes: dict[PatternClass, int]
    patterns: tuple[Pattern, ...]  # by share of the load, falling
