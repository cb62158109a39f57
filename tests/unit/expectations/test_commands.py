from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from expectations.commands import report, verify
from expectations.report import write_report
from pipelines.command import CommandResult, Exit
from pipelines.errors import UsageError
from pipelines.migration import Migration
from pipelines.verify import VerifyResult
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import DiffManifest, Verdicts
from pipelines.warehouse.place import Place
from tests.unit.expectations.finished_diff import RUN, FinishedDiff
from tests.unit.expectations.history import Nights
from tests.unit.expectations.rich_diff import RICH

pytestmark = pytest.mark.unit

URL = "postgresql://127.0.0.1/shop"


class Session:
    stopped = False

    def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize(("diff", "exit_"), [(RICH, Exit.INCONSISTENT), (FinishedDiff(), Exit.DONE)])
def test_verify_tells_consistent_from_not(
    diff: FinishedDiff, exit_: Exit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(diff.write(tmp_path).folder.diff(RUN), DiffManifest)
    page = tmp_path / "index.html"
    page.with_name("report.txt").write_text("the report\n", encoding="utf-8")
    session = Session()

    def verified(migration: Migration, url: str, spark: Any, report: Any, **options: Any) -> VerifyResult:
        assert (url, spark, report) == (URL, session, write_report)
        assert options == {"sample": None, "rcu": None, "judge_at_most": 7}
        return VerifyResult(manifest, Place.of(page))

    monkeypatch.setattr("pipelines.verify.verify", verified)
    monkeypatch.setattr("pipelines.spark.open_session", lambda _name: session)
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", URL)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    result = verify.run(parser.parse_args([str(tmp_path / "shop.yaml"), "--judge-at-most", "7"]))

    assert result.exit is exit_
    assert session.stopped
    assert result.document["consistent"] is (exit_ is Exit.DONE)
    assert result.document["report"] == str(page)
    assert set(Verdicts.model_fields) < set(result.document)
    assert list(result.lines) == ["the report", "", f"report: {page}"]


def run_report(*arguments: str) -> CommandResult:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args(arguments))


def test_the_page_over_all_migrations_is_made_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nights = Nights(tmp_path / "warehouse")
    nights.root.mkdir()
    nights.migration("shop", RICH)
    nights.migration("billing", FinishedDiff())
    (nights.place / "new" / "snapshots" / "part").write_atomically("")
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(nights.root))
    result = run_report("--all")
    assert result.exit is Exit.DONE
    assert result.document == {
        "report": str(nights.root / "index.html"),
        "migrations": {
            "shop": {"verdict": "not consistent", "run_id": RUN},
            "new": {"verdict": "never verified", "run_id": None},
            "billing": {"verdict": "consistent", "run_id": RUN},
        },
    }
    assert result.lines[0] == "shop: not consistent. 9 of 45 items are not as they should be."
    assert result.lines[-1] == f"report: {nights.root / 'index.html'}"
    assert "1 of 3 migrations is not consistent" in (nights.root / "index.html").read_text()


@pytest.mark.parametrize("arguments", [[], ["shop.yaml", "--all"], ["--all", "--run", RUN]])
def test_one_migration_or_all_of_them(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="--all"):
        run_report(*arguments)
