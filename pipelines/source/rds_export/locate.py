"""From what the command line asks for to the place of a finished export."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.progress import tell
from pipelines.source.rds_export.await_task import await_task, left_running
from pipelines.source.rds_export.client import RdsClient, rds_client
from pipelines.source.rds_export.export_warnings import warnings_of_task
from pipelines.source.rds_export.exportable import check_exportable
from pipelines.source.rds_export.live_schema import LiveSchema
from pipelines.source.rds_export.rds_snapshot import RdsSnapshot, find_snapshot
from pipelines.source.rds_export.request import ContinueTask, ExportRequest, ReadExport, StartTask
from pipelines.source.rds_export.table_files import target_of
from pipelines.source.rds_export.task import describe_task, export_only, start_task
from pipelines.warehouse.place import Place


def locate_export(
    request: ExportRequest,
    live: LiveSchema,
    new_task_id: Callable[[], str],
    command: str,
    connect: Callable[[], RdsClient] = rds_client,
) -> Place:
    """Starts the export where that is asked for, and awaits it. `command`: what goes on with it, before `--task ID`.

    Raises SourceError, UsageError, and KeyboardInterrupt with the command that goes on.
    """
    check_exportable(live)
    match request:
        case ReadExport(location):
            return Place.of(location)
        case ContinueTask(task):
            rds = connect()
            describe_task(rds, task)  # a wrong name is told before anything is awaited
            return _finished(rds, task, live, command)
        case StartTask():
            rds = connect()
            snapshot = find_snapshot(rds, request.origin, request.snapshot)
            task = new_task_id()
            with left_running(task, f"`{command} --task {task}`"):
                _start(rds, request, snapshot, live, task)
                return _finished(rds, task, live, command)


def _start(rds: RdsClient, request: StartTask, snapshot: RdsSnapshot, live: LiveSchema, id: str) -> None:
    only = export_only([target_of(live.database, table.ref) for table in live.columns])
    if not only:
        tell("the whole RDS snapshot is exported: RDS takes no list of tables with such names")
    task = start_task(rds, id, snapshot, request, only)
    tell(f"export task {task.id} of RDS snapshot {snapshot.id}, taken {snapshot.taken:%Y-%m-%d %H:%M} UTC, has begun")


def _finished(rds: RdsClient, id: str, live: LiveSchema, command: str) -> Place:
    task = await_task(rds, id, f"`{command} --task {id}`")
    targets = [target_of(live.database, table.ref) for table in live.columns]
    for line in warnings_of_task(task.warning, targets):
        tell(line)
    tell(f"export task {id} is complete: {task.location}")
    return Place.of(task.location)
