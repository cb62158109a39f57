"""The expectations, as code. Each carries one sentence on the failure that it guards against.

`great_expectations` takes seconds to import: this module is imported only where a report is made.
Suite names and the expectations' order are stable: data docs of two runs can be laid side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import great_expectations as gx
import pandas as pd  # type: ignore[import-untyped]
from great_expectations.expectations.core.expect_column_sum_to_be_between import ExpectColumnSumToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
from great_expectations.expectations.core.expect_table_row_count_to_be_between import ExpectTableRowCountToBeBetween
from great_expectations.expectations.core.expect_table_row_count_to_equal import ExpectTableRowCountToEqual
from great_expectations.expectations.row_conditions import Column

from expectations.equal_stores import ExpectItemTypeToBeEqualInBothStores
from expectations.report_data import ReportData
from expectations.tables import accounts_table, differences_table, verdicts_table
from expectations.words import VERDICTS

GUARDS = {
    "mismatch": "An item that was written with other content than its rows have, or that was changed since.",
    "missing": "A row that never reached DynamoDB, or whose item was removed there.",
    "extra": "An item whose row is gone: a delete that never reached DynamoDB.",
    "stale": "An update of a row that never reached DynamoDB.",
    "ahead": "An item that somebody wrote past the source.",
    "foreign": "An item that Crossover did not write, and would not overwrite.",
    "unmapped": "An item under a key that no row could ever have.",
}


@dataclass(frozen=True)
class Check:
    """One suite and the table that it judges."""

    name: str
    table: pd.DataFrame
    suite: gx.ExpectationSuite


def checks_of(data: ReportData, rejected_at_most: int) -> tuple[Check, Check, Check]:
    """The suites `verdicts`, `accounts` and `differences`."""
    return (
        Check("verdicts", verdicts_table(data), _verdicts(data, rejected_at_most)),
        Check("accounts", accounts_table(data), _accounts()),
        Check("differences", differences_table(data), _differences(len(data.samples))),
    )


def _verdicts(data: ReportData, rejected_at_most: int) -> gx.ExpectationSuite:
    """Passes exactly when the stores are consistent."""
    never = [
        ExpectColumnValuesToBeBetween(column=verdict, min_value=0, max_value=0, notes=guards)
        for verdict, guards in GUARDS.items()
    ]
    rejected = ExpectColumnSumToBeBetween(
        column="rejected",
        min_value=0,
        max_value=rejected_at_most,
        notes="More rows that cannot become items than the mapping's threshold lets pass.",
    )
    judged = ExpectColumnSumToBeBetween(
        column="judged", min_value=1, notes="A verification that compared nothing, and so found nothing."
    )
    reasons = ExpectColumnValuesToBeBetween(
        column="reasons",
        min_value=0,
        max_value=0,
        notes="What else the diff has against it: undecided items, buckets not compared, a gap of capture.",
    )
    equal = [
        ExpectItemTypeToBeEqualInBothStores(
            item_type=one.item_type, notes="Items of this type that one store holds otherwise than the other."
        )
        for one in data.item_types
    ]
    return gx.ExpectationSuite(name="verdicts", expectations=[*never, rejected, judged, reasons, *equal])


def _accounts() -> gx.ExpectationSuite:
    gap = ExpectColumnValuesToBeBetween(
        column="gap", min_value=0, max_value=0, notes="Rows or items that vanished, or appeared, between two stages."
    )
    some = ExpectTableRowCountToBeBetween(min_value=1, notes="Stages that kept no accounts at all.")
    return gx.ExpectationSuite(name="accounts", expectations=[gap, some])


def _differences(samples: int) -> gx.ExpectationSuite:
    mismatch = Column("verdict") == "mismatch"
    known = ExpectColumnValuesToBeInSet(
        column="verdict",
        value_set=[verdict for verdict in VERDICTS if verdict != "match"],
        notes="A difference that is none, or of a kind that this version does not know.",
    )
    explained = ExpectColumnValuesToBeBetween(
        column="paths",
        min_value=1,
        row_condition=mismatch,
        notes="Two items with unequal digests in which no attribute was found to differ.",
    )
    both = ExpectColumnValuesToBeBetween(
        column="sides",
        min_value=2,
        row_condition=mismatch,
        notes="A mismatch with only one side: it should have been missing or extra.",
    )
    rows = ExpectTableRowCountToEqual(value=samples, notes="A sample that lost rows on its way here.")
    return gx.ExpectationSuite(name="differences", expectations=[known, explained, both, rows])
