"""`crossover ui` in a process of its own, and what its page asks the web server for, by the same GraphQL."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.lifeline import DIE_WITH_PARENT

COMMAND = [sys.executable, "-m", "pipelines.cli", "ui"]
LOCATION = {"repositoryLocationName": "dagster_defs.definitions", "repositoryName": "__repository__"}
LONGEST_SECONDS = 300.0
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
GO_ON = """
mutation GoOn($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
RUNS = "{ runsOrError { ... on Runs { results { runId status jobName } } } }"


class UiEndedError(Exception):
    """With all that it had said."""


@dataclass(frozen=True)
class Ui:
    """`url` and `reports` as the command has said them."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str
    reports: str

    def ask(self, query: str, **variables: object) -> Any:
        """Again and again, as the page does, while the web server is away."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        ends_at = time.monotonic() + LONGEST_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=LONGEST_SECONDS) as answer:
                    document = json.load(answer)
                break
            except (ConnectionError, urllib.error.URLError, http.client.HTTPException):
                assert time.monotonic() < ends_at, self.log.read_text()
                time.sleep(0.2)
        assert "errors" not in document, document["errors"]
        return document["data"]

    def launch(self, job: str, config: Mapping[str, object] | None = None) -> str:
        """The id of the run, which is queued."""
        params = {
            "selector": {**LOCATION, "pipelineName": job},
            "runConfigData": config or {},
            "mode": "default",
        }
        return _run_id(self.ask(LAUNCH, params=params)["launchRun"])

    def go_on(self, run_id: str) -> str:
        """*Re-execute from failure*: the id of the run that does so."""
        params = {"parentRunId": run_id, "strategy": "FROM_FAILURE"}
        return _run_id(self.ask(GO_ON, params=params)["launchRunReexecution"])

    def statuses(self) -> dict[str, str]:
        """Of all runs, by their ids."""
        return {run["runId"]: run["status"] for run in self.ask(RUNS)["runsOrError"]["results"]}

    def ended(self, run_id: str) -> str:
        """The status of the run once it has ended."""
        ends_at = time.monotonic() + LONGEST_SECONDS
        while (status := self.statuses()[run_id]) not in ENDED:
            assert time.monotonic() < ends_at, f"run {run_id} is {status} still\n{self.log.read_text()}"
            time.sleep(0.2)
        return status

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """The exit status."""
        self.process.send_signal(by)
        return self.process.wait(LONGEST_SECONDS)


@contextlib.contextmanager
def serving(environment: Mapping[str, str], log: Path, like: Ui | None = None) -> Iterator[Ui]:
    """`crossover ui` until the end of the block, if it has not ended before; on the ports of another, or free ones."""
    ports = [like.url, like.reports] if like is not None else [":0", ":0"]
    of_page, of_reports = (address.rpartition(":")[2] for address in ports)
    command = [*COMMAND, "--port", of_page, "--report-port", of_reports]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env={**environment, DIE_WITH_PARENT: "1"}, stdout=file, stderr=file)
    try:
        yield Ui(process, log, _said(process, log, "Dagster"), _said(process, log, "Reports"))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(LONGEST_SECONDS)


def _run_id(answer: Mapping[str, Any]) -> str:
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return str(answer["run"]["runId"])


def _said(process: subprocess.Popen[bytes], log: Path, what: str) -> str:
    ends_at = time.monotonic() + LONGEST_SECONDS
    while not (found := re.findall(rf"^{what}: (\S+)", log.read_text(), re.MULTILINE)):
        if process.poll() is not None or time.monotonic() > ends_at:
            raise UiEndedError(log.read_text())
        time.sleep(0.1)
    return str(found[0])


def processes_of(home: Path) -> dict[int, str]:
    """The processes, by id, whose environment names this folder of Dagster's: all that `crossover ui` has started."""
    mark = f"\0DAGSTER_HOME={home}\0".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in b"\0" + (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def kill(home: Path, what: str) -> None:
    """The one process that has this in its command line."""
    (process_id,) = [number for number, line in processes_of(home).items() if what in line]
    os.kill(process_id, signal.SIGKILL)
