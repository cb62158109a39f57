"""The asset `assessment` and the job that makes it: what the source is asked, and what the mapping comes to on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dagster_defs.mapping_metadata import mapping_metadata
from dagster_defs.migrations import Found
from dagster_defs.owners import owners
from dagster_defs.running import pool_of, tags_of
from dagster_defs.step import Metadata, Numbers, address_of, failing_in_one_line, group_of, result
from expectations.assessment.overview import totals
from expectations.assessment.shown_patterns import served
from expectations.assessment.write import write_page
from pipelines.assess.assess import Assessment, assess
from pipelines.assess.design import Judged
from pipelines.assess.folder import EVIDENCE, read_evidence
from pipelines.errors import WarehouseError
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.model import Mapping, bodies
from pipelines.migration import Migration
from pipelines.source.connect import identity, source_url
from pipelines.warehouse.layout import MigrationFolder, new_id
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def assessment_asset(found: Found) -> dg.AssetsDefinition:
    migration = found.mapping.migration

    @dg.asset(
        key=[migration, "assessment"],
        group_name=group_of(migration),
        kinds={"postgres", "html"},
        owners=owners(),
        metadata=mapping_metadata(found, "assessment"),
        pool=pool_of(migration, "assessment"),
    )
    def assessment() -> dg.MaterializeResult[None]:
        """One row is one access pattern of the source, and how the mapping answers it.

        Growth is told since the run before. Nothing is written but the page and its files.
        """
        with failing_in_one_line():
            return result(assessment_metadata(found.path))

    return assessment


def assess_job(migration: str) -> UnresolvedAssetJobDefinition:
    """The job `<migration>_assess`."""
    return dg.define_asset_job(
        name=f"{group_of(migration)}_assess",
        selection=dg.AssetSelection.assets([migration, "assessment"]),
        description=f"{migration}: what the source is asked, how the mapping answers it, how the tables have grown",
        executor_def=dg.in_process_executor,
        tags=tags_of(migration, "assess"),
    )


def assessment_metadata(path: Path) -> Metadata:
    """Assesses the source, judges the mapping beside the draft, and writes the page. Raises CrossoverError."""
    opened = Migration.open(path)
    url = source_url(opened.mapping)
    run_id = new_id()
    folder = opened.folder.assessment(run_id)
    found = assess(
        url,
        _schemas(opened.mapping),
        folder,
        since=_earlier(opened.folder, identity(url)),
        mappings=[path],
    )
    page = write_page(folder, found)
    return {
        "run_id": run_id,
        "report": dg.MetadataValue.url(address_of(page)),
        **_seen(found),
        **_by_table(found, opened.mapping),
        **_judged(found, found.design.mappings[-1]),
    }


def _schemas(mapping: Mapping) -> list[str]:
    """Those that the mapping reads, its own first: names without a schema are of that."""
    return sorted(
        {ref.schema_name for ref in _tables(mapping)}, key=lambda name: (name != mapping.source.schema_, name)
    )


def _tables(mapping: Mapping) -> set[TableRef]:
    return {body.from_.ref(mapping.source.schema_) for body in bodies(mapping)}


def _earlier(folder: MigrationFolder, source: str) -> Place | None:
    """The evidence of the newest run on this source; another's, and what is damaged, is passed over."""
    for run in reversed((folder.root / "assessments").children()):
        try:
            if read_evidence(run / EVIDENCE).source == source:
                return run / EVIDENCE
        except WarehouseError:
            continue
    return None


def _seen(found: Assessment) -> Numbers:
    seen = totals(found.evidence, found.patterns)
    return _known(
        {
            "tables": seen.tables,
            "rows": seen.rows,
            "bytes": seen.bytes,
            "index_bytes": seen.index_bytes,
            "grown_rows": seen.grown_rows,
            "grown_bytes": seen.grown_bytes,
            "grown_days": seen.grown_days,
            "statements": found.patterns.statements,
            "patterns": len(found.patterns.patterns),
            "calls": seen.calls,
            "calls_per_second": seen.calls_per_second,
        }
    )


def _by_table(found: Assessment, mapping: Mapping) -> Numbers:
    """Of the tables that the mapping reads: a fixed set, however many the source has."""
    wanted = _tables(mapping)
    return _known(
        {
            name: number
            for table in found.evidence.tables
            if table.ref in wanted
            for name, number in (
                (f"rows {table.ref}", table.rows),
                (f"bytes {table.ref}", table.bytes),
                (f"grown_rows {table.ref}", table.growth.rows if table.growth is not None else None),
                (f"grown_bytes {table.ref}", table.growth.bytes if table.growth is not None else None),
            )
        }
    )


def _judged(found: Assessment, own: Judged) -> Numbers:
    """`own`: the migration's mapping, which was given last."""
    answered = served(found.patterns, own)
    money = own.estimates.money if own.estimates is not None else None
    return _known(
        {
            "reads": answered.reads,
            "reads_answered": answered.served,
            "load_answered": answered.load,
            "warnings": len(own.warnings),
            "usd_monthly_on_demand": money.on_demand_monthly if money is not None else None,
            "usd_monthly_provisioned": money.provisioned_monthly if money is not None else None,
            "usd_monthly_storage": money.storage_monthly if money is not None else None,
        }
    )


def _known(numbers: dict[str, int | float | None]) -> Numbers:
    return dict(_rounded(numbers))


def _rounded(numbers: dict[str, int | float | None]) -> Iterator[tuple[str, int | float]]:
    for name, number in numbers.items():
        if number is not None:
            yield name, number if isinstance(number, int) else round(number, 6)
