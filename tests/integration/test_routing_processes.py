"""Routers in processes of their own: what each sees and counts, how it ends, and forks."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.cli import run
from pipelines.routing.evidence import Evidence
from pipelines.target.control_table import ControlTable
from tests.integration.test_routing import MAPPING, eventually

pytestmark = pytest.mark.integration

REFRESH_SECONDS = 0.5

APPLICATION = f"""
import os, sys, threading, time
from pipelines.mapping.load import parse_mapping
from pipelines.routing import Router

router = Router(parse_mapping({MAPPING!r}, "shop.yaml"), refresh_seconds={REFRESH_SECONDS}, flush_seconds=FLUSH)
query = router.query("q", rds=lambda: "rds", dynamodb=lambda: "dynamodb")
"""

SERVING = """
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
calls, last = 0, None
while not ended.wait(0.01):
    answer = query()
    calls += 1
    if answer != last:
        print(answer, time.time(), flush=True)
        last = answer
print(calls, 0, flush=True)
"""


@pytest.fixture
def mapping(tmp_path: Path, dynamodb_environment: str) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path


@pytest.fixture
def table(mapping: Path) -> ControlTable:
    found = ControlTable.of("shop")
    found.create()
    return found


def command(body: str, flush_seconds: float) -> list[str]:
    return [sys.executable, "-c", APPLICATION.replace("FLUSH", str(flush_seconds)) + body]


class Application:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def says(self) -> tuple[str, float]:
        assert self._process.stdout is not None
        what, when = self._process.stdout.readline().split()
        return what, float(when)

    def ends(self) -> int:
        """Calls that it has made."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        calls = int(self.says()[0])
        assert self._process.wait(60) == 0
        return calls


@contextmanager
def application(flush_seconds: float) -> Iterator[Application]:
    arguments = command(SERVING, flush_seconds)
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Application(process)
        finally:
            process.kill()


def answers(table: ControlTable) -> int:
    return Evidence.read(table, "q", datetime.now(UTC)).counts["rds_answers"]


def test_two_processes_see_a_change_in_time_and_both_are_counted(mapping: Path, table: ControlTable) -> None:
    with ExitStack() as stack:
        both = [stack.enter_context(application(flush_seconds=3600)) for _ in range(2)]
        assert [one.says()[0] for one in both] == ["rds", "rds"]
        for stage in ("dynamodb", "rds"):
            assert run(["route", str(mapping), "q", stage, "--force"]) == 0
            changed = time.time()
            for one in both:
                what, when = one.says()
                assert what == stage
                assert when - changed < REFRESH_SECONDS + 2.5  # on a busy machine; a flush is an hour away
        calls = sum(one.ends() for one in both)
    seen = Evidence.read(table, "q", datetime.now(UTC)).counts
    assert seen["rds_answers"] + seen["dynamodb_answers"] == calls
    assert seen["dynamodb_answers"] >= 2


ENDINGS = {
    "by its end": "query(); query()",
    "by an error": "query(); query(); raise SystemExit(3)",
    "forgotten by the application": "query(); query(); del router, query",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_ends_without_close_writes_its_last_counts(table: ControlTable, ending: str) -> None:
    subprocess.run(command(ENDINGS[ending], 3600), timeout=60, check=ending != "by an error")
    assert answers(table) == 2


FORKING = """
query(); query()
child = os.fork()
query()
if child == 0:
    query()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_process_that_was_forked_counts_its_own_under_its_own_name(table: ControlTable) -> None:
    subprocess.run(command(FORKING, 3600), timeout=60, check=True)
    assert answers(table) == 2 + 2 + 1
    rows = [row.document["counts"] for row in table.query("query#q", "count#", "count#~")]
    assert len(rows) == 2
    assert {"rds_answers": 2} in rows and {"rds_answers": 3} in rows


SHADOW_IN_A_FORK = """
import time
while query() != "rds" or router._stages.of("q").stage.value != "shadow":
    time.sleep(0.05)
child = os.fork()
if child == 0:
    query()
    while not any(hour.counts["shadow_compared"] for hour in router._counters._hours.copy().values()):
        time.sleep(0.05)
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
os._exit(0)
"""


def test_a_process_that_was_forked_has_threads_for_shadow_reads(mapping: Path, table: ControlTable) -> None:
    assert run(["route", str(mapping), "q", "shadow"]) == 0
    subprocess.run(command(SHADOW_IN_A_FORK, 3600), timeout=60, check=True)
    eventually(lambda: Evidence.read(table, "q", datetime.now(UTC)).compared >= 1)


IMPORTED = """
before = {*sys.modules}
while query() != "rds" or router._stages.of("q").stage.value != "shadow" or not any(
    hour.counts["shadow_compared"] for hour in router._counters._hours.copy().values()
):
    time.sleep(0.05)
router.close()
print(*sorted({*sys.modules} - before))
"""


def test_threads_of_a_router_import_nothing(mapping: Path, table: ControlTable) -> None:
    """A process that is forked meanwhile has the module's lock for ever: one fork in five met strptime's, on a busy
    machine."""
    assert run(["route", str(mapping), "q", "shadow"]) == 0
    done = subprocess.run(command(IMPORTED, 3600), timeout=60, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_an_end_does_not_wait_for_a_control_table_that_does_not_answer(
    table: ControlTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LAST_SECONDS, in place of boto3's attempts of a minute each."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        subprocess.run(
            command("router._stages.start(); router._stages._asked.set(); query()", 3600), timeout=60, check=True
        )
    assert 4 < time.monotonic() - began < 30
