"""What an export may look like: the documented variants, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class ExportOptions:
    """The defaults give the plainest export there is. Tables are "schema.table"."""

    task: str = "export-1234567890123-459"
    export_only: tuple[str, ...] = ()  # "database.schema.table"; all tables unless given

    # USER_ExportSnapshot.FileNames: "there will be multiple batch indexes"; 0 batches is the older convention,
    # "part-partition_index-random_uuid.format-based_extension" right in the table's folder
    batches: int = 1
    parts_per_batch: int = 1
    # "There can be gaps in the partition index sequence": each part's number is a multiple of this
    part_step: int = 1
    tables_per_info_file: int = 50  # seen, not documented: several export_tables_info files
    empty_tables_without_folder: bool = False  # seen neither way in AWS's pages

    # AWS documents the type STRING and no form of the text; the exporting session's settings decide. The search path is
    # the server's own, `"$user", public`, unless `settings` has one
    time_zone: str = "UTC"
    settings: Mapping[str, str] = field(default_factory=dict)
    stored_as: Mapping[tuple[str, str], pa.DataType] = field(
        default_factory=dict
    )  # (table, column): other than documented

    status: str = "COMPLETE"
    failure_cause: str | None = None
    table_status: Mapping[str, str] = field(default_factory=dict)
    table_warnings: Mapping[str, str] = field(default_factory=dict)  # by target, `DATABASE.public.orders` or `DATABASE`
    partitions_completed: Mapping[str, int] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()  # files there, entry in export_tables_info not
