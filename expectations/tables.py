"""The three small tables that Great Expectations judges, made from the report."""

from __future__ import annotations

import pandas as pd  # type: ignore[import-untyped]

from expectations.report_data import ReportData, Sample, ShownValue
from expectations.words import VERDICTS

SAMPLES_PER_ITEM_TYPE = 5
PATHS_PER_SAMPLE = 8
_ABSENT = "absent"


def verdicts_table(data: ReportData) -> pd.DataFrame:
    """One row per item type: `item_type`, one column per verdict of VERDICTS, `judged`: all but the rejected,
    `reasons`: how many the diff has against consistency, in every row the same, and `samples`: of `sample_rows`."""
    counted = [verdict.verdict for verdict in data.verdicts]
    rows = [
        {"item_type": one.item_type, **dict.fromkeys(VERDICTS, 0), **dict(zip(counted, one.counts, strict=True))}
        for one in data.item_types
    ]
    frame = pd.DataFrame(rows, columns=["item_type", *VERDICTS])
    numbers = frame.astype(dict.fromkeys(VERDICTS, "int64"))
    return numbers.assign(
        judged=numbers[list(VERDICTS)].sum(axis=1) - numbers["rejected"],
        reasons=len(data.reasons),
        samples=[sample_rows(data, one.item_type) for one in data.item_types],
    )


def sample_rows(data: ReportData, item_type: str) -> list[tuple[str, str, str, str]]:
    """Of a few items of the type, one row per attribute that differs: the item, in its first row only, the path, and
    both sides."""
    samples = [sample for sample in data.samples if sample.item_type == item_type]
    return [row for sample in samples[:SAMPLES_PER_ITEM_TYPE] for row in _sides(sample)]


def accounts_table(data: ReportData) -> pd.DataFrame:
    """One row per account: `account`, `total`, `parts`, and `gap`: what is missing or too much."""
    rows = [
        (account.where, account.total.count, account.parts_total, account.total.count - account.parts_total)
        for account in data.accounts
    ]
    return pd.DataFrame(rows, columns=["account", "total", "parts", "gap"])


def differences_table(data: ReportData) -> pd.DataFrame:
    """One row per sample: `verdict`, `item_type`, `table`, `paths` (how many), `sides` (how many hold the item)."""
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


def _sides(sample: Sample) -> list[tuple[str, str, str, str]]:
    item = f"{sample.verdict} {sample.key}"
    if not sample.paths:
        here = [_ABSENT if size is None else "an item" for size in (sample.source_size, sample.target_size)]
        return [(item, "", here[0], here[1])]
    return [
        ("" if row else item, path.path, _shown(path.source), _shown(path.target))
        for row, path in enumerate(sample.paths[:PATHS_PER_SAMPLE])
    ]


def _shown(value: ShownValue | None) -> str:
    return _ABSENT if value is None else f"{value.text} {value.type}".rstrip()
