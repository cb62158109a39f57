"""What executors of a cluster are given, and what is said of those that cannot run it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JError  # type: ignore[import-untyped]

from pipelines.errors import StageError
from pipelines.spark import USED_IN_TASKS, equip_executors, pack_engine

pytestmark = pytest.mark.unit

PACKAGE = Path(__file__).parents[2] / "pipelines"
OF_SPARK = {"pyspark", "py4j"}  # comes with the executor

IMPORTED_FROM_ZIP = """
import json, sys
sys.path[1:1] = sys.argv[1:3]
import pipelines.backfill.importing.objects, pipelines.target.cold_bucket, pipelines.target.live_bucket
import pipelines.diff.bucket, pipelines.dump.segment, pipelines.warehouse.record_sink, pipelines.warehouse.spark_files
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "pipelines"}))
"""


class Executors:
    """In the place of Spark: `python` runs what it is asked, or fails."""

    master = "spark://somewhere:7077"

    def __init__(self, python: Callable[[Callable[[int], Any]], Any]) -> None:
        self.given: list[str] = []
        self._python = python
        self._asks: Callable[[int], Any] = lambda task: task

    def addPyFile(self, path: str) -> None:  # noqa: N802 - Spark's
        assert Path(path).is_file()
        self.given.append(path)

    def parallelize(self, _tasks: Iterable[int], _slices: int) -> Executors:
        return self

    def flatMap(self, asks: Callable[[int], Any]) -> Executors:  # noqa: N802 - Spark's
        self._asks = asks
        return self

    def collect(self) -> Any:
        return self._python(self._asks)


def equip(python: Callable[[Callable[[int], Any]], Any]) -> Executors:
    executors: Any = Executors(python)
    equip_executors(executors)
    return executors  # type: ignore[no-any-return]


def fails_with(text: str) -> Callable[[Callable[[int], Any]], Any]:
    def python(_: Callable[[int], Any]) -> Any:
        raise Py4JError(text)

    return python


def test_a_package_is_the_same_bytes_each_time_and_lacks_no_file(tmp_path: Path) -> None:
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    pack_engine(first)
    pack_engine(second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as package:
        assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # not those of a checkout
        packed = set(package.namelist())
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert packed == {path.relative_to(PACKAGE.parent).as_posix() for path in files}


def test_tasks_run_from_the_package_and_import_no_more_than_is_asked_for(tmp_path: Path) -> None:
    pack_engine(package := tmp_path / "crossover.zip")
    done = subprocess.run(
        [sys.executable, "-S", "-c", IMPORTED_FROM_ZIP, str(package), sysconfig.get_path("purelib")],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)
    assert all(file.startswith(f"{package}/") for file in files.values())
    imported = {
        name for file in files.values() for name in imported_at_once(PACKAGE.parent / file[len(f"{package}/") :])
    }
    assert imported - sys.stdlib_module_names - OF_SPARK - {"pipelines"} == set(USED_IN_TASKS)


def imported_at_once(file: Path) -> Iterable[str]:
    """The packages that a module imports when it is imported itself."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        yield from (name.partition(".")[0] for name in names)


def test_executors_that_have_all_are_given_the_package_once() -> None:
    first, second = (equip(lambda asks: asks(0)) for _ in range(2))
    assert len(first.given) == 1
    assert first.given == second.given  # another path for the same name is refused by Spark


def test_what_executors_lack_is_said_at_once() -> None:
    with pytest.raises(StageError, match=r"executors \(spark://somewhere:7077\): their Python lacks duckdb, pycurl; "):
        equip(lambda _: ["duckdb", "pycurl"])


@pytest.mark.parametrize(
    ("java_says", "said"),
    [
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.12 than that in driver: 3.11, PySpark",
            "their Python is 3.12, this one 3.11; both must be of one minor version",
        ),
        (
            'java.io.IOException: Cannot run program "/opt/venv/bin/python": Exec failed, error: 2',
            "they cannot run /opt/venv/bin/python; name a Python",
        ),
        ("o1.collect: java.lang.OutOfMemoryError: row 4711", "OutOfMemoryError"),
    ],
)
def test_executors_that_cannot_run_it_are_one_line(java_says: str, said: str) -> None:
    with pytest.raises(StageError, match=said) as raised:
        equip(fails_with(java_says))
    assert "4711" not in str(raised.value)
    assert "\n" not in str(raised.value)
