"""Writes an export: Parquet files below `<task>/<database>/<schema>.<table>/`, and the JSON files about them.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.FileNames.html
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import Connection

from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.parquet_form import NOT_EXPORTED, array_of, documented
from tests.rds_export_fixture.source_tables import Rows, SourceColumn, SourceTable, batches_of, tables_of

SOURCE_ARN = "arn:aws:rds:eu-central-1:123456789012:snapshot:rds:shop-2026-11-24-03-10"
SNAPSHOT_TIME = "2026-11-24T03:10:11.123Z"

# "The following characters in the S3 file path are converted to underscores (_) during export":
# https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html
_IN_PATHS = str.maketrans({"\\": "_", "`": "_", '"': "_", " ": "_"})


@dataclass(frozen=True)
class Export:
    """`folder` is the task's; `warning_message` what DescribeExportTasks says."""

    folder: Path
    warning_message: str


def write_export(url: str, root: Path, options: ExportOptions | None = None) -> Export:
    """Exports all tables of the database at `url`, or those of `export_only`, into `root`/<task>."""
    chosen = options or ExportOptions()
    folder = root / chosen.task
    session = f"-c TimeZone={chosen.time_zone} -c DateStyle=ISO"
    with psycopg.connect(url, options=session, client_encoding="utf-8") as connection:
        for name, value in chosen.settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        database = connection.info.dbname
        tables = [
            table
            for table in tables_of(connection)
            if not chosen.export_only or f"{database}.{table}" in chosen.export_only
        ]
        exported = [table for table in tables if table.why_skipped is None]
        entries = [_export(connection, folder / database.translate(_IN_PATHS), table, chosen) for table in exported]
    _write_info(folder, database, [entry for entry in entries if entry is not None], chosen)
    return Export(folder, _warning([table for table in tables if table.why_skipped], database))


def _export(
    connection: Connection, database: Path, table: SourceTable, options: ExportOptions
) -> dict[str, Any] | None:
    columns = [column for column in table.columns if column.type_name not in NOT_EXPORTED]
    schema = pa.schema([pa.field(column.name, _stored(table, column, options)) for column in columns])
    batches = list(batches_of(connection, table, [column.name for column in columns], options.batches))
    rows = sum(len(batch) for batch in batches)
    folder = database / str(table).translate(_IN_PATHS)
    if rows or not options.empty_tables_without_folder:
        for number, batch in enumerate(batches, start=1):
            place = folder if options.batches == 0 and not table.partitioned else folder / str(number)
            _write_batch(place, batch, schema, options)
    return None if str(table) in options.unlisted else _entry(connection, table, columns, rows, options)


def _stored(table: SourceTable, column: SourceColumn, options: ExportOptions) -> pa.DataType:
    return options.stored_as.get((str(table), column.name), documented(column.type_name))


def _write_batch(folder: Path, rows: Rows, schema: pa.Schema, options: ExportOptions) -> None:
    """`part-partition_index-random_uuid.format-based_extension`, `1/part-00000-c5a881bb-…-c000.gz.parquet`; no file
    for a part without rows. Beside them Spark's mark of a finished job, `_SUCCESS` (seen, not documented)."""
    folder.mkdir(parents=True, exist_ok=True)
    size = max(1, -(-len(rows) // options.parts_per_batch))
    for number in range(options.parts_per_batch):
        part = rows[number * size : (number + 1) * size]
        if part:
            arrays = [array_of([row[place] for row in part], field.type) for place, field in enumerate(schema)]
            name = f"part-{number * options.part_step:05d}-{uuid.uuid4()}-c000.gz.parquet"
            pq.write_table(
                pa.Table.from_arrays(arrays, schema=schema), folder / name, compression="gzip", store_schema=False
            )
    (folder / "_SUCCESS").touch()


def _entry(
    connection: Connection, table: SourceTable, columns: list[SourceColumn], rows: int, options: ExportOptions
) -> dict[str, Any]:
    """Of export_tables_info: AWS documents none of it. The names are those seen in exports."""
    parts = options.parts_per_batch
    return {
        "target": f"{connection.info.dbname}.{table}",
        "status": options.table_status.get(str(table), "COMPLETE"),
        "sizeGB": rows * 1e-6,
        "tableStatistics": {
            "extractionStartTime": "Nov 24, 2026 3:31:53 AM",
            "extractionEndTime": "Nov 24, 2026 3:32:01 AM",
            "partitioningInfo": {
                "numberOfPartitions": parts,
                "numberOfCompletedPartitions": options.partitions_completed.get(str(table), parts),
            },
        },
        "schemaMetadata": {
            "originalTypeMappings": [
                {
                    "columnName": column.name,
                    "originalType": column.data_type,
                    "expectedExportedType": str(documented(column.type_name)).replace("string", "binary (UTF8)"),
                    "originalCharMaxLength": 0,
                    "originalNumPrecision": 0,
                    "originalDateTimePrecision": 0,
                }
                for column in columns
            ]
        },
    }


def _write_info(folder: Path, database: str, entries: list[dict[str, Any]], options: ExportOptions) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = entries + [
        {"target": target.replace("DATABASE", database), "warningMessage": [{"reason": reason}]}
        for target, reason in options.table_warnings.items()
    ]
    size = options.tables_per_info_file
    for first in range(0, len(entries), size):
        some = entries[first : first + size]
        name = f"export_tables_info_{options.task}_from_{first + 1}_to_{first + len(some)}.json"
        _write_json(folder / name, {"perTableStatus": some})
    _write_json(folder / f"export_info_{options.task}.json", _export_info(options))


def _export_info(options: ExportOptions) -> dict[str, Any]:
    failure = {"failureCause": options.failure_cause} if options.failure_cause else {}
    return {
        "exportTaskIdentifier": options.task,
        "sourceArn": SOURCE_ARN,
        "exportOnly": list(options.export_only),
        "snapshotTime": SNAPSHOT_TIME,
        "taskStartTime": "2026-11-24T03:20:01.000Z",
        "taskEndTime": "2026-11-24T03:41:43.000Z",
        "s3Bucket": "exports",
        "s3Prefix": "",
        "exportedFilesPath": options.task,
        "iamRoleArn": "arn:aws:iam::123456789012:role/export",
        "kmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "status": options.status,
        "percentProgress": 100,
        "totalExportedDataInGB": 0.17,
        **failure,
    }


def _warning(skipped: list[SourceTable], database: str) -> str:
    """As in USER_ExportSnapshot.Monitoring's example; what an entry of skippedTables is, AWS does not say."""
    if not skipped:
        return ""
    tables = [{"tableName": f"{database}.{table}", "reason": table.why_skipped} for table in skipped]
    return json.dumps({"skippedTables": tables, "skippedObjectives": [], "general": []})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
