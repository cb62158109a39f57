"""What an export says of itself, in JSON files beside its data.

`export_info_<task>.json` is about the whole, `export_tables_info_<task>_from_<a>_to_<b>.json`, one file for each
range of tables, about each table. AWS documents neither; the fields here are those that exports were seen to have,
each of them optional but for what says that the export is whole.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from pipelines.errors import SourceError
from pipelines.source.rds_export.words import in_one_line
from pipelines.warehouse.place import Place

COMPLETE = "COMPLETE"

_EXPORT_INFO = re.compile(r"export_info_(.+)\.json")
_TABLES_INFO = re.compile(r"export_tables_info_(.+?)(?:_from_(\d+)_to_(\d+))?\.json")


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class ExportInfo(_Read):
    """`snapshot_time` is text: it is seen in more than one form."""

    export_task_identifier: str
    status: str
    source_arn: str | None = None
    snapshot_time: str | None = None
    failure_cause: str | None = None
    warning_message: JsonValue = None


class ColumnInfo(_Read):
    """`original_type` as information_schema names it: `character varying`, `ARRAY`, `USER-DEFINED`."""

    column_name: str
    original_type: str


class SchemaMetadata(_Read):
    original_type_mappings: tuple[ColumnInfo, ...] = ()


class Partitioning(_Read):
    number_of_partitions: int | None = None
    number_of_completed_partitions: int | None = None


class TableStatistics(_Read):
    partitioning_info: Partitioning = Partitioning()


class TableInfo(_Read):
    """`target` is `database.schema.table`; of an entry that only warns, it may be a database."""

    target: str
    status: str | None = None
    warning_message: JsonValue = None
    table_statistics: TableStatistics = TableStatistics()
    schema_metadata: SchemaMetadata = SchemaMetadata()
    size_in_gb: float | None = None

    model_config = ConfigDict(alias_generator=lambda name: "sizeGB" if name == "size_in_gb" else to_camel(name))

    def original_type(self, column: str) -> str | None:
        types = self.schema_metadata.original_type_mappings
        return next((one.original_type for one in types if one.column_name == column), None)


class _TablesInfo(_Read):
    per_table_status: tuple[TableInfo, ...]


def read_export_info(folder: Place) -> ExportInfo:
    """Of the export in `folder`, which is named after its task. Raises SourceError where it is not a finished one."""
    found = [file for file in folder.files(".json") if _EXPORT_INFO.fullmatch(file.name)]
    if len(found) > 1:
        raise SourceError(f"{folder}: the files of {len(found)} exports in one folder; give each a folder of its own")
    if not found:
        raise SourceError(_no_export(folder))
    info: ExportInfo = _parsed(found[0], ExportInfo)
    if info.status != COMPLETE:
        cause = f": {in_one_line(info.failure_cause)}" if info.failure_cause else ""
        raise SourceError(f"{folder}: the export's status is {in_one_line(info.status)}, not {COMPLETE}{cause}")
    return info


def read_tables_info(folder: Place, task: str) -> dict[str, TableInfo]:
    """Per target, from all files of the task. Raises SourceError where one is missing or unreadable."""
    ranges: list[tuple[int, int]] = []
    tables: dict[str, TableInfo] = {}
    for file in folder.files(".json"):
        match = _TABLES_INFO.fullmatch(file.name)
        if match is None or match[1] != task:
            continue
        if match[2]:
            ranges.append((int(match[2]), int(match[3])))
        for table in _parsed(file, _TablesInfo).per_table_status:
            _add(tables, table, folder)
    if not tables:
        raise SourceError(f"{folder}: no export_tables_info_{task}_*.json that lists a table; copy the export whole")
    _check_ranges(ranges, folder, task)
    return tables


def _add(tables: dict[str, TableInfo], table: TableInfo, folder: Place) -> None:
    """An entry that only warns may stand beside the table's own."""
    known = tables.get(table.target)
    if known is None:
        tables[table.target] = table
    elif known.warning_message is None and table.warning_message is None:
        raise SourceError(f"{folder}: {in_one_line(table.target)} is listed twice in its export_tables_info files")
    else:
        warning = [known.warning_message, table.warning_message]
        main = known if known.status is not None else table
        tables[table.target] = main.model_copy(update={"warning_message": warning})


def _check_ranges(ranges: list[tuple[int, int]], folder: Place, task: str) -> None:
    """The files number the tables from 1 on, so one that was not copied leaves a gap; unless it is the last."""
    expected = 1
    for first, last in sorted(ranges):
        if first != expected:
            raise SourceError(
                f"{folder}: export_tables_info_{task}_from_{expected}_to_{first - 1}.json is missing; copy it too"
            )
        expected = last + 1


def _no_export(folder: Place) -> str:
    if not folder.exists():
        return f"{folder}: there is nothing; --export names the folder that RDS named after the export task"
    below = [child for child in folder.children() if child.is_dir()]
    exports = [child for child in below if any(_EXPORT_INFO.fullmatch(file.name) for file in child.files(".json"))]
    if exports:
        return f"{folder}: holds exports and is none; did you mean {exports[-1]}?"
    return f"{folder}: no export_info_*.json, so it is no finished RDS export; name the folder of the export task"


def _parsed(file: Place, model: type[Any]) -> Any:
    failed = ""
    try:
        return model.model_validate(json.loads(file.read_text()))
    except ValidationError as error:
        failed = f"lacks {'.'.join(map(str, error.errors()[0]['loc']))}"
    except ValueError:
        failed = "is no JSON"
    raise SourceError(f"{file}: {failed}; it is damaged, or no file of an RDS export")
