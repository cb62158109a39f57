"""The three small tables that Great Expectations judges, made from the report."""

from __future__ import annotations

import pandas as pd  # type: ignore[import-untyped]

from expectations.report_data import ReportData
from expectations.words import VERDICTS


def verdicts_table(data: ReportData) -> pd.DataFrame:
    """One row per item type: `item_type`, one column per verdict of VERDICTS, and `judged`: all but the rejected."""
    counted = [verdict.verdict for verdict in data.verdicts]
    rows = [
        {"item_type": one.item_type, **dict.fromkeys(VERDICTS, 0), **dict(zip(counted, one.counts, strict=True))}
        for one in data.item_types
    ]
    frame = pd.DataFrame(rows, columns=["item_type", *VERDICTS])
    numbers = frame.astype(dict.fromkeys(VERDICTS, "int64"))
    return numbers.assign(judged=numbers[list(VERDICTS)].sum(axis=1) - numbers["rejected"])


def accounts_table(data: ReportData) -> pd.DataFrame:
    """One row per account: `account`, `total`, `parts`, and `gap`: what is missing or too much."""
    rows = [
        (account.where, account.total.count, account.parts_total, account.total.count - account.parts_total)
        for account in data.accounts
    ]
    return pd.DataFrame(rows, columns=["account", "total", "parts", "gap"])


def differences_table(data: ReportData) -> pd.DataFrame:
    """One row per sample: `verdict`, `item_type`, `table`, `paths` (how many), `sides` (how many hold the item).

    No key and no value of a row goes into the data docs.
    """
    rows = [
        (
            sample.verdict,
            sample.item_type,
            sample.table,
            len(sample.paths) + sample.more_paths,
            sum(size is not None for size in (sample.source_size, sample.target_size)),
        )
        for sample in data.samples
    ]
    frame = pd.DataFrame(rows, columns=["verdict", "item_type", "table", "paths", "sides"])
    return frame.astype({"paths": "int64", "sides": "int64"})
