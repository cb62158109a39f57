"""Backfills in processes of their own, which can be killed at any instant."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Killable(Protocol):
    def is_alive(self) -> bool: ...
    def kill(self) -> None: ...
    def join(self) -> None: ...
    @property
    def exitcode(self) -> int | None: ...


@dataclass(frozen=True)
class Backfill:
    """What to run, against which endpoint, and where what it says is kept."""

    mapping: Path
    mode: str
    endpoint: str
    log: Path

    def environment(self) -> dict[str, str]:
        return os.environ | {"AWS_ENDPOINT_URL_DYNAMODB": self.endpoint}

    def without_spark(self, resume: bool) -> Killable:
        """`run_backfill`, its buckets one after the other: a few milliseconds from its start to its first request,
        for it is forked from a process that has imported everything, and has no other thread."""
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload(["pipelines.backfill", "pipelines.backfill.ledger", "pipelines.fanout", "boto3"])
        process = forks.Process(target=_run, args=(self, resume, self.environment()), daemon=True)
        process.start()
        return process

    def with_spark(self, resume: bool) -> Killable:
        """`crossover backfill`, from outside; killed with all that it has started."""
        return _Group(self._command(resume))

    def with_spark_that_outlives_it(self, resume: bool) -> Killable:
        """The command alone is killed: Java finds that out, and tasks go on until it does."""
        return _Alone(self._command(resume))

    def _command(self, resume: bool) -> subprocess.Popen[bytes]:
        arguments = ["backfill", str(self.mapping), "--mode", self.mode, "--json", *(["--resume"] if resume else [])]
        with self.log.open("ab") as log:
            command = [sys.executable, "-P", "-m", "pipelines.cli", *arguments]
            return subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log, start_new_session=True)


@dataclass(frozen=True)
class _Alone:
    command: subprocess.Popen[bytes]

    def is_alive(self) -> bool:
        return self.command.poll() is None

    def kill(self) -> None:
        self.command.kill()

    def join(self) -> None:
        self.command.wait()

    @property
    def exitcode(self) -> int | None:
        return self.command.poll()


class _Group(_Alone):
    """With Java. Spark's Python workers end when that is gone."""

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.command.pid, signal.SIGKILL)


def _run(backfill: Backfill, resume: bool, environment: Mapping[str, str]) -> None:
    """In the child, which has the environment of the moment when its server was started."""
    from pipelines.backfill import run_backfill
    from pipelines.errors import CrossoverError
    from pipelines.fanout import in_process
    from pipelines.migration import Migration

    os.environ.clear()
    os.environ.update(environment)
    with backfill.log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        run_backfill(Migration.open(backfill.mapping), in_process, mode=backfill.mode, resume=resume)
    except CrossoverError as error:
        sys.exit(str(error))
