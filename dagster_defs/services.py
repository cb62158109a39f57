"""The processes of Dagster that `crossover ui` runs: code server, web server and daemon.

`dagster dev` would start the same three. It is not used, for it ends all of them where one dies, which it finds out
within five seconds, leaves the runs in progress "started" for ever when it is stopped, gives each process a minute
for that, and is superseded. What is done here instead is what a deployment does with a unit for each
(docs/deploying.md): one that dies is started again, and runs in progress go on meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from dagster_defs.interrupted_runs import cancel_runs, fail_lost_runs
from dagster_defs.processes import has_living_child, kill_all_with
from pipelines.errors import StageError
from pipelines.lifeline import child_dies_with_us

LOCATION = "dagster_defs.definitions"
"""The module, and the name under which Dagster keeps what it knows of its schedules and sensors."""

_POLL_SECONDS = 0.2
_RUNS_SECONDS = 20.0
_SERVICE_SECONDS = 5.0
_MOST_STARTS, _IN_SECONDS = 3, 60.0
"""What ends as often would go on to."""

SERVED = "CROSSOVER_UI_OF"
"""In the environment of all that is started here, and of what that starts: the instance."""

log = logging.getLogger(__name__)


def end_leftovers(home: Path) -> None:
    """Ends what a `crossover ui` of this instance has left that was killed itself: its web server may hold the port
    for a while, and a run's worker goes on, over which nobody would watch and which no page could cancel."""
    ended = kill_all_with(SERVED, _name_of(home))
    if ended:
        log.warning("ended what a `crossover ui` that was killed had left: processes %s", ", ".join(map(str, ended)))


@dataclass
class Service:
    """`arguments` are those of `python -m`. Its process leads a session of its own, so that a terminal's Ctrl-C is for
    us alone, and so that what it has started can be ended with it."""

    name: str
    arguments: tuple[str, ...]
    home: Path
    socket: Path | None = None
    """Of the code server alone, which serves from a child of its own, and does not start that again when it dies."""
    process: subprocess.Popen[bytes] = field(init=False)
    _started_at: list[float] = field(default_factory=list)

    @property
    def is_hopeless(self) -> bool:
        return sum(moment > time.monotonic() - _IN_SECONDS for moment in self._started_at) >= _MOST_STARTS

    def start(self) -> None:
        if self.socket is not None:
            self.socket.unlink(missing_ok=True)
        self._started_at.append(time.monotonic())
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.arguments],
            # A file in the current folder must not be taken for a package that Dagster imports
            env={**os.environ, "DAGSTER_HOME": str(self.home), "PYTHONSAFEPATH": "1", SERVED: _name_of(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,  # what `crossover` itself says is all that belongs on stdout
            start_new_session=True,
            preexec_fn=child_dies_with_us,
        )

    def death(self) -> str | None:
        """How it died; None as long as it serves."""
        status = self.process.poll()
        if status is not None:
            return signal.Signals(-status).name if status < 0 else f"status {status}"
        # The child is there before the socket; asked twice, as a child that is replaced can be overlooked
        is_up = self.socket is not None and self.socket.exists()
        if is_up and not has_living_child(self.process.pid) and not has_living_child(self.process.pid):
            return "the process that it serves from is gone"
        return None

    def end(self, ends_at: float) -> None:
        """Waits until then, and kills what is left of it, with all that it has started."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, ends_at - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Services:
    """`folder` is a private one, for the socket of the code server and the workspace file that names it."""

    instance: dg.DagsterInstance
    home: Path
    folder: Path
    _services: dict[str, Service] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.folder / "code"

    def start(self, is_web_server_up: Callable[[], bool], port: int) -> None:
        """Returns once a browser gets an answer. Raises StageError where one of them cannot start."""
        workspace = self.folder / "workspace.yaml"
        server = {"socket": str(self.socket), "location_name": LOCATION}
        workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
        of_location = ["-m", LOCATION, "--location-name", LOCATION, "--socket", str(self.socket)]
        starting = ("dagster", "code-server", "start", *of_location, "--log-level", "warning")
        self._start("code server", *starting, socket=self.socket)
        self.watch(self.socket.exists)  # it is made when the definitions have been loaded
        at = ["--host", "127.0.0.1", "--port", str(port), "--dagster-log-level", "warning"]
        self._start("web server", "dagster_webserver", "--workspace", str(workspace), *at)
        self._start("daemon", "dagster._daemon", "run", "--workspace", str(workspace), "--log-level", "warning")
        self.watch(is_web_server_up)

    def watch(self, until: Callable[[], bool]) -> None:
        """Starts those again that die. Raises StageError where one does so again and again."""
        while not until():
            for service in self._services.values():
                how = service.death()
                if how is not None:
                    self._start_again(service, how)
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """The daemon first, which would launch the next run; then the runs in progress, as long as the code server is
        there to cancel them; then the code server."""
        with _undisturbed():
            self._end("daemon", "web server")
            cancel_runs(self.instance, self.socket, _RUNS_SECONDS)
            self._end("code server")
            fail_lost_runs(self.instance)

    def _start(self, name: str, *arguments: str, socket: Path | None = None) -> None:
        self._services[name] = Service(name, arguments, self.home, socket)
        self._services[name].start()

    def _start_again(self, service: Service, how: str) -> None:
        """The workers of a code server that died end with it: nobody would watch over them any more. With another one
        none is lost, and that of a run that is just being started may not have said yet that it is there."""
        service.end(time.monotonic())
        if service.socket is not None:
            fail_lost_runs(self.instance)
        if service.is_hopeless:
            raise StageError(f"Dagster's {service.name} ends again and again ({how}); what it said is above")
        log.warning("Dagster's %s ended (%s); it is started again", service.name, how)
        service.start()

    def _end(self, *names: str) -> None:
        ending = [self._services[name] for name in names if name in self._services]
        for service in ending:
            service.process.send_signal(signal.SIGTERM)
        ends_at = time.monotonic() + _SERVICE_SECONDS
        for service in ending:
            service.end(ends_at)


def _name_of(home: Path) -> str:
    return str(home.resolve())


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Whoever is impatient must not keep us from ending what we have started."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
