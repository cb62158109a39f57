"""Shared fixtures: one PostgreSQL, one DynamoDB endpoint and one Spark session a worker, real ones."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pyspark.sql import SparkSession

from pipelines.source.embedded import EmbeddedPostgres
from pipelines.spark import open_session
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.spark_classes import use_spark_classes
from tests.stand_ins import Ministack, ministack, ministack_python

pytest.register_assert_rewrite("tests.delivered_shop", "tests.disturbed_backfill")  # or they would fail without a word

QUICK_JAVA = "-XX:TieredStopAtLevel=1"
"""Little data are done with before Java's second compiler earns back what it costs. For what tests start, too."""

_LOOKED_AT_SECONDS = 0.5

_ORDER = ("unit", "property", "integration", "browser", "e2e")


def pytest_configure(config: pytest.Config) -> None:
    """A worker is a program without a file, which pyspark takes for a call of its own doctests, and ends."""
    config.addinivalue_line("markers", "endpoints(*names): runs on each of these: moto (unless given), ministack")
    os.environ.setdefault("JDK_JAVA_OPTIONS", QUICK_JAVA)
    use_spark_classes(os.environ)
    main = sys.modules["__main__"]
    if _is_worker(config) and not hasattr(main, "__file__"):
        main.__file__ = pytest.__file__
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's `&`; what tests start and interrupt inherits it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick ones first, but among several workers the long ones, so that all come to their end together. What
    uses a Spark session is marked so, for `make test-fast` to leave out."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")
    order = _ORDER[::-1] if _is_worker(config) else _ORDER
    items.sort(key=lambda item: next((n for n, kind in enumerate(order) if item.get_closest_marker(kind)), 0))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is marked `endpoints` runs on each of them, if it uses one."""
    marker = metafunc.definition.get_closest_marker("endpoints")
    if marker is not None and "dynamodb_environment" in metafunc.fixturenames:
        metafunc.parametrize("dynamodb_environment", marker.args, indirect=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an embedded PostgreSQL's `postgres` database."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server.url


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield postgres_server.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[EmbeddedDynamoDB]:
    with EmbeddedDynamoDB() as server:
        yield server


@pytest.fixture(scope="session")
def ministack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    if not ministack_python().exists():
        absent = f"no ministack: {ministack_python()} is not there; `make test` makes it"
        if os.environ.get("CROSSOVER_REQUIRE_MINISTACK") == "1":
            pytest.fail(absent)
        pytest.skip(absent)
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture
def dynamodb_environment(
    request: pytest.FixtureRequest, dynamodb_server: EmbeddedDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Points AWS's variables at an emptied endpoint; returns its URL. S3 is moto's, always."""
    is_moto = getattr(request, "param", "moto") == "moto"
    server = dynamodb_server if is_moto else request.getfixturevalue("ministack_server")
    server.reset()
    for name, value in {**dynamodb_server.environment(), "AWS_ENDPOINT_URL_DYNAMODB": server.url}.items():
        monkeypatch.setenv(name, value)
    return str(server.url)


@pytest.fixture(scope="session")
def spark(dynamodb_server: EmbeddedDynamoDB) -> Iterator[SparkSession]:
    """Spark's Python workers see the environment of the moment in which the session starts."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in dynamodb_server.environment().items():
            environment.setenv(name, value)
        session = open_session("crossover-tests")
        yield session
        session.stop()


@pytest.fixture(scope="session", autouse=True)
def nothing_works_on() -> Iterator[None]:
    """A thread that a test has left spinning takes a core from all that come after it, and nobody would know."""
    yield
    began = time.process_time() - time.thread_time()
    time.sleep(_LOOKED_AT_SECONDS)
    others = time.process_time() - time.thread_time() - began
    if others > _LOOKED_AT_SECONDS / 2:
        frames = sys._current_frames()
        left = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
        stacks = {one.name: traceback.format_stack(frames[one.ident])[-1] for one in left if one.ident in frames}
        pytest.fail("threads that tests have left are at work: " + "; ".join(f"{a}: {b}" for a, b in stacks.items()))


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse"
