"""The report in a real Chromium with the network off: nothing requested, nothing logged, nothing too wide."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from expectations.report import write_report
from tests.on_disk import on_disk
from tests.unit.expectations.finished_diff import RUN
from tests.unit.expectations.rich_diff import RICH

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
DESKTOP, PHONE = 1280, 390
PAGES = (
    "index.html",
    "data_docs/index.html",
    "data_docs/expectations/verdicts.html",
    "data_docs/validations/verdicts/*/*/*.html",
    "data_docs/validations/differences/*/*/*.html",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"no Chromium at {CHROMIUM}: apt-get install chromium"
        if os.environ.get("CROSSOVER_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's folder."""
    return on_disk(write_report(RICH.write(tmp_path_factory.mktemp("report")), RUN).parent)


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
def visit(browser: Browser, path: Path, width: int, scheme: str) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    try:
        visited = Visit(context.new_page())
        visited.open(path)
        yield visited
    finally:
        context.close()


@pytest.mark.parametrize("pattern", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_page_stands_alone(browser: Browser, report: Path, pattern: str, width: int, scheme: str) -> None:
    (path,) = report.glob(pattern)
    with visit(browser, path, width, scheme) as visited:
        assert visited.complaints == []
        assert [url for url in visited.requests if url != path.as_uri() and not url.startswith("data:")] == []
        wide = visited.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


@pytest.mark.parametrize("pattern", PAGES)
def test_every_link_leads_somewhere(browser: Browser, report: Path, pattern: str) -> None:
    (path,) = report.glob(pattern)
    with visit(browser, path, DESKTOP, "light") as visited:
        targets = visited.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href.split('#')[0])")
        assert targets
        assert [url for url in targets if not Path(url.removeprefix("file://")).is_file()] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(browser: Browser, report: Path, scheme: str) -> None:
    """WCAG's contrast of 4.5 to 1, for every text of the page but the zeros, which step back on purpose."""
    with visit(browser, report / "index.html", DESKTOP, scheme) as visited:
        assert visited.page.evaluate(LOW_CONTRAST) == []


def test_the_keyboard_reaches_the_content_and_the_wide_tables(browser: Browser, report: Path) -> None:
    with visit(browser, report / "index.html", PHONE, "light") as visited:
        page = visited.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "region"


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
