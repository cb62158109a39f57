"""Two mappings or more, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expectations.assessment.figures import duration, number, share, size, usd
from expectations.assessment.shown_patterns import served
from pipelines.assess.design import Estimates, Judged
from pipelines.assess.patterns import Patterns
from pipelines.mapping.model import Mapping

_GIB = 2**30
_NO_SAMPLE = "no sample"


@dataclass(frozen=True)
class ComparedRow:
    """`values`: one for each mapping, in their order."""

    label: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def compared(patterns: Patterns, mappings: Sequence[tuple[Mapping, Judged]]) -> tuple[ComparedRow, ...]:
    columns = [_column(patterns, mapping, judged) for mapping, judged in mappings]
    labels = dict.fromkeys(label for column in columns for label in column)
    return tuple(ComparedRow(label, tuple(column.get(label, "–") for column in columns)) for label in labels)


def _column(patterns: Patterns, mapping: Mapping, judged: Judged) -> dict[str, str]:
    answered = served(patterns, judged)
    indexes = sum(len(table.indexes) for table in mapping.target.tables.values())
    found = {
        "Item types": number(len(mapping.items)),
        "DynamoDB tables": number(len(mapping.target.tables)),
        "Indexes": number(indexes),
        "Reads that a key answers": f"{answered.served:,} of {answered.reads:,}",
        "Share of the reads' load": share(answered.load),
        "Warnings": number(len(judged.warnings)),
    }
    return found | (_estimated(judged.estimates) if judged.estimates is not None else {"Estimates": _NO_SAMPLE})


def _estimated(estimates: Estimates) -> dict[str, str]:
    money = estimates.money
    found = {
        "Items": number(sum(one.items for one in estimates.types)),
        "Size of the tables": size(estimates.gigabytes * _GIB),
        "Size of the indexes": size(estimates.index_gigabytes * _GIB),
        "A month on demand": usd(money.on_demand_monthly),
        "A month provisioned": usd(money.provisioned_monthly),
        "A month of storage": usd(money.storage_monthly),
    }
    for backfill in estimates.backfills:
        takes = f", {duration(backfill.seconds)}" if backfill.seconds is not None else ""
        found[f"Backfill, {backfill.mode}"] = f"{usd(backfill.usd)}{takes}"
    for nightly in estimates.nightly:
        found[f"Nightly check, {nightly.way}"] = usd(nightly.usd)
    return found
