"""The whole report with Great Expectations: what is on disk afterwards, and when there must be none."""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from expectations.commands import report
from expectations.report import write_report
from expectations.tables import SAMPLES_PER_ITEM_TYPE
from pipelines.command import Exit
from pipelines.errors import AccountsError, StageError
from pipelines.warehouse.place import Place
from tests.on_disk import on_disk
from tests.unit.expectations.finished_diff import MAPPING, REJECTED, RUN, Difference, FinishedDiff, order_key
from tests.unit.expectations.hostile_diff import TEMPLATE
from tests.unit.expectations.page import Page
from tests.unit.expectations.rich_diff import RICH, SECRET_KEY

pytestmark = pytest.mark.integration

ADDRESS = re.compile(rb"https?://|(?:src|href)=\"//")


def pages(folder: Path) -> dict[str, bytes]:
    """Every file of a report by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("diff", [RICH, FinishedDiff()], ids=["inconsistent", "consistent"])
def test_a_report_loads_nothing_and_hides_what_is_sensitive(diff: FinishedDiff, tmp_path: Path) -> None:
    page = write_report(diff.write(tmp_path), RUN)
    found = pages(on_disk(page.parent))
    assert page.name == "index.html"
    assert {"index.html", "report.txt", "report.json", "data_docs/index.html"} <= set(found)
    for name, content in found.items():
        assert SECRET_KEY.encode() not in content, name
        assert not ADDRESS.search(content), name
        assert not (name.endswith(".html") and b"<script" in content), name
        assert b"ge_cloud_id" not in content and b"?d=" not in content, name


def test_great_expectations_agrees_with_the_diff(tmp_path: Path) -> None:
    page = write_report(RICH.write(tmp_path), RUN)
    docs = (page.parent / "data_docs" / "index.html").read_text()
    assert re.findall(r"<h2 id=\"suite-(\w+)\">\w+: (\d+) of (\d+) met", docs) == [
        ("verdicts", "4", "13"),
        ("accounts", "2", "2"),
        ("differences", "4", "4"),
    ]
    results = [name for name in pages(on_disk(page.parent)) if name.startswith("data_docs/validations/")]
    assert len(results) == 3
    assert "customer is the same in both stores." in docs_page(page, "verdicts").text
    assert all(f"/shop-{RUN}/" in name for name in results)


def docs_page(page: Place, suite: str) -> Page:
    """The results of a suite, as Great Expectations renders them and the docs keep them."""
    (path,) = (on_disk(page.parent) / "data_docs" / "validations" / suite).rglob("*.html")
    found = Page(path.read_text(encoding="utf-8"))
    found.text = " ".join(found.text.split())
    return found


def test_the_docs_show_totals_and_both_sides_of_what_differs(tmp_path: Path) -> None:
    many = tuple((f"attribute_{n}", "value", '{"N":"1"}', '{"N":"2"}') for n in range(30))
    diff = FinishedDiff().planted(
        Difference("mismatch", order_key(6), paths=(("price", "value", '{"N":"19.99"}', '{"N":"20.01"}'),)),
        Difference("mismatch", order_key(7), paths=(("note", "value", f'{{"S":"{TEMPLATE}"}}', '{"S":"<b>"}'),)),
        Difference("extra", order_key(8), source_size=None),
        *(Difference("mismatch", order_key(n), paths=many) for n in range(70, 80)),
    )
    text = docs_page(write_report(diff.write(tmp_path), RUN), "verdicts").text
    assert "38 items: 12 mismatch, 1 extra, 2 rejected, 23 match" in text
    assert 'mismatch pk="ORDER#6" sk="ORDER" price 19.99 N 20.01 N' in text
    assert f'mismatch pk="ORDER#7" sk="ORDER" note "{TEMPLATE}" S "<b>" S' in text
    assert "attribute_7" in text and "attribute_8" not in text
    assert text.count("mismatch pk=") == SAMPLES_PER_ITEM_TYPE


@pytest.mark.parametrize(
    ("diff", "message"),
    [
        (
            FinishedDiff(differences=(Difference("extra", order_key(99)),)),
            "the diff says consistent, Great Expectations not consistent",
        ),
        (FinishedDiff(differences=(*REJECTED, REJECTED[0])), "Great Expectations not consistent"),
    ],
    ids=["diff too lenient", "over the threshold of rejected rows"],
)
def test_a_disagreement_is_an_error_and_leaves_no_report(diff: FinishedDiff, message: str, tmp_path: Path) -> None:
    migration = diff.write(tmp_path)
    with pytest.raises(StageError, match=message):
        write_report(migration, RUN)
    assert (migration.folder.root / "reports").children() == []


def test_accounts_that_do_not_balance_are_an_error(tmp_path: Path) -> None:
    migration = FinishedDiff(balanced=False).write(tmp_path)
    with pytest.raises(AccountsError, match="order: rows of the root table"):
        write_report(migration, RUN)


def test_a_mismatch_without_a_path_is_an_error(tmp_path: Path) -> None:
    migration = FinishedDiff().planted(Difference("mismatch", order_key(6))).write(tmp_path)
    with pytest.raises(StageError, match="its differences are not what they should be"):
        write_report(migration, RUN)


def test_nothing_compared_is_not_consistent(tmp_path: Path) -> None:
    rejected = tuple(Difference("rejected", order_key(n), source_size=None, target_size=None) for n in range(2))
    diff = FinishedDiff(differences=rejected, matches=False, reasons=("nothing was compared",))
    page = write_report(diff.write(tmp_path), RUN)
    assert "No wrong item was found" in page.read_text()
    docs = (page.parent / "data_docs" / "index.html").read_text()
    assert re.search(r"reasons<br>.{,200}not met", docs, re.DOTALL), "what the diff has against it fails the docs too"


def test_a_report_is_written_anew(tmp_path: Path) -> None:
    migration = RICH.write(tmp_path)
    first = write_report(migration, RUN)
    before = pages(on_disk(first.parent))
    (first.parent / "stray.html").write_atomically("")
    write_report(migration, RUN)
    after = pages(on_disk(first.parent))
    assert after.keys() == before.keys()
    assert after["index.html"] == before["index.html"]
    assert [entry.name for entry in (migration.folder.root / "reports").children()] == [RUN]
    assert f"shop/reports/{RUN}/data_docs/index.html" in (tmp_path / "warehouse" / "index.html").read_text()


def test_the_command_takes_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migration = RICH.write(tmp_path)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    result = report.run(parser.parse_args([str(tmp_path / "shop.yaml")]))
    page = migration.folder.report(RUN) / "index.html"
    assert result.document == {"run_id": RUN, "consistent": False, "report": str(page)}
    assert result.exit is Exit.DONE
    assert result.lines[-1] == f"report: {page}"


def test_a_program_without_a_file_makes_it_too(tmp_path: Path) -> None:
    """As the workers of Dagster's runs are."""
    migration = RICH.write(tmp_path)
    program = f"from pipelines.cli import main; main(['report', {str(tmp_path / 'shop.yaml')!r}])"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CROSSOVER_WAREHOUSE": str(tmp_path / "warehouse")},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == Exit.DONE, finished.stderr
    assert (migration.folder.report(RUN) / "index.html").is_file()


def test_thresholds_are_those_of_the_mapping(tmp_path: Path) -> None:
    strict = MAPPING.replace("rejected: 2", "rejected: 1")
    page = write_report(FinishedDiff(reasons=("2 rejected, 1 allowed",)).write(tmp_path, strict), RUN)
    assert "2 rejected, 1 allowed" in page.read_text()
