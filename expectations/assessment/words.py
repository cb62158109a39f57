"""What the files of an assessment say in short, in a reader's words."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.assess.design import WarningKind
from pipelines.assess.evidence import RowsFrom, StatementsFrom
from pipelines.assess.patterns import Alternative, PatternClass


@dataclass(frozen=True)
class WarningWords:
    """`stops`: a migration by this mapping would fail, or leave something unanswered, unless it is dealt with."""

    title: str
    stops: bool
    todo: str


WARNINGS: dict[WarningKind, WarningWords] = {
    WarningKind.ITEM_SIZE: WarningWords(
        "Items over 400 KB, or near it", True, "DynamoDB refuses larger ones: give a list items of its own."
    ),
    WarningKind.REJECTS: WarningWords(
        "Rows that can be no item", True, "Mend the rows, or say in the mapping what becomes of them."
    ),
    WarningKind.UNSERVED: WarningWords(
        "Statements that no key answers", True, "Add an index, keep them where they are, or do without."
    ),
    WarningKind.HOT_PARTITION: WarningWords(
        "Partitions that are hot",
        False,
        "One partition takes 3,000 read and 1,000 write units a second: shard its key.",
    ),
    WarningKind.UNBOUNDED_LIST: WarningWords(
        "Lists that grow without end", False, "Give the list a limit, or its rows items of their own."
    ),
    WarningKind.FAN_OUT: WarningWords(
        "Writes that touch many items", False, "Each change of such a row is written to every item that holds it."
    ),
    WarningKind.TYPE: WarningWords(
        "Types that lose something", False, "Say in the mapping's types how their values are to be kept."
    ),
    WarningKind.NAME: WarningWords(
        "Names that a mapping cannot say", False, "Give the table or column another name, or a view over it."
    ),
    WarningKind.NO_ITEM: WarningWords(
        "Tables that the mapping leaves out", False, "Nothing of them reaches DynamoDB. Say so, or add an item type."
    ),
    WarningKind.INDEXES: WarningWords(
        "Indexes", False, "A table has 20 global secondary indexes by default; each is written along with its items."
    ),
}
"""In the order in which the page shows them."""

ALTERNATIVES: dict[Alternative, str] = {
    Alternative.KEEP_IN_RDS: "keep it in the relational database",
    Alternative.STREAM_OUT: "stream the items to where analytics or search are run",
    Alternative.PRECOMPUTE: "have the writers maintain the result as an attribute",
}

STATEMENTS_FROM: dict[StatementsFrom, str] = {
    StatementsFrom.PG_STAT_STATEMENTS: "pg_stat_statements",
    StatementsFrom.SQL: "a file of SQL, each statement counted once",
    StatementsFrom.CSVLOG: "a log in CSV",
    StatementsFrom.STDERR: "a log in text",
    StatementsFrom.NONE: "nowhere: no statement is known",
}

ROWS_FROM: dict[RowsFrom, str] = {
    RowsFrom.EMPTY: "",
    RowsFrom.STATISTICS: "",
    RowsFrom.PAGES: "never analysed: from its first pages",
    RowsFrom.ACTIVITY: "never analysed: inserted less deleted",
    RowsFrom.UNKNOWN: "never analysed",
}
"""What is to be known of a table's number of rows; "" where it is as good as PostgreSQL's planner has it."""

COLOURS: dict[PatternClass, str] = {
    PatternClass.POINT_READ: "good",
    PatternClass.PARTITION_READ: "good",
    PatternClass.RANGE_READ: "good",
    PatternClass.NEEDS_GSI: "note",
    PatternClass.NEEDS_DENORMALISATION: "note",
    PatternClass.NOT_FOR_DYNAMODB: "bad",
    PatternClass.WRITE: "link",
    PatternClass.OUTSIDE: "plain",
    PatternClass.UNREADABLE: "plain",
}

READS = frozenset(PatternClass) - {PatternClass.WRITE, PatternClass.OUTSIDE, PatternClass.UNREADABLE}

BY_KEY = frozenset({PatternClass.POINT_READ, PatternClass.PARTITION_READ, PatternClass.RANGE_READ})
