"""A standalone Spark cluster on 127.0.0.1: one master, two workers of one core, from pyspark's own package."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyspark

_SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
_DEFAULTS = """\
spark.executor.memory 512m
spark.driver.memory 512m
spark.cores.max 2
spark.master.rest.enabled false
"""


@dataclass(frozen=True)
class Cluster:
    """`environment`: what a driver needs besides. `folder`: all that the cluster's processes write."""

    master: str
    environment: Mapping[str, str]
    folder: Path

    def written(self) -> str:
        """Every log of every process."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".jar")
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


@contextlib.contextmanager
def standalone(
    folder: Path, environment: Mapping[str, str], of_second_worker: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """`environment`: of the cluster's processes, and so of the executors. `of_second_worker`: it has this besides."""
    configuration = folder / "conf"
    configuration.mkdir(parents=True)
    (configuration / "spark-defaults.conf").write_text(_DEFAULTS, encoding="utf-8")
    own = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(configuration), "SPARK_DAEMON_MEMORY": "256m"}
    master = f"spark://127.0.0.1:{_free_port()}"
    port = master.rpartition(":")[2]
    worker = ["worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "600m"]
    with contextlib.ExitStack() as processes:

        def start(name: str, *arguments: str, more: Mapping[str, str] | None = None) -> None:
            log = processes.enter_context((folder / f"{name}.log").open("wb"))
            command = [str(_SPARK_CLASS), f"org.apache.spark.deploy.{arguments[0]}", *arguments[1:]]
            process = subprocess.Popen(command, env={**environment, **own, **(more or {})}, stdout=log, stderr=log)
            processes.callback(_end, process)

        start("master", "master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0")
        for number, more in ((1, None), (2, of_second_worker)):
            start(f"worker{number}", *worker, "--work-dir", str(folder / f"work{number}"), master, more=more)
        _await_workers(folder / "master.log")
        yield Cluster(master, own, folder)


def _await_workers(log: Path) -> None:
    deadline = time.monotonic() + 60
    while log.read_text(encoding="utf-8", errors="replace").count("Registering worker") < 2:
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8", errors="replace")[-2000:]
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()


def python_without_crossover(folder: Path) -> Path:
    """A program that runs this Python with all that is installed, but for Crossover itself: what an executor has.
    Once it has run, a file `.used` lies beside it."""
    program = folder / "python"
    path = f'PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{sysconfig.get_path("purelib")}"'
    program.write_text(f'#!/bin/sh\n: > "$0.used"\n{path} exec "{sys.executable}" -S "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return program


def without_aws() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CROSSOVER_"))}
