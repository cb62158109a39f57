"""What goes to stderr: lines or JSON, and nothing secret in either."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import logs
from pipelines.errors import UsageError

pytestmark = pytest.mark.unit

SECRET = "wJalrXUtnFEMI/K7MDENG"
ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2Vj", "PGPASSWORD": "short"}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    logs._attributes.clear()
    logs._about.clear()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("postgresql://app:p@ss:w/rd@db:5432/shop failed", "postgresql://app:•••@db:5432/shop failed"),
        ("postgresql://:pw@db/shop", "postgresql://:•••@db/shop"),
        ("http://127.0.0.1:5000/x is away", "http://127.0.0.1:5000/x is away"),
        ("key AKIAIOSFODNN7EXAMPLE is refused", "key ••• is refused"),
        (f"signed with {SECRET}.", "signed with •••."),
        ("token IQoJb3JpZ2luX2Vj", "token •••"),
        ("host=db password=hunter2 user=app", "host=db password=••• user=app"),
        ("password='hunter 2' user=app", "password=••• user=app"),
        ('{"SecretAccessKey": "hunter2", "a": 1}', '{"SecretAccessKey": •••, "a": 1}'),
        ("x?X-Amz-Signature=ab12&X-Amz-Security-Token=cd34", "x?X-Amz-Signature=•••&X-Amz-Security-Token=•••"),
        ("a short one is a word", "a short one is a word"),
        ("set CROSSOVER_SOURCE_URL; no password is asked for", "set CROSSOVER_SOURCE_URL; no password is asked for"),
    ],
)
def test_secrets_are_taken_out(line: str, shown: str) -> None:
    assert logs.redacted(line, ENVIRONMENT) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"email":{"S":"zoe@example.com"},"n":{"N":"1"}}', '{"email":•••,"n":{"N":"1"}}'),
        ('{"email": "zo\\"e", "n": 1}', '{"email": •••, "n": 1}'),
        ("{'email': 'zoe@example.com'}", "{'email': •••}"),
        ("DETAIL: Key (email)=(zoe@example.com) already exists.", "DETAIL: Key (email)=••• already exists."),
        ("email=zoe@example.com, n=1", "email=•••, n=1"),
        ("items.customer.email: no such column", "items.customer.email: no such column"),
        ("emails=3", "emails=3"),
    ],
)
def test_what_stands_beside_a_sensitive_name_is_taken_out(line: str, shown: str) -> None:
    logs.hide_attributes(["email", "phone"])
    assert logs.redacted(line, {}) == shown


def test_a_line_is_one_object() -> None:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.JsonLines())
    record = {"name": "pipelines.x", "levelname": "WARNING", "levelno": 30, "msg": "at %s:\n%s", "created": 1.5}
    logs.about(migration="shop")
    with logs.speaking_of(run_id="r1"):
        handler.handle(logging.makeLogRecord({**record, "args": ("ftp://a:b@c", "d")}))
    try:
        raise ValueError("card 4711")
    except ValueError:
        handler.handle(logging.makeLogRecord({**record, "msg": "failed", "exc_info": sys.exc_info()}))
    first, second = map(json.loads, text.getvalue().splitlines())
    assert first == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "level": "WARNING",
        "logger": "pipelines.x",
        "message": "at ftp://a:•••@c:\nd",
        "migration": "shop",
        "run_id": "r1",
    }
    assert second["exception"] == "ValueError"
    assert "test_a_line_is_one_object" in second["trace"][0]
    assert "run_id" not in second
    assert "4711" not in text.getvalue()


def test_text_lines_are_redacted_too() -> None:
    error = RuntimeError("ftp://a:b@c")
    record = logging.makeLogRecord({"msg": "failed", "exc_info": (RuntimeError, error, None)})
    assert "ftp://a:•••@c" in logs.TextLines("%(message)s").format(record)


@pytest.mark.parametrize("name", [logs.LEVEL, logs.FORMAT])
def test_no_such_value(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}=loud: no such value; use one of"):
        logs.start_logging({name: "loud"})


MAPPING = """
migration: shop
target: {tables: {rows: {partition_key: {name: pk, type: S}}}}
items: {row: {table: rows, from: rows, key: {pk: "{id}"}, sensitive: [email]}}
"""


def test_a_command_s_stderr_is_json(tmp_path: Path) -> None:
    """A source that cannot be reached, beside a warning and a defect of ours that quote what they should not."""
    (tmp_path / "shop.yaml").write_text(MAPPING)
    program = (
        "import logging\nfrom pathlib import Path\nfrom pipelines import cli\nfrom pipelines.command import Command\n"
        "from pipelines.migration import Migration\nfrom pipelines.progress import tell\n"
        "def run(_):\n"
        "    Migration.open(Path('shop.yaml'))\n"
        "    tell('reads postgresql://app:hunter2@db/shop')\n"
        "    logging.getLogger('pipelines.x').warning('got %s', {'email': 'zoe@example.com'})\n"
        "    raise RuntimeError('email=zoe@example.com')\n"
        "cli.commands = lambda _: [Command('it', 'fails', lambda _: None, run)]\n"
        "cli.main(['it'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "CROSSOVER_WAREHOUSE": str(tmp_path / "warehouse"),
            "CROSSOVER_LOG_FORMAT": "json",
            "CROSSOVER_LOG": "DEBUG",
        },
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["INFO", "WARNING", "DEBUG", "ERROR"]
    assert lines[0]["message"] == "reads postgresql://app:•••@db/shop"
    assert {line["migration"] for line in lines} == {"shop"}
    assert "unexpected RuntimeError" in lines[-1]["message"]
    assert not any(secret in done.stderr for secret in ("hunter2", "zoe@"))
    assert done.stdout == ""
