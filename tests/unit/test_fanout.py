"""What comes out of a fan-out whose Java or workers end while it runs, or whose folder cannot be written."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pipelines.errors import WarehouseError
from pipelines.fanout import SparkFanOut, spark_fan_out
from pipelines.spark import close_session
from pipelines.warehouse.local_place import LocalPlace
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


class Context:
    """Java's side: `job` happens when the tasks are handed over, in the place of Spark."""

    defaultParallelism = 2  # noqa: N815 - Spark's

    def __init__(self, job: Callable[[], None] = lambda: None, master: str = "local[2]") -> None:
        self.master = master
        self.environment: dict[str, str] = {}
        self._job = job
        self._tasks: list[Any] = []
        self._work: Callable[[Any], Any] = lambda task: task

    def parallelize(self, tasks: Iterable[Any], _: int) -> Context:
        self._job()
        self._tasks = list(tasks)
        return self

    def map(self, work: Callable[[Any], Any]) -> Context:
        self._work = work
        return self

    def collect(self) -> list[Any]:
        return [self._work(task) for task in self._tasks]


class Session:
    def __init__(self, context: Context) -> None:
        self.sparkContext = context

    def stop(self) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def fan_out(context: Context, folder: Path, work: Callable[[int], Any] = lambda task: task) -> list[Any]:
    session: Any = Session(context)
    return SparkFanOut(session)([1, 2, 3], work, stop_flag=Place.of(folder / ".stop"))


def java_is_gone() -> None:
    raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def test_results_in_order(tmp_path: Path) -> None:
    assert fan_out(Context(), tmp_path) == [1, 2, 3]


def test_java_that_dies_alone_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ConnectionRefusedError):
        fan_out(Context(java_is_gone), tmp_path)


@pytest.mark.parametrize("late", [False, True])
def test_java_that_dies_of_what_interrupts_us_is_an_interrupt(tmp_path: Path, late: bool) -> None:
    def both_die() -> None:
        interrupt = threading.Timer(0.2 if late else 0.0, os.kill, (os.getpid(), signal.SIGINT))
        interrupt.start()
        if not late:
            interrupt.join()
        java_is_gone()

    with pytest.raises(KeyboardInterrupt):
        fan_out(Context(both_die), tmp_path)
    assert not (tmp_path / ".stop").exists()


def test_an_interrupt_while_it_waits_lets_the_task_under_way_finish(tmp_path: Path) -> None:
    done: list[int] = []

    def work(task: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while not (tmp_path / ".stop").exists():
            time.sleep(0.01)
        time.sleep(0.3)
        done.append(task)

    with pytest.raises(KeyboardInterrupt):
        fan_out(Context(), tmp_path, work)
    assert done == [1]


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    let_go = threading.Event()

    def work(_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while not (tmp_path / ".stop").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        let_go.wait(30)

    with pytest.raises(KeyboardInterrupt):
        fan_out(Context(), tmp_path, work)
    assert not let_go.is_set()
    let_go.set()


def test_a_session_whose_java_is_dead_is_closed() -> None:
    session: Any = Session(Context())
    close_session(session)


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x"))

    with pytest.raises(WarehouseError, match=r"x: cannot be used \(No space left on device\)$"):
        fan_out(Context(), tmp_path, full)


def test_an_error_while_looking_on_stops_the_tasks(tmp_path: Path) -> None:
    """A task that is handed out afterwards finds the flag."""
    seen = threading.Event()
    started: list[int] = []

    def work(task: int) -> None:
        started.append(task)
        seen.wait(10)

    def look() -> None:
        raise WarehouseError("damaged")

    session: Any = Session(Context())
    with pytest.raises(WarehouseError, match="damaged"):
        SparkFanOut(session)([1, 2, 3], work, stop_flag=Place.of(tmp_path / ".stop"), on_poll=look)
    seen.set()
    for thread in threading.enumerate():
        if thread.name == "fan-out":
            thread.join(10)
    assert started == [1]


def test_an_error_that_comes_after_another_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_place: LocalPlace, *_: object) -> None:
        raise WarehouseError("the disk is full")

    def look() -> None:
        monkeypatch.setattr(LocalPlace, "write_atomically", full)
        raise WarehouseError("damaged")

    session: Any = Session(Context())
    with pytest.raises(WarehouseError, match=r"^damaged$"):
        SparkFanOut(session)([1], lambda _: time.sleep(1), stop_flag=Place.of(tmp_path / ".stop"), on_poll=look)


@pytest.mark.parametrize("fails", [False, True])
def test_a_flag_that_cannot_be_cleared_away_does_not_hide_the_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def work(task: int) -> int:
        monkeypatch.setattr(LocalPlace, "remove", Mock(side_effect=WarehouseError("may not be removed")))
        if fails:
            raise WarehouseError("damaged")
        return task

    if fails:
        with pytest.raises(WarehouseError, match=r"^damaged$"):
            fan_out(Context(), tmp_path, work)
    else:
        assert fan_out(Context(), tmp_path, work) == [1, 2, 3]


def test_a_folder_that_executors_do_not_see_is_said_so(tmp_path: Path) -> None:
    """Here they "see" what is left once this machine's own files are gone."""

    def elsewhere() -> None:
        for file in tmp_path.iterdir():
            file.unlink()

    with pytest.raises(
        WarehouseError, match=r"not every executor of spark://h:7077 sees this folder; use .*=s3://"
    ) as told:
        fan_out(Context(elsewhere, "spark://h:7077"), tmp_path)
    assert str(told.value).startswith(f"{tmp_path}: ")
    assert fan_out(Context(master="spark://h:7077"), tmp_path) == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_tasks_get_the_settings_of_now_and_no_machines_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("CROSSOVER_S3_KMS_KEY", "k")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    context = Context()
    fan_out(context, tmp_path)
    assert context.environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1"
    assert context.environment["CROSSOVER_S3_KMS_KEY"] == "k"
    assert not {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "PGPASSWORD"} & set(context.environment)


def test_a_session_starts_with_the_first_task_and_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused before does not wait for Java."""
    said: list[str] = []

    @contextmanager
    def session() -> Iterator[Session]:
        said.append("started")
        yield Session(Context())
        said.append("ended")

    monkeypatch.setattr("pipelines.fanout.session", session)
    with spark_fan_out():
        pass
    assert said == []
    with spark_fan_out() as hands_out:
        for _ in range(2):
            assert hands_out([1, 2], lambda task: task, stop_flag=Place.of(tmp_path / ".stop")) == [1, 2]
        assert hands_out.slots == 2
        assert said == ["started"]
    assert said == ["started", "ended"]
