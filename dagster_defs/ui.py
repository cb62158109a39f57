"""Serves Dagster's web UI and daemon, and the reports, on 127.0.0.1: over the migrations of CROSSOVER_MIGRATIONS or,
with no settings at all, over the demo as its last run left it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dagster as dg
import yaml

from dagster_defs.interrupted_runs import fail_lost_runs
from dagster_defs.migrations import find_migrations
from dagster_defs.notify import channels
from dagster_defs.owners import owners
from dagster_defs.report_server import LOOPBACK, bound, serving_reports
from dagster_defs.services import Services, end_leftovers
from dagster_defs.step import REPORTS_URL, reports_url
from examples.shop.demo import MAPPING, reopen
from pipelines.command import CommandResult
from pipelines.errors import StageError, UsageError
from pipelines.lifeline import die_with_parent
from pipelines.settings import MIGRATIONS, SOURCE_URL, optional, warehouse_address
from pipelines.warehouse.place import S3_SCHEME, Place

INSTANCE = """\
telemetry: {enabled: false}
nux: {enabled: false}
run_queue: {max_concurrent_runs: 1}
run_monitoring:
  enabled: true
  poll_interval_seconds: 30
  start_timeout_seconds: 600
  cancel_timeout_seconds: 3600
  free_slots_after_run_end_seconds: 60
"""
"""One run at a time: each has a Spark session that takes all of the machine. Monitoring is what ends a run at its
`dagster/max_runtime`, and gives back a pool's slots that a killed run held. A cancelled run ends its bucket first,
which may take long."""


def serve_ui(demo_folder: Path, port: int, report_port: int) -> CommandResult:
    """Serves until interrupted. Raises UsageError where settings are missing, StageError where there is no demo, where
    another one serves the same instance, and where one of Dagster's processes ends again and again."""
    die_with_parent()
    with contextlib.suppress(KeyboardInterrupt), _environment(demo_folder):
        for setting in (find_migrations, channels, owners, reports_url):  # what is wrong is said here, too
            setting()
        warehouse = Place.of(warehouse_address())
        home = instance_folder(warehouse)
        with _alone(home), serving_reports(warehouse, report_port) as reports, _setting(REPORTS_URL, reports):
            end_leftovers(home)
            print(f"Reports: {reports}", file=sys.stderr, flush=True)
            _serve(home, _free_port(port))
    return CommandResult({"stopped": True}, ["stopped"])


@contextlib.contextmanager
def _environment(demo_folder: Path) -> Iterator[None]:
    if optional(SOURCE_URL) is not None or optional(MIGRATIONS) is not None:
        yield
        return
    with reopen(demo_folder), _setting(MIGRATIONS, str(MAPPING.parent)):
        yield


@contextlib.contextmanager
def _setting(name: str, value: str) -> Iterator[None]:
    """For this process and what it starts, unless the environment has it already."""
    if optional(name) is not None:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def instance_folder(warehouse: Place) -> Path:
    """Dagster's own records, which it keeps in SQLite and so on a disk: DAGSTER_HOME where that is set; else in the
    warehouse or, where that is in S3, `~/.local/state/crossover/<bucket and prefix>` (XDG_STATE_HOME)."""
    chosen = optional("DAGSTER_HOME")
    if chosen is not None:
        home = Path(chosen).expanduser().absolute()
    elif warehouse.local is not None:
        home = warehouse.local / ".dagster"
    else:
        state = optional("XDG_STATE_HOME") or "~/.local/state"
        home = Path(state).expanduser().absolute() / "crossover" / str(warehouse).removeprefix(S3_SCHEME)
    Place.of(home).make_folder()
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(INSTANCE, encoding="utf-8")
    return home


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two daemons of one instance would get in each other's way. The lock ends with the process, however it ends."""
    with (home / ".crossover-ui").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StageError(f"{home}: another `crossover ui` serves this instance; stop it first") from None
        yield


def _free_port(wanted: int) -> int:
    with bound(wanted) as probe:
        port: int = probe.getsockname()[1]
        return port


def _serve(home: Path, port: int) -> None:
    with _instance(home) as instance, tempfile.TemporaryDirectory(prefix="crossover-ui-") as folder:
        fail_lost_runs(instance)
        services = Services(instance, home, Path(folder))
        try:
            services.start(partial(_answers, port), port)
            print(f"Dagster: http://{LOOPBACK}:{port}  (stop with Ctrl-C)", file=sys.stderr, flush=True)
            services.watch(until=lambda: False)
        finally:
            services.stop()


def _instance(home: Path) -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.from_config(str(home))
    except (dg.DagsterError, yaml.YAMLError) as error:
        problem = str(error).splitlines()[0]
        raise UsageError(f"{home / 'dagster.yaml'}: Dagster does not take it: {problem}") from None


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
