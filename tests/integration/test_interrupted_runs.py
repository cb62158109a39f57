"""What `crossover ui` makes of the runs, and of the instance, that an earlier one has left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test

from dagster_defs.interrupted_runs import fail_lost_runs, has_run_since
from dagster_defs.services import Services
from dagster_defs.ui import INSTANCE, instance_folder, serve_ui
from pipelines.errors import StageError, UsageError
from pipelines.warehouse.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]


@pytest.fixture
def home(warehouse: Path) -> Path:
    return instance_folder(Place.of(warehouse))


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def started(instance: dg.DagsterInstance, pid: int | None, status: dg.DagsterRunStatus) -> str:
    """A run whose worker has said its process id, or has not come to that."""
    run = create_run_for_test(instance, "notes_backfill", status=status)
    if pid is not None:
        instance.report_engine_event("Started process for run", run, EngineEventData.in_process(pid))
    return str(run.run_id)


def test_a_run_without_its_worker_has_failed(instance: dg.DagsterInstance) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lost = [
        started(instance, gone.pid, dg.DagsterRunStatus.STARTED),
        started(instance, gone.pid, dg.DagsterRunStatus.CANCELING),
        started(instance, None, dg.DagsterRunStatus.STARTING),
    ]
    living = started(instance, os.getpid(), dg.DagsterRunStatus.STARTED)
    ended = started(instance, gone.pid, dg.DagsterRunStatus.SUCCESS)

    fail_lost_runs(instance)

    statuses = {record.dagster_run.run_id: record.dagster_run.status for record in instance.get_run_records()}
    assert statuses == {
        **dict.fromkeys(lost, dg.DagsterRunStatus.FAILURE),
        living: dg.DagsterRunStatus.STARTED,
        ended: dg.DagsterRunStatus.SUCCESS,
    }


def test_a_later_process_with_the_id_of_the_worker_is_not_the_worker() -> None:
    before = time.time() - 2.0  # more than the resolution
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert has_run_since(process.pid, time.time())
        assert not has_run_since(process.pid, before)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not has_run_since(process.pid, time.time())  # a zombie
    assert not has_run_since(process.pid, time.time())


def test_a_service_that_cannot_live_is_given_up(instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    services = Services(instance, home, tmp_path)
    services._start("daemon", "no_such_module")
    with pytest.raises(StageError, match="daemon ends again and again \\(status 1\\)"):
        services.watch(until=lambda: False)
    services.stop()


@pytest.mark.parametrize(
    ("socket", "status"),
    [(None, dg.DagsterRunStatus.STARTING), ("code", dg.DagsterRunStatus.FAILURE)],
    ids=["web server", "code server"],
)
def test_a_run_that_is_being_started_is_lost_with_the_code_server_alone(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path, socket: str | None, status: dg.DagsterRunStatus
) -> None:
    run_id = started(instance, None, dg.DagsterRunStatus.STARTING)
    services = Services(instance, home, tmp_path)
    services._start("server", "no_such_module", socket=tmp_path / socket if socket else None)
    with pytest.raises(StageError, match="server ends again and again"):
        services.watch(until=lambda: False)
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))
    assert record.dagster_run.status == status


def test_one_serves_an_instance(home: Path, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    monkeypatch.setenv("CROSSOVER_MIGRATIONS", str(tmp_path))
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import fcntl; f = open({str(home / '.crossover-ui')!r}, 'wb'); "
            "fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StageError, match="another `crossover ui`"):
            serve_ui(tmp_path, 0, 0)
        other.kill()


def test_settings_that_cannot_be_used_are_said_in_one_line(
    home: Path, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    monkeypatch.setenv("CROSSOVER_MIGRATIONS", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="no such folder"):
        serve_ui(tmp_path, 0, 0)
    monkeypatch.setenv("CROSSOVER_MIGRATIONS", str(tmp_path))
    for broken in ("run_queue: {no_such_key: 1}", "run_queue: ["):
        (home / "dagster.yaml").write_text(broken)
        with pytest.raises(UsageError, match=r"dagster\.yaml: Dagster does not take it"):
            serve_ui(tmp_path, 0, 0)


def test_a_configuration_that_is_there_is_kept(home: Path, warehouse: Path) -> None:
    assert (home / "dagster.yaml").read_text() == INSTANCE
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert instance_folder(Place.of(warehouse)) == home
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
