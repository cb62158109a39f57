"""What the newest diff comes to, as asset checks: one of the migration, two of each item type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import dagster as dg

from dagster_defs.step import address_of, failing_in_one_line, group_of
from expectations.links import PAGE
from expectations.standing import undecided, wrong
from pipelines.mapping.model import Mapping as Model
from pipelines.migration import Migration
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import DiffManifest, Verdicts

CONSISTENT = "consistent"
_OF_THE_RUN = {"coverage", "judged_again", "not_judged_again"}


Metadata = Mapping[str, str | dg.UrlMetadataValue]


@dataclass(frozen=True)
class ItemTypeChecks:
    """`consistent` and `settled` are the names of its two checks."""

    item_type: str
    consistent: str
    settled: str

    def specs(self, diff: dg.AssetKey) -> list[dg.AssetCheckSpec]:
        return [
            dg.AssetCheckSpec(
                self.consistent,
                asset=diff,
                description=f"{self.item_type}: no mismatch, missing, stale, extra, ahead or foreign, and no more "
                "rejected than the mapping lets pass.",
            ),
            dg.AssetCheckSpec(
                self.settled,
                asset=diff,
                description=f"{self.item_type}: nothing pending, in flight or accepted. A warning.",
            ),
        ]

    def results(
        self, diff: dg.AssetKey, verdicts: Verdicts, rejected_at_most: int, link: Metadata
    ) -> list[dg.AssetCheckResult]:
        spoilt, unsettled = wrong(verdicts), undecided(verdicts) + verdicts.accepted
        return [
            dg.AssetCheckResult(
                asset_key=diff,
                check_name=self.consistent,
                passed=spoilt == 0 and verdicts.rejected <= rejected_at_most,
                description=f"{spoilt:,} wrong, {verdicts.rejected:,} rejected",
                metadata={**link, "wrong": spoilt, **verdicts.model_dump()},
            ),
            dg.AssetCheckResult(
                asset_key=diff,
                check_name=self.settled,
                passed=unsettled == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{verdicts.pending:,} pending, {verdicts.in_flight:,} in flight, "
                f"{verdicts.accepted:,} accepted",
                metadata={**link, "unsettled": unsettled, **verdicts.model_dump()},
            ),
        ]


def item_type_checks(item_types: Iterable[str]) -> list[ItemTypeChecks]:
    """Names of checks hold letters, digits and underscores only; item types that come to the same are numbered."""
    names: dict[str, str] = {}
    for item_type in item_types:
        plain = group_of(item_type)
        numbered = (f"{plain}_{number}" for number in count(2))
        names[next(name for name in chain([plain], numbered) if name not in names)] = item_type
    return [ItemTypeChecks(item_type, f"{name}_consistent", f"{name}_settled") for name, item_type in names.items()]


def migration_checks(mapping: Model, path: Path) -> dg.AssetChecksDefinition:
    """ERROR where something is wrong or a threshold is passed; WARN where something is undecided or was accepted."""
    diff = dg.AssetKey([mapping.migration, "diff"])
    by_item_type = item_type_checks(mapping.items)
    whole = dg.AssetCheckSpec(
        CONSISTENT,
        asset=diff,
        description="Both stores hold the same data: no mismatch, missing, stale, extra, ahead, foreign or unmapped, "
        "nothing undecided, no threshold passed.",
    )

    @dg.multi_asset_check(
        name=f"{group_of(mapping.migration)}_checks",
        specs=[whole, *(spec for one in by_item_type for spec in one.specs(diff))],
    )
    def checks() -> Iterator[dg.AssetCheckResult]:
        with failing_in_one_line():
            opened = Migration.open(path)
            run_id = opened.folder.latest("diffs", "materialize `diff` first")
            run = read_manifest(opened.folder.diff(run_id), DiffManifest, opened.mapping_hash)
        page = opened.folder.report(run_id) / PAGE
        link: Metadata = {"run_id": run_id, "report": dg.MetadataValue.url(address_of(page))}
        yield dg.AssetCheckResult(
            asset_key=diff,
            check_name=CONSISTENT,
            passed=run.consistent,
            description="; ".join(run.reasons) or "consistent",
            metadata={**link, **run.model_dump(include=_OF_THE_RUN), **run.verdicts.model_dump()},
        )
        for one in by_item_type:
            verdicts = run.item_types.get(one.item_type, Verdicts())
            yield from one.results(diff, verdicts, opened.mapping.checks.thresholds.rejected, link)

    return checks
