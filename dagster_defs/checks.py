"""All asset checks of a migration, each on the asset that it is about."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dagster_defs.check import asset_checks
from dagster_defs.check_accounts import (
    accounts_check,
    backfill_accounts,
    diff_accounts,
    dump_accounts,
    records_accounts,
    snapshot_accounts,
)
from dagster_defs.check_source import capture_checks, rejects_check
from dagster_defs.check_verdicts import diff_checks
from dagster_defs.cutover import cutover_checks
from dagster_defs.freshness import freshness_checks
from pipelines.mapping.model import Mapping


def migration_checks(mapping: Mapping, path: Path) -> list[dg.AssetChecksDefinition]:
    """ERROR where something is wrong or a limit is passed; WARN where something is undecided or was accepted."""
    of_assets = {
        "capture": capture_checks(),
        "snapshot": [accounts_check("snapshot", snapshot_accounts)],
        "records": [accounts_check("records", records_accounts), rejects_check()],
        "backfill": [accounts_check("backfill", backfill_accounts, job="backfill")],
        "dump": [accounts_check("dump", dump_accounts)],
        "diff": [*diff_checks(mapping), accounts_check("diff", diff_accounts)],
        "report": [*freshness_checks(mapping), *cutover_checks()],
    }
    return [
        asset_checks(dg.AssetKey([mapping.migration, asset]), checks, path)
        for asset, checks in of_assets.items()
        if checks
    ]
