"""The asset checks of item types, and the command that is told of failures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_defs.checks import ItemTypeChecks, item_type_checks
from dagster_defs.on_failure import command_of, failure_sensors, tell
from pipelines.errors import UsageError
from pipelines.warehouse.manifest import Verdicts

pytestmark = pytest.mark.unit

DIFF = dg.AssetKey(["shop", "diff"])
ORDER = ItemTypeChecks("order", "order_consistent", "order_settled")


@pytest.mark.parametrize(
    ("verdicts", "consistent", "settled"),
    [
        (Verdicts(match=9), True, True),
        (Verdicts(), True, True),
        *((Verdicts(match=9, **{name: 1}), False, True) for name in ("mismatch", "missing", "stale", "extra")),
        *((Verdicts(match=9, **{name: 1}), False, True) for name in ("ahead", "foreign")),
        (Verdicts(match=9, rejected=2), True, True),
        (Verdicts(match=9, rejected=3), False, True),
        *((Verdicts(match=9, **{name: 1}), True, False) for name in ("pending", "in_flight", "accepted")),
    ],
)
def test_what_is_wrong_is_an_error_and_what_is_open_a_warning(
    verdicts: Verdicts, consistent: bool, settled: bool
) -> None:
    error, warning = ORDER.results(DIFF, verdicts, rejected_at_most=2, link={"run_id": "r"})
    assert (error.passed, error.severity) == (consistent, dg.AssetCheckSeverity.ERROR)
    assert (warning.passed, warning.severity) == (settled, dg.AssetCheckSeverity.WARN)
    assert error.metadata is not None
    assert {"run_id", "wrong", "match", "pending"} <= set(error.metadata)


def test_names_of_checks_are_names_to_dagster_and_no_two_are_equal() -> None:
    checks = item_type_checks(["a-b", "a_b", "a_b_2", "größe"])
    names = [name for one in checks for name in (one.consistent, one.settled)]
    assert names[::2] == ["a_b_consistent", "a_b_2_consistent", "a_b_2_2_consistent", "gr__e_consistent"]
    assert len(set(names)) == len(names)
    assert [spec.name for one in checks for spec in one.specs(DIFF)] == names


def test_the_command_is_given_the_news_on_stdin(tmp_path: Path) -> None:
    told = tmp_path / "told"
    tell(["tee", str(told)], {"event": "failed", "message": "Zoë"})
    assert json.loads(told.read_text()) == {"event": "failed", "message": "Zoë"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-command-of-ours"], "CROSSOVER_ON_FAILURE: no-such-command-of-ours: FileNotFoundError"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with 3"),
        (["sleep", "9"], "sleep: TimeoutExpired"),
    ],
)
def test_a_command_that_fails_is_one_line(command: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_defs.on_failure.SECONDS", 0.2 if command[0] == "sleep" else 60.0)
    with pytest.raises(dg.Failure) as failure:
        tell(command, {"event": "failed"})
    assert message in str(failure.value.description)


def test_a_command_line_is_split_as_a_shell_does_it() -> None:
    assert command_of("page --team 'data base'") == ["page", "--team", "data base"]
    with pytest.raises(UsageError, match="CROSSOVER_ON_FAILURE: no command line"):
        command_of("page 'data")


def test_without_the_setting_there_is_no_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSOVER_ON_FAILURE", raising=False)

    @dg.job
    def job() -> None: ...

    verify = dg.define_asset_job("shop_verify", selection=dg.AssetSelection.assets(DIFF))
    assert failure_sensors("shop", job, verify) == []
