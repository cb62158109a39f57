"""Serves Dagster's web UI and daemon on 127.0.0.1: over the migrations of CROSSOVER_MIGRATIONS or, with no settings
at all, over the demo as its last run left it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from examples.shop.demo import MAPPING, reopen
from pipelines.command import CommandResult
from pipelines.errors import UsageError
from pipelines.lifeline import child_dies_with_us, die_with_parent
from pipelines.settings import MIGRATIONS, SOURCE_URL, optional, warehouse_address
from pipelines.warehouse.place import S3_SCHEME, Place

INSTANCE = """\
telemetry: {enabled: false}
nux: {enabled: false}
run_queue: {max_concurrent_runs: 1}
"""


def serve_ui(demo_folder: Path, port: int) -> CommandResult:
    """Serves until interrupted. Raises UsageError where settings are missing, StageError where there is no demo."""
    die_with_parent()
    with contextlib.suppress(KeyboardInterrupt), _environment(demo_folder):
        home = instance_folder(Place.of(warehouse_address()))
        chosen = _free_port(port)
        print(f"Dagster: http://127.0.0.1:{chosen}  (stop with Ctrl-C)", file=sys.stderr, flush=True)
        _serve(home, chosen)
    return CommandResult({"stopped": True}, ["stopped"])


@contextlib.contextmanager
def _environment(demo_folder: Path) -> Iterator[None]:
    if optional(SOURCE_URL) is not None or optional(MIGRATIONS) is not None:
        yield
        return
    with reopen(demo_folder):
        os.environ[MIGRATIONS] = str(MAPPING.parent)
        try:
            yield
        finally:
            del os.environ[MIGRATIONS]


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


def _free_port(wanted: int) -> int:
    for candidate in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                port: int = probe.getsockname()[1]
                return port
    raise UsageError("no free port on 127.0.0.1")


def _serve(home: Path, port: int) -> None:
    command = [sys.executable, "-m", "dagster", "dev", "-m", "dagster_defs.definitions"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "DAGSTER_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # so that what it starts can be ended with it
        preexec_fn=child_dies_with_us,
    )
    try:
        process.wait()
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Dagster first, in its own way; then its code servers, which would wait 45 seconds for a heartbeat."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for last in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, last)
            time.sleep(1)
    process.wait()
