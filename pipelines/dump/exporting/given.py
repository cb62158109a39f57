"""Exports that were made already, by whomever."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from pipelines.errors import TargetError, UsageError
from pipelines.progress import rewrite_line
from pipelines.target.export_manifest import Export, read_export
from pipelines.target.export_table import FAILED, describe_export
from pipelines.target.polling import poll
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ARN = "arn:"


def given_exports(client: DynamoDBClient, given: Sequence[str], tables: Collection[str]) -> dict[str, Export]:
    """One of each table. Those named by an ARN are awaited; an interrupt leaves them running.

    Raises TargetError, and UsageError where a table has none.
    """
    found: dict[str, Export] = {}
    for one in given:
        export = read_export(_complete(client, one) if one.startswith(_ARN) else Place.of(one))
        table = export.summary.table
        if table not in tables:
            raise TargetError(f"{export.place}: of table {table}; the mapping has {', '.join(tables)}")
        if table in found:
            raise TargetError(f"table {table}: two exports of it, {found[table].place} and {export.place}; give one")
        found[table] = export
    missing = [table for table in tables if table not in found]
    if missing:
        raise UsageError(f"--export: none of table {', '.join(missing)}; give one of each table of the mapping")
    return found


def _complete(client: DynamoDBClient, arn: str, pause: Callable[[float], None] = time.sleep) -> Place:
    places: list[Place] = []

    def look() -> bool:
        state = describe_export(client, arn)
        if state is None:
            raise TargetError(f"{arn}: no such export in this region and account; check the ARN")
        if state.status == FAILED:
            raise TargetError(f"{arn}: the export failed ({state.failure or 'no cause is given'}); export again")
        if state.is_filtered:
            raise TargetError(f"{arn}: an export with a filter, which is not of the whole table; export without one")
        if state.place is not None:
            places.append(state.place)
        return bool(places)

    try:
        poll(look, lambda: rewrite_line(f"export {arn.rpartition('/')[2]}: under way"), pause, time.monotonic)
    finally:
        rewrite_line("")
    return places[0]
