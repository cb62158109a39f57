"""What a mapping comes to on this database: `design.json`. Pure data.

A mapping is drafted from the evidence, or is somebody's own; both are judged in the same way: which pattern each
answers, by which request, what it costs, and what is to be watched.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from importlib.metadata import version

from pydantic import Field

from pipelines.assess.evidence import Frozen

FORMAT = 1


class Choice(Frozen):
    """One decision of the draft. `about`: `orders`, `orders.lines` (an embed), `orders/gsi1` (an index); `rule`: its
    name in docs/assess.md."""

    about: str
    rule: str
    reason: str
    turned_down: tuple[str, ...] = ()


class WarningKind(StrEnum):
    ITEM_SIZE = "item_size"  # items that pass 400 KB, or may
    UNBOUNDED_LIST = "unbounded_list"
    HOT_PARTITION = "hot_partition"
    FAN_OUT = "fan_out"
    TYPE = "type"  # a type that loses something, or that has no form without a word in the mapping
    REJECTS = "rejects"  # rows of the sample that can be no item
    NO_ITEM = "no_item"  # a table that the mapping leaves out
    UNSERVED = "unserved"  # a pattern that no key answers
    INDEXES = "indexes"
    NAME = "name"  # an identifier that a mapping cannot say


class DesignWarning(Frozen):
    """`evidence`: the figures behind the text, by name."""

    kind: WarningKind
    about: str
    text: str
    evidence: dict[str, float] = Field(default={})


class Operation(StrEnum):
    GET = "GetItem"
    BATCH_GET = "BatchGetItem"
    QUERY = "Query"


class Read(Frozen):
    """One request, or one for each of a list of keys (`batch`) or of a key's shards (`shards`).

    `partition` and `sort` are templates as in a mapping; `fills`: of each of their columns that is known, the column of
    the pattern's table whose value it takes or, where the read `follows` another (its number), of the items before it:
    `order_items.product_id` of what these hold.
    `sort_prefix`: what the sort key begins with, where the partition holds more than is asked for; `range_on`: the
    column that bounds `sort`; `sorted_by`: the columns in whose order the items come.
    """

    operation: Operation
    item_type: str
    table: str
    index: str | None = None
    partition_key: str
    partition: str
    fills: dict[str, str] = Field(default={})
    sort_key: str | None = None
    sort: str | None = None
    sort_prefix: str = ""
    range_on: str | None = None
    sorted_by: tuple[str, ...] = ()
    batch: bool = False
    shards: int = 1
    follows: int | None = None


class Answer(Frozen):
    """How a mapping answers a pattern: by all of `reads`; of a write these find its items. `is_served` is false where
    no key does. `left`: what the reader does with what came, in words: filters, an order."""

    pattern: str
    is_served: bool
    reads: tuple[Read, ...]
    reason: str
    left: tuple[str, ...] = ()


class TypeEstimate(Frozen):
    """`items`: rows of the root that pass `where`; sizes in bytes by DynamoDB's rules, of the sampled items, without
    Crossover's own attributes; `index_bytes`: what one item takes in all indexes together, on average."""

    item_type: str
    table: str
    items: int
    items_exact: bool
    sampled: int
    rejected: int  # of the sampled rows
    mean_bytes: float
    p50_bytes: int
    p99_bytes: int
    max_bytes: int
    index_bytes: float
    write_units: float  # of one item written whole, its indexes with it


class PatternEstimate(Frozen):
    """Units of one call; eventually consistent reads. None where calls per second are not known."""

    pattern: str
    read_units: float
    write_units: float
    read_units_per_second: float | None
    write_units_per_second: float | None


class Money(Frozen):
    """USD. `monthly`: of 730 hours. `provisioned` is None where calls per second are not known."""

    on_demand_monthly: float | None
    provisioned_monthly: float | None
    provisioned_read: int | None  # capacity units a second, at 70 % utilisation
    provisioned_write: int | None
    storage_monthly: float


class BackfillEstimate(Frozen):
    """`seconds` at `write_units_per_second`, all tables side by side; None for an import, of which AWS says none."""

    mode: str  # "live", "cold", "import"
    items: int
    write_units: float
    write_units_per_second: float | None
    seconds: float | None
    usd: float


class NightlyEstimate(Frozen):
    """One check. `way`: "scan", of which the reads are paid, or "export", of which the gigabytes are."""

    way: str
    read_units: float
    gigabytes: float
    usd: float


class Estimates(Frozen):
    """`gigabytes`: of the tables, `index_gigabytes`: of their indexes, as they are billed, with 100 bytes more for each
    item; 2**30 bytes each."""

    region: str
    prices_as_of: str
    types: tuple[TypeEstimate, ...]
    patterns: tuple[PatternEstimate, ...]
    gigabytes: float
    index_gigabytes: float
    money: Money
    backfills: tuple[BackfillEstimate, ...]
    nightly: tuple[NightlyEstimate, ...]
    notes: tuple[str, ...] = ()


class Judged(Frozen):
    """One mapping on this database. `file`: where it stands; `choices`: of the draft alone."""

    name: str  # "draft", or the file's name
    file: str
    mapping_hash: str
    mapping: str  # its text
    choices: tuple[Choice, ...] = ()
    answers: tuple[Answer, ...]
    warnings: tuple[DesignWarning, ...]
    estimates: Estimates | None  # None where no sample was taken


class Design(Frozen):
    """`mappings`: the draft first, then those that were given; empty where nothing could be drafted, as a note says."""

    format: int = FORMAT
    crossover: str = Field(default_factory=lambda: version("crossover"))
    source: str
    evidence_taken_at: datetime
    mappings: tuple[Judged, ...]
    notes: tuple[str, ...] = ()
