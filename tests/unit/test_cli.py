"""The command line's own promises: one line, one object, no secret, whatever happens inside a command."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipelines import cli
from pipelines.command import Command, CommandResult, Exit, add_mapping_argument
from pipelines.errors import StageError
from pipelines.logs import say

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in ("crossover", "pipelines", "py4j")}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_: object) -> CommandResult:
        raise error

    monkeypatch.setattr(cli, "commands", lambda _: [Command("it", "fails", lambda _: None, fail)])


@pytest.mark.parametrize(("value", "status"), [("", Exit.DONE), ("debug", Exit.DONE), ("loud", Exit.FAILED)])
def test_the_log_level(
    value: str, status: Exit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSOVER_LOG", value)
    assert cli.run(["schema", "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert ("error" in document) is (status is Exit.FAILED)


def test_the_details_of_a_defect_have_no_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    cause = ValueError("card 4711")
    error = RuntimeError("card 4711")
    error.__cause__ = cause
    failing(monkeypatch, error)
    monkeypatch.setenv("CROSSOVER_LOG", "DEBUG")
    assert cli.run(["it"]) == Exit.FAILED
    assert "RuntimeError" in caplog.text
    assert "ValueError" in caplog.text
    assert "test_cli.py" in caplog.text
    captured = capsys.readouterr()
    assert "4711" not in caplog.text + captured.out + captured.err


def test_what_others_log_in_detail_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_LOG", "DEBUG")
    cli.run(["schema"])
    assert logging.getLogger("pipelines.x").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("botocore.auth").isEnabledFor(logging.DEBUG)


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert cli.run(["it", "--json"]) == Exit.INTERRUPTED
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


def test_a_pipe_that_breaks_inside_a_command_is_not_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, BrokenPipeError())
    assert cli.run(["it", "--json"]) == Exit.FAILED
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "defect"


def test_an_option_is_never_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schema", "--js"]) == Exit.FAILED
    assert "unrecognized arguments: --js" in capsys.readouterr().err


def test_a_reader_that_has_gone_away_sees_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "schema"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (Exit.FAILED, "")


def test_being_terminated_is_an_interrupt() -> None:
    program = (
        "import os, signal\nfrom pipelines import cli\nfrom pipelines.command import Command\n"
        "def run(_): os.kill(os.getpid(), signal.SIGTERM); signal.pause()\n"
        "cli.commands = lambda _: [Command('it', 'ends', lambda _: None, run)]\ncli.main(['it', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == Exit.INTERRUPTED, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_commands_are_told_with_the_mapping_that_was_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fails: bool, as_json: bool
) -> None:
    """Deep down nobody knows its file."""
    told = "run `crossover capture … install`, or wait …"

    def run(_: object) -> CommandResult:
        say(f"said: {told}")
        if fails:
            raise StageError(told)
        return CommandResult({"notes": [told]}, [told])

    monkeypatch.setattr(cli, "commands", lambda _: [Command("it", "tells", add_mapping_argument, run)])
    cli.run(["it", "my shop.yaml", *(["--json"] if as_json else [])])
    captured = capsys.readouterr()
    whole = "run `crossover capture 'my shop.yaml' install`, or wait …"
    assert f"said: {whole}" in captured.err
    if as_json:
        document = json.loads(captured.out)
        assert (document["error"]["message"] if fails else document["notes"]) == (whole if fails else [whole])
    else:
        assert f"crossover: {whole}" in captured.err if fails else captured.out == f"{whole}\n"


def test_without_a_mapping_they_are_told_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, StageError("run `crossover capture … install`"))
    cli.run(["it"])
    assert "`crossover capture … install`" in capsys.readouterr().err
