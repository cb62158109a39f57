"""What a data engineer does in Dagster's page, from the first part of a backfill to the check that passes again."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import dagster as dg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect
from pyspark.sql import SparkSession

from dagster_defs.ui import instance_folder
from pipelines.denormalise import make_records
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.warehouse.place import Place
from tests.dagster_ui import LONGEST_SECONDS, Ui, serving
from tests.notes import NOTES, make_notes

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

MAPPING = NOTES + "checks: {settle_seconds: 0}\n"
COUNT = 60
PART = """\
ops:
  notes__backfill:
    config:
      mode: cold
      wcu: "5000"
"""
REST = """\
ops:
  notes__backfill:
    config:
      resume: true
"""
REPAIR = """\
ops:
  notes_repair_run:
    config:
      apply: true
      confirm: notes
"""
EDITOR = ".CodeMirror"
FAILED, PASSED = re.compile("Failed"), re.compile("Passed|Succeeded")


@pytest.fixture
def ui(
    database_url: str,
    dynamodb_environment: str,
    warehouse: Path,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ui]:
    """Over one migration, whose snapshot and records somebody has made already."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "notes.yaml").write_text(MAPPING, encoding="utf-8")
    make_notes(database_url, COUNT)
    for name, value in (("SOURCE_URL", database_url), ("WAREHOUSE", str(warehouse)), ("MIGRATIONS", str(folder))):
        monkeypatch.setenv(f"CROSSOVER_{name}", value)
    opened = Migration.open(folder / "notes.yaml")
    take_snapshot(opened, database_url)
    make_records(opened, spark)
    with dg.DagsterInstance.from_config(str(instance_folder(Place.of(warehouse)))) as instance:
        for stage in ("snapshot", "records"):
            instance.report_runless_asset_event(dg.AssetMaterialization(["notes", stage]))
    with serving(os.environ, tmp_path / "ui.log") as served:
        yield served
        assert served.stop(signal.SIGTERM) == 0


@dataclass(frozen=True)
class Story:
    """Each chapter ends with a picture in `pictures`."""

    ui: Ui
    page: Page
    pictures: Path

    def find(self, asset: str) -> None:
        self.page.get_by_role("link", name="Catalog").click()
        self.page.get_by_role("link", name=f"notes / {asset}").click()

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def write_a_part(self, part: str, config: str) -> None:
        self.find("backfill")
        self.page.get_by_role("button", name="Materialize").first.click()
        dialog = self.page.get_by_role("dialog").filter(has_text="Partition selection")
        dialog.get_by_text("Select a partition").click()
        self.page.get_by_role("menuitem", name=part).click()
        self.page.keyboard.press("Escape")
        dialog.get_by_text("Config", exact=True).click()
        dialog.get_by_role("button", name="Add config").click()
        editor = self.page.get_by_role("dialog").filter(has_text="Config Editor")
        self.type(editor, config)
        self.picture("1-config-of-a-part")
        editor.get_by_role("button", name="Save config").click()
        dialog.get_by_role("button", name="Launch 1 run").click()
        self.watch()

    def launch(self, job: str, config: str) -> None:
        self.open_job(job)
        self.page.get_by_role("tab", name="Launchpad").click()
        self.type(self.page.locator("body"), config)
        self.picture(f"config-of-{job}")
        self.page.get_by_role("button", name="Launch Run").click()
        self.ends_well()

    def verify(self) -> None:
        self.open_job("notes_verify")
        self.page.get_by_role("button", name="Materialize all").click()
        self.watch()

    def open_job(self, job: str) -> None:
        self.page.get_by_role("link", name="Jobs").first.click()
        self.page.get_by_role("link", name=job).first.click()

    def type(self, within: Locator, config: str) -> None:
        """In place of what is there; the page checks it."""
        within.locator(EDITOR).click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(config)
        expect(within.locator(EDITOR)).to_contain_text(config.splitlines()[-1].strip())
        expect(within.get_by_text("No errors")).to_be_visible()

    def watch(self) -> None:
        """By the message that says that a run was launched, which stands for a few seconds."""
        self.page.get_by_text("View", exact=True).click()
        self.ends_well()

    def ends_well(self) -> None:
        self.page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))
        run = self.page.url
        self.page.goto("about:blank")  # the page of a run that goes on draws all the time
        assert self.ui.ended(re.findall("/runs/([0-9a-f-]{36})", run)[0]) == "SUCCESS", self.ui.log.read_text()
        self.page.goto(run)
        expect(self.page.get_by_text("Success", exact=True).first).to_be_visible()

    def check_is(self, outcome: re.Pattern[str]) -> None:
        """The newest result of the check of the whole comparison, which is opened."""
        self.find("diff")
        self.page.get_by_role("tab", name="Checks").click()
        self.page.get_by_text("consistent", exact=True).first.click()
        result = self.page.get_by_text("Evaluation result", exact=True).locator("..")
        expect(result).to_contain_text(outcome)


STAND_STILL = """
addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = "*, *::before, *::after { animation: none !important; transition: none !important }";
  document.head.append(style);
});
"""
"""Nothing spins or fades: that costs a third of a core where no graphics card draws it."""


def test_from_the_first_part_to_the_check_that_passes_again(ui: Ui, browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.add_init_script(STAND_STILL)
    context.set_default_timeout(LONGEST_SECONDS * 1000)
    expect.set_options(timeout=LONGEST_SECONDS * 1000)
    try:
        page = context.new_page()
        page.goto(ui.url)
        tell(Story(ui, page, tmp_path))
    finally:
        context.close()


def tell(story: Story) -> None:
    story.write_a_part("1-of-8", PART)
    story.picture("2-part-written")
    some = notes()
    assert 0 < len(some) < COUNT
    story.launch("notes_backfill", REST)
    story.picture("3-rest-written")
    assert len(notes()) == COUNT

    plant()
    story.verify()
    story.picture("4-verified")
    story.check_is(FAILED)
    story.picture("5-check-failed")
    read_the_report(story)

    story.launch("notes_repair", REPAIR)
    story.picture("7-repaired")
    assert notes()["NOTE#9"] == "note 9"
    story.verify()
    story.check_is(PASSED)
    story.picture("8-check-passed")


def read_the_report(story: Story) -> None:
    """By the link in the check's result, in a tab of its own: over HTTP, and as it was made."""
    complaints: list[ConsoleMessage] = []
    story.page.context.on("console", lambda message: complaints.append(message))
    with story.page.context.expect_page() as opened:
        story.page.locator(f"a[href^='{story.ui.reports}/notes/reports/']").first.click()
    report = opened.value
    expect(report.get_by_role("heading", level=1)).to_contain_text("Not consistent")
    for planted in ("NOTE#7", "NOTE#9"):
        expect(report.get_by_text(planted).first).to_be_visible()
    report.screenshot(path=story.pictures / "6-report.png", full_page=True)
    report.get_by_role("link", name="All migrations").click()
    expect(report).to_have_url(f"{story.ui.reports}/index.html")
    assert [message.text for message in complaints if message.page == report] == []  # Dagster's own page has some
    report.close()


def notes() -> dict[str, str]:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName="notes")
    return {item["pk"]["S"]: item["body"]["S"] for page in pages for item in page["Items"]}


def plant() -> None:
    """Behind everybody's back."""
    client = boto3.client("dynamodb")
    client.delete_item(TableName="notes", Key={"pk": {"S": "NOTE#7"}})
    client.update_item(
        TableName="notes",
        Key={"pk": {"S": "NOTE#9"}},
        UpdateExpression="SET body = :spoilt",
        ExpressionAttributeValues={":spoilt": {"S": "spoilt"}},
    )
