"""Runs of Dagster's in progress, when `crossover ui` stops and when it starts again.

The code server that has started a run's worker marks the run as failed when the worker dies. Where the code server
was killed, too, or the machine went down, nobody does: Dagster's run monitoring cannot ask a worker of the default
launcher how it is. The run would be "started" for ever and, as one run at a time is let through, hold up all others.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.tags import GRPC_INFO_TAG

_IN_PROGRESS = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_POLL_SECONDS = 0.2
_CLOCK_SECONDS = 1.0
"""By which two readings of the clock, one in ticks since boot, may differ."""
_LOST = "The worker of this run is gone: it, or the machine, was killed. Launch it again: it goes on where it was."

log = logging.getLogger(__name__)


def cancel_runs(instance: dg.DagsterInstance, code_server: Path, seconds: float) -> None:
    """Cancels those that were launched through the code server at this socket, which is still there to do it, and
    waits until they have ended, but no longer than so many seconds. Stages end the bucket under way."""
    ours = [record.dagster_run.run_id for record in _in_progress(instance) if _launched_through(code_server, record)]
    for run_id in ours:
        log.warning("cancels run %s, and waits for its worker to end what is under way", run_id)
        with contextlib.suppress(Exception):  # the code server is gone, and so will its workers be in a moment
            instance.run_launcher.terminate(run_id)
    ends_at = time.monotonic() + seconds
    while ours and time.monotonic() < ends_at:
        time.sleep(_POLL_SECONDS)
        ours = [record.dagster_run.run_id for record in _in_progress(instance) if record.dagster_run.run_id in ours]


def fail_lost_runs(instance: dg.DagsterInstance) -> None:
    """Marks the runs whose worker is gone as failed; whoever is told of failed runs is told of these.

    Only of an instance that keeps its runs on this disk: only there is every worker a process of this machine.
    """
    if not isinstance(instance.run_storage, SqliteRunStorage):
        return
    for record in _in_progress(instance):
        if not _has_worker(instance, record):
            log.warning("run %s: its worker is gone; it counts as failed", record.dagster_run.run_id)
            instance.report_run_failed(record.dagster_run, _LOST)


def _in_progress(instance: dg.DagsterInstance) -> Iterator[RunRecord]:
    yield from instance.get_run_records(RunsFilter(statuses=_IN_PROGRESS))


def _launched_through(code_server: Path, record: RunRecord) -> bool:
    told = json.loads(record.dagster_run.tags.get(GRPC_INFO_TAG, "{}"))
    return bool(told.get("socket") == str(code_server))


def _has_worker(instance: dg.DagsterInstance, record: RunRecord) -> bool:
    """By what the worker says first of all, its process id: a process of that id that is older than these words."""
    for entry in instance.all_logs(record.dagster_run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None and has_run_since(int(str(pid.value)), entry.timestamp):
            return True
    return False


def has_run_since(pid: int, moment: float) -> bool:
    """Whether that process lives and began before the moment, in seconds since the epoch (proc(5), fields 3 and 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    began_at = booted_at + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] != "Z" and began_at <= moment + _CLOCK_SECONDS
