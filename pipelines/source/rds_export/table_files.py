"""Where in an export a table's rows lie, and whether all of them do.

    <task>/<database>/<schema>.<table>/<batch>/part-<partition>-<uuid>.gz.parquet   and   _SUCCESS in each <batch>

Batches are numbered from 1; a table that is partitioned has one for each partition. The numbers of parts may have
gaps: a range of the key without rows has no file. An older convention has no batch folders. The names may change, so
everything below a table's folder is to be read:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.FileNames.html
"""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Table, TableRef
from pipelines.source.rds_export.info import COMPLETE, TableInfo
from pipelines.source.rds_export.words import in_one_line
from pipelines.warehouse.place import Place

SUCCESS = "_SUCCESS"
PART = ".parquet"

# "The following characters in the S3 file path are converted to underscores (_) during export"
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.html#USER_ExportSnapshot.Limits
_IN_PATHS = str.maketrans(dict.fromkeys('\\`" ', "_"))


_SKIPPED = "RDS skips unlogged tables, and those with odd names or rows near 2 GB; or it is younger than the snapshot"


def target_of(database: str, ref: TableRef) -> str:
    """What a table is called in the export's files and in ExportOnly."""
    return f"{database}.{ref.schema_name}.{ref.table}"


def check_listed(table: Table, target: str, tables: dict[str, TableInfo]) -> TableInfo:
    """Raises SourceError where the table is not listed as complete."""
    info = tables.get(target)
    if info is None:
        raise SourceError(f"{table.ref}: the export does not list it ({_SKIPPED})")
    if info.status != COMPLETE:
        raise SourceError(f"{table.ref}: the export's status of it is {in_one_line(str(info.status))}, not {COMPLETE}")
    partitions = info.table_statistics.partitioning_info
    done, wanted = partitions.number_of_completed_partitions, partitions.number_of_partitions
    if done is not None and wanted is not None and done < wanted:
        raise SourceError(f"{table.ref}: the export says that only {done} of its {wanted} partitions are complete")
    return info


def check_own_folder(table: Table, target: str, targets: Iterable[str]) -> None:
    """Raises SourceError where another table's rows lie in the same folder: nobody could tell them apart."""
    folder = target.translate(_IN_PATHS)
    for other in targets:
        if other != target and other.translate(_IN_PATHS) == folder:
            raise SourceError(f"{table.ref}: the export puts the rows of {in_one_line(other)} into the same folder")


def part_files(export: Place, database: str, table: Table, info: TableInfo) -> list[Place]:
    """The table's files, by batch and part; none where it is empty. Raises SourceError where it is not all there."""
    ref = table.ref
    folder = export / database.translate(_IN_PATHS) / f"{ref.schema_name}.{ref.table}".translate(_IN_PATHS)
    if not folder.is_dir():
        if info.size_in_gb == 0:
            return []
        raise SourceError(f"{ref}: {folder} is missing; copy the export whole")
    batches = _batches(folder, ref)
    for batch in batches:
        if not (batch / SUCCESS).is_file():
            raise SourceError(f"{ref}: {batch} has no {SUCCESS}: the export of it did not finish, or was not copied")
    return [part for batch in batches for part in _parts(batch, ref)]


def _batches(folder: Place, ref: TableRef) -> list[Place]:
    """The folders with parts: the table's own, by the older convention, or those of its batches in order."""
    own = folder.files()
    below = _folders(folder)
    unknown = [child for child in below if not child.name.isdecimal()]
    unknown += [deeper for batch in below for deeper in _folders(batch)]
    if unknown:
        raise SourceError(
            f"{ref}: {unknown[0]} is no batch of an export; it did not finish, or something was put there"
        )
    numbers = sorted(int(child.name) for child in below)
    if numbers != list(range(1, len(numbers) + 1)):
        raise SourceError(f"{ref}: {folder} has the batches {', '.join(map(str, numbers))}: some are missing")
    batches = sorted(below, key=lambda child: int(child.name))
    return ([folder] if own or not batches else []) + batches


def _folders(place: Place) -> list[Place]:
    files = set(place.files())
    return [child for child in place.children() if child not in files]


def _parts(batch: Place, ref: TableRef) -> list[Place]:
    files = [file for file in batch.files() if not file.name.startswith("_")]
    for file in files:
        if not file.name.endswith(PART):
            raise SourceError(f"{ref}: {file} is no part of an export")
    return files
