"""The page of an assessment in a real Chromium with the network off: nothing requested, nothing logged, nothing too
wide, and pictures that are seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from expectations.assessment.page import assessment_page
from tests.assessed_shop import EVIDENCE, PATTERNS, TWO
from tests.assessed_strange import hostile, many

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = (1280, 800, 390)
NAMES = ("shop", "hostile", "many")
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PICTURES = """
[...document.querySelectorAll('.pane > svg')].map(one => {
  const box = one.getBoundingClientRect(), inner = [...one.querySelectorAll('rect')].map(rect => rect.getBBox());
  return [one.checkVisibility(), box.width, box.height, inner.length, Math.max(...inner.map(one => one.width))];
})
"""
CUT_TEXTS = """
[...document.querySelectorAll('.pane svg svg')].flatMap(box => [...box.querySelectorAll('text')]
  .filter(text => text.getBBox().x + text.getComputedTextLength() > box.width.baseVal.value)
  .map(text => text.textContent))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assessments")
    pages = {
        "shop": assessment_page(EVIDENCE, PATTERNS, TWO),
        "hostile": assessment_page(*hostile()),
        "many": assessment_page(*many(500), None),
    }
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


@dataclass
class Visit:
    """`complaints`: what the console said, what failed, and what was asked for beside the page."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@contextmanager
def visit(browser: Browser, path: Path, scheme: Scheme = "light") -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme, offline=True)
    try:
        visited = Visit(context.new_page())
        page, complaints, url = visited.page, visited.complaints, path.as_uri()
        page.on("request", lambda request: complaints.append(request.url) if _is_foreign(request.url, url) else None)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(url)
        page.wait_for_load_state("networkidle")
        yield visited
    finally:
        context.close()


def _is_foreign(asked: str, own: str) -> bool:
    return asked != own and not asked.startswith("data:")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_stands_alone_and_fits(browser: Browser, folder: Path, name: str) -> None:
    with visit(browser, folder / f"{name}.html") as visited:
        for width, scheme in product(WIDTHS, SCHEMES):
            visited.page.set_viewport_size({"width": width, "height": 900})
            visited.page.emulate_media(color_scheme=scheme)
            assert visited.page.evaluate(TOO_WIDE) == 0, (width, scheme)
        visited.page.evaluate(OPEN_ALL)
        assert visited.page.evaluate(TOO_WIDE) == 0
        assert visited.complaints == []


@pytest.mark.parametrize(("name", "pictures"), [("shop", 6), ("hostile", 3), ("many", 1)])
def test_pictures_are_seen_and_their_texts_stay_within_their_boxes(
    browser: Browser, folder: Path, name: str, pictures: int
) -> None:
    with visit(browser, folder / f"{name}.html") as visited:
        found = visited.page.evaluate(PICTURES)
        assert len(found) == pictures
        for is_visible, width, height, boxes, widest in found:
            assert is_visible and width > 200 and height > 50 and boxes >= 2 and widest > 150
        assert visited.page.evaluate(CUT_TEXTS) == []


def test_a_warning_leads_to_its_pattern_and_the_keyboard_to_the_pictures(browser: Browser, folder: Path) -> None:
    with visit(browser, folder / "shop.html") as visited:
        page = visited.page
        link = page.locator(".warnings a").first
        link.click()
        assert page.url.rpartition("#")[2] == f"pattern-{link.inner_text()}"
        assert page.locator(f"#pattern-{link.inner_text()}").is_visible()
        page.set_viewport_size({"width": 390, "height": 900})
        pane = page.locator(".pane").first
        pane.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_stand_out_from_their_ground(browser: Browser, folder: Path, scheme: Scheme) -> None:
    """WCAG's contrast of 4.5 to 1. The texts of the drawings stand on their box's frame."""
    with visit(browser, folder / "shop.html", scheme) as visited:
        visited.page.evaluate(OPEN_ALL)
        assert visited.page.evaluate(LOW_CONTRAST) == []


LOW_CONTRAST = """
() => {
  const parse = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const isDrawn = element => element.namespaceURI.endsWith("svg");
  const ground = element => {
    if (isDrawn(element)) {
      const shapes = element.matches(".title") && element.parentElement.querySelector(".title-ground");
      return parse(getComputedStyle(shapes || element.parentElement.querySelector("rect")).fill);
    }
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest(".zero") || element.tagName === "title") continue;
    const color = parse(getComputedStyle(element)[isDrawn(element) ? "fill" : "color"]);
    const pair = [color, ground(element)].map(luminance).sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName} ${element.getAttribute("class")} ${ratio.toFixed(2)}`);
  }
  return [...new Set(low)];
}
"""
