from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from expectations.gather import gather_report
from expectations.render_html import render_html
from expectations.render_json import parse_json, render_json
from expectations.render_text import render_text
from expectations.report_data import ReportData
from tests.unit.expectations.finished_diff import RUN, FinishedDiff
from tests.unit.expectations.page import Page
from tests.unit.expectations.rich_diff import RICH, SECRET_KEY

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent / "golden"


def data_of(diff: FinishedDiff, folder: Path) -> ReportData:
    data = gather_report(diff.write(folder), RUN)
    return replace(
        data,
        mapping_hash="5ca1ab1e" * 8,
        differences_folder="/warehouse/differences",
        rejects_folder="/warehouse/rejects",
        repair_command=data.repair_command and f"crossover repair /migrations/shop.yaml --run {RUN}",
    )


@pytest.mark.parametrize(("name", "diff"), [("inconsistent", RICH), ("consistent", FinishedDiff())])
def test_text_is_the_golden_one(name: str, diff: FinishedDiff, tmp_path: Path) -> None:
    """CROSSOVER_UPDATE_GOLDEN=1 writes them anew."""
    golden = GOLDEN / f"{name}.txt"
    text = render_text(data_of(diff, tmp_path))
    if os.environ.get("CROSSOVER_UPDATE_GOLDEN") == "1":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("diff", [RICH, FinishedDiff(), FinishedDiff(differences=(), coverage=0.5)])
def test_the_page_is_well_formed(diff: FinishedDiff, tmp_path: Path) -> None:
    page = Page(render_html(data_of(diff, tmp_path)))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [href for one in page.all("a") if (href := one["href"]) and href.startswith("#")]
    assert {link[1:] for link in links} <= set(ids)


def test_the_page_is_semantic(tmp_path: Path) -> None:
    page = Page(render_html(data_of(RICH, tmp_path)))
    levels = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(one.get("scope") in {"row", "col"} for one in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]


def test_the_page_runs_and_loads_nothing(tmp_path: Path) -> None:
    html = render_html(data_of(RICH, tmp_path))
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "form"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert [one["href"] for one in page.all("link")] == ["data:,"]
    assert "://" not in html
    assert "url(" not in html


def test_hostile_values_are_text(tmp_path: Path) -> None:
    page = Page(render_html(data_of(RICH, tmp_path)))
    assert '"<script>alert(1)</script>"' in page.text
    assert '"<img src=x onerror=alert(2)>"' in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\\u202Eabc\\u0007\\u200B' \\\"&amp;" in page.text


@pytest.mark.parametrize("render", [render_html, render_text, render_json])
def test_nothing_invisible_and_nothing_masked_is_in_it(render: object, tmp_path: Path) -> None:
    assert callable(render)
    text = render(data_of(RICH, tmp_path))
    assert SECRET_KEY not in text
    assert "•••" in text
    assert [char for char in text if not char.isprintable() and char != "\n"] == []


def test_json_says_the_same(tmp_path: Path) -> None:
    data = data_of(RICH, tmp_path)
    document = json.loads(render_json(data))
    assert document["consistent"] is False
    assert document["samples"][0]["key"] == data.samples[0].key
    assert document["stages"][0]["started_at"] == "2026-11-24T08:50:00+00:00"


@pytest.mark.parametrize("diff", [RICH, FinishedDiff()])
def test_json_is_read_back_as_it_was(diff: FinishedDiff, tmp_path: Path) -> None:
    data = data_of(diff, tmp_path)
    document = json.loads(render_json(data)) | {"something": "newer"}
    assert parse_json(json.dumps(document)) == data


def test_json_that_lacks_something_is_refused(tmp_path: Path) -> None:
    document = json.loads(render_json(data_of(RICH, tmp_path)))
    del document["verdicts"]
    for text in ("{", "[]", json.dumps(document)):
        with pytest.raises(ValueError):
            parse_json(text)


def test_a_difference_marks_what_differs(tmp_path: Path) -> None:
    assert "dolor si<mark>t</mark> amet" in render_html(data_of(RICH, tmp_path))
