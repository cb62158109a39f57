"""The pages in a real Chromium with the network off: nothing requested, nothing logged, nothing too wide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page

from expectations.report import write_report
from pipelines.warehouse.manifest import Verdicts
from tests.unit.expectations.finished_diff import RUN, FinishedDiff
from tests.unit.expectations.history import Nights
from tests.unit.expectations.hostile_diff import HOSTILE
from tests.unit.expectations.rich_diff import RICH

pytestmark = pytest.mark.browser

DESKTOP, PHONE = 1280, 390
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
OVERVIEW = "index.html"
REPORT = f"shop/reports/{RUN}"
PAGES = (
    OVERVIEW,
    f"{REPORT}/index.html",
    f"{REPORT}/data_docs/index.html",
    f"{REPORT}/data_docs/expectations/verdicts.html",
    f"{REPORT}/data_docs/validations/verdicts/*/*/*.html",
    f"{REPORT}/data_docs/validations/differences/*/*/*.html",
)
OWN_PAGES = (OVERVIEW, f"{REPORT}/index.html", f"hostile/reports/{RUN}/index.html")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder: `shop` with all of its report, and migrations that are consistent, hostile, unreadable and new."""
    folder = tmp_path_factory.mktemp("report")
    nights = Nights(folder / "warehouse")
    nights.root.mkdir()
    nights.migration("billing", FinishedDiff())
    nights.migration("hostile", HOSTILE)
    spoilt = nights.migration("spoilt", FinishedDiff(), reported=False)
    (spoilt.diff("20261125T010000-0000000") / "manifest.json").write_atomically("{")
    (nights.place / "new" / "snapshots" / "part").write_atomically("")
    nights.runs("shop", *(Verdicts(match=900, stale=number % 7, pending=number % 5 == 0) for number in range(40)))
    write_report(RICH.write(folder), RUN)
    return nights.root


@dataclass
class Visit:
    """A page, opened, and all that it asked for and complained of on the way."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("networkidle")


@contextmanager
def visit(browser: Browser, path: Path, width: int, scheme: Scheme) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        offline=True,
    )
    try:
        visited = Visit(context.new_page())
        visited.open(path)
        yield visited
    finally:
        context.close()


@pytest.mark.parametrize("pattern", PAGES)
def test_a_page_stands_alone(browser: Browser, warehouse: Path, pattern: str) -> None:
    (path,) = warehouse.glob(pattern)
    with visit(browser, path, DESKTOP, "light") as visited:
        for width, scheme in product((DESKTOP, PHONE), SCHEMES):
            visited.page.set_viewport_size({"width": width, "height": 900})
            visited.page.emulate_media(color_scheme=scheme)
            assert visited.page.evaluate(TOO_WIDE) == 0, (width, scheme)
        assert visited.complaints == []
        assert [url for url in visited.requests if url != path.as_uri() and not url.startswith("data:")] == []


@pytest.mark.parametrize("name", OWN_PAGES)
def test_no_page_is_too_wide_with_all_of_it_open(browser: Browser, warehouse: Path, name: str) -> None:
    with visit(browser, warehouse / name, PHONE, "light") as visited:
        visited.page.evaluate(OPEN_ALL)
        assert visited.page.evaluate(TOO_WIDE) == 0
        assert visited.complaints == []


@pytest.mark.parametrize("pattern", PAGES)
def test_every_link_leads_somewhere(browser: Browser, warehouse: Path, pattern: str) -> None:
    (path,) = warehouse.glob(pattern)
    with visit(browser, path, DESKTOP, "light") as visited:
        targets = visited.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href.split('#')[0])")
        fragments = visited.page.evaluate(BROKEN_FRAGMENTS)
    assert targets
    assert [url for url in targets if not _is_there(Path(unquote(url.removeprefix("file://"))))] == []
    assert fragments == []


def _is_there(path: Path) -> bool:
    """A page, or the folder of a run's differences."""
    return path.is_file() or (path.name == "differences" and any(path.glob("*.parquet")))


@pytest.mark.parametrize("name", OWN_PAGES[:2])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_stand_out_from_their_ground(browser: Browser, warehouse: Path, name: str, scheme: Scheme) -> None:
    """WCAG's contrast of 4.5 to 1, for every text of the page but the zeros, which step back on purpose."""
    with visit(browser, warehouse / name, DESKTOP, scheme) as visited:
        visited.page.evaluate(OPEN_ALL)
        assert visited.page.evaluate(LOW_CONTRAST) == []


@pytest.mark.parametrize("name", OWN_PAGES[:2])
def test_the_keyboard_reaches_the_content_and_the_wide_tables(browser: Browser, warehouse: Path, name: str) -> None:
    with visit(browser, warehouse / name, PHONE, "light") as visited:
        page = visited.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "region"


def test_the_keyboard_opens_what_is_folded_and_shows_where_it_is(browser: Browser, warehouse: Path) -> None:
    with visit(browser, warehouse / OVERVIEW, DESKTOP, "light") as visited:
        page = visited.page
        page.focus("details:not([open]) > summary")
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.parentElement.open") is True


@pytest.mark.parametrize("name", OWN_PAGES[:2])
def test_print_shows_what_is_folded_on_white(browser: Browser, warehouse: Path, name: str) -> None:
    with visit(browser, warehouse / name, DESKTOP, "dark") as visited:
        page = visited.page
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("document.querySelector('details > article, details > div').checkVisibility()") is True
        assert page.evaluate("document.querySelector('.skip').offsetHeight") == 0


OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN_FRAGMENTS = """
[...document.querySelectorAll("a[href^='#']")].map(link => link.getAttribute("href").slice(1))
  .filter(id => !document.getElementById(id))
"""
LOW_CONTRAST = """
() => {
  const parse = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest(".zero")) continue;
    const pair = [parse(getComputedStyle(element).color), ground(element)].map(luminance).sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(low)];
}
"""
