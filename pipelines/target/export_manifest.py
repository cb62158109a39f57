"""What a DynamoDB export says of itself, and whether it is whole: checked before any of its items is read.

    …/AWSDynamoDB/<export id>/manifest-summary.json    the export: table, time, format, number of items
                              manifest-files.json      its data files, a JSON object on each line
                              data/<name>.json.gz      at least one for each partition, some of them empty

The manifests' own checksum files are not asked for: what a manifest that was cut off or damaged says does not add up.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from pipelines.errors import TargetError
from pipelines.target.export_file import DataFile
from pipelines.warehouse.place import MissingError, Place

SUMMARY, FILES, DATA = "manifest-summary.json", "manifest-files.json", "data"
FULL: Final = "FULL_EXPORT"
FORMAT: Final = "DYNAMODB_JSON"

FUZZY = timedelta(minutes=1)
"""An export is no transaction: an item may be as it was so long before the export's time, or after it."""

_DATA_KEY = re.compile(r"(?:.*/)?data/([^/]+)")
_SHOWN = 3


class ExportSummary(BaseModel):
    """As it lies in the file; fields that are not named here are in `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)

    export_arn: str
    table_arn: str
    table_id: str | None = None
    export_time: AwareDatetime
    item_count: int
    output_format: str
    export_type: str = FULL  # older exports do not say

    @property
    def table(self) -> str:
        """`shop`, of `arn:aws:dynamodb:<region>:<account>:table/shop`."""
        return self.table_arn.partition(":table/")[2].partition("/")[0]

    def is_filtered(self) -> bool:
        return any(name.lower().startswith("filter") and value for name, value in (self.model_extra or {}).items())


class _ListedFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    itemCount: int  # noqa: N815 - as it lies in the file
    md5Checksum: str  # noqa: N815
    dataFileS3Key: str  # noqa: N815


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Export:
    """`files`: in the order of the manifest."""

    place: Place
    summary: ExportSummary
    files: tuple[DataFile, ...]


def read_export(place: Place) -> Export:
    """Of the export in the folder `place`, or of the manifest-summary.json that `place` is.

    Raises TargetError where it is none, not a whole one of a whole table in DynamoDB JSON, or a data file is missing
    or too many; WarehouseError where it cannot be read.
    """
    folder = place.parent if place.name == SUMMARY else place
    try:
        summary = _parsed((folder / SUMMARY).read_text(), ExportSummary, f"{folder / SUMMARY}")
        listed = (folder / FILES).read_text()
    except MissingError as error:
        raise TargetError(_no_export(folder, error)) from None
    _require_whole_table(summary, folder)
    files = _files(folder, listed)
    _require_counts(summary, files, folder)
    _require_files(files, folder)
    return Export(folder, summary, files)


def _require_whole_table(summary: ExportSummary, folder: Place) -> None:
    if summary.output_format != FORMAT:
        raise TargetError(f"{folder}: an export in {summary.output_format}; export the table in {FORMAT}")
    if summary.export_type != FULL:
        raise TargetError(f"{folder}: an export of the type {summary.export_type}; make a full one, {FULL}")
    if summary.is_filtered():
        raise TargetError(f"{folder}: an export with a filter, which is not of the whole table; export without one")
    if not summary.table:
        raise TargetError(f"{folder / SUMMARY}: tableArn {summary.table_arn!r} names no table")


def _files(folder: Place, listed: str) -> tuple[DataFile, ...]:
    files = []
    for number, line in enumerate(listed.splitlines(), 1):
        if line.strip():
            where = f"{folder / FILES}, line {number}"
            one = _parsed(line, _ListedFile, where)
            name = _DATA_KEY.fullmatch(one.dataFileS3Key)
            if name is None:
                raise TargetError(f"{where}: {one.dataFileS3Key!r} is no data file of an export")
            files.append(DataFile(folder / DATA / name[1], one.itemCount, one.md5Checksum))
    return tuple(files)


def _require_counts(summary: ExportSummary, files: Sequence[DataFile], folder: Place) -> None:
    items = sum(file.items for file in files)
    if items != summary.item_count:
        raise TargetError(
            f"{folder / FILES}: lists {items:,} items, {SUMMARY} says {summary.item_count:,}; copy the export whole, "
            "or export again"
        )


def _require_files(files: Sequence[DataFile], folder: Place) -> None:
    """Exactly those that are listed are there, each listed once."""
    listed = Counter(file.place.name for file in files)
    twice = sorted(name for name, count in listed.items() if count > 1)
    if twice:
        raise TargetError(f"{folder / FILES}: lists {_some(twice)} more than once; export again")
    there = {file.name for file in (folder / DATA).files()}
    missing, surplus = sorted(set(listed) - there), sorted(there - set(listed))
    if missing:
        raise TargetError(f"{folder / DATA}: {_some(missing)} missing, though {FILES} lists it; copy the export whole")
    if surplus:
        raise TargetError(f"{folder / DATA}: {_some(surplus)} not listed in {FILES}; keep exports apart")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _no_export(folder: Place, error: MissingError) -> str:
    below = [*folder.children(), *(folder / "AWSDynamoDB").children()]
    inside = [child for child in below if (child / SUMMARY).is_file()]
    hint = f"; did you mean {inside[-1]}?" if inside else ""
    return f"{error}: {folder} is no finished DynamoDB export{hint}"


def _parsed(text: str, model: type[M], where: str) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise TargetError(f"{where}: cannot be understood ({field or 'no JSON object'}: {first['msg']})") from None
