"""Cleans what Great Expectations renders: keeps the sections of a page, leaves out all that loads or runs something."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

_DROPPED = frozenset({"script", "style", "nav", "footer", "form", "button", "svg", "iframe", "object"})
_VOID = frozenset({"br", "img", "hr", "input", "link", "meta", "source", "wbr"})
_KEPT = frozenset(
    "a b br code col div em li ol p pre span strong table tbody td th thead tr ul".split()  # noqa: SIM905
)
_RENAMED = {"h1": "h2", "h2": "h2", "h3": "h2", "h4": "h2", "h5": "h2", "h6": "h3"}
_KEPT_CLASSES = frozenset({"ge-section", "badge"})
_SECTION_ID = re.compile(r"section-\d+")


def clean_sections(page: str) -> str:
    """The page's sections as HTML without script, style, event handler, form, image or foreign address."""
    parser = _Sections()
    parser.feed(page)
    parser.close()
    return "".join(parser.kept)


class _Sections(HTMLParser):
    """`_open` holds, per open element, its name and its closing tag, "" where nothing of it is kept."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._dropped_depth = 0
        self._sections = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _VOID:
            self._keep("<br>" if tag == "br" else "")
            return
        if self._dropped_depth or _is_dropped(tag, attributes):
            self._dropped_depth += 1
            self._open.append((tag, ""))
            return
        if tag == "div" and "ge-section" in attributes.get("class", "").split():
            self._sections += 1
        opening, closing = _element(tag, attributes)
        self._keep(opening)
        self._open.append((tag, closing if self._sections else ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in (name for name, _ in self._open):
            return
        while self._open:
            name, closing = self._open.pop()
            if self._dropped_depth:
                self._dropped_depth -= 1
            else:
                self._keep(closing)
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        self._keep(escape(data))

    def _keep(self, html: str) -> None:
        if self._sections and not self._dropped_depth:
            self.kept.append(html)


def _is_dropped(tag: str, attributes: dict[str, str]) -> bool:
    """A list item without a bullet holds a rule only, an anchor that collapses something leads nowhere."""
    rule = tag == "li" and "list-style-type:none" in attributes.get("style", "")
    return tag in _DROPPED or rule or "hidden" in attributes or attributes.get("data-toggle") == "collapse"


def _element(tag: str, attributes: dict[str, str]) -> tuple[str, str]:
    """The opening and the closing tag that stand for an element; both empty where only its content is kept."""
    classes = attributes.get("class", "").split()
    if tag == "i":
        return _icon(classes), ""
    name = _RENAMED.get(tag, tag if tag in _KEPT else "")
    if not name:
        return "", ""
    opening = f"<{name}{_attributes(name, attributes, classes)}>"
    if name == "table":
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{opening}', "</table></div>"
    return opening, f"</{name}>"


def _attributes(name: str, attributes: dict[str, str], classes: list[str]) -> str:
    kept = {}
    if _SECTION_ID.fullmatch(attributes.get("id", "")):
        kept["id"] = attributes["id"]
    if name == "a" and _is_local(attributes.get("href", "")):
        kept["href"] = attributes["href"]
    if name == "th":
        kept["scope"] = "col"
    shown = [one for one in classes if one in _KEPT_CLASSES]
    if shown:
        kept["class"] = " ".join(shown)
    return "".join(f' {key}="{escape(value)}"' for key, value in kept.items())


def _is_local(address: str) -> bool:
    return bool(re.fullmatch(r"(\.\./)*[A-Za-z0-9_][^:]*|#[\w-]+", address))


def _icon(classes: list[str]) -> str:
    if "text-success" in classes:
        return '<span class="ok">✓ met</span>'
    if "text-danger" in classes or "text-warning" in classes:
        return '<span class="not">✗ not met</span>'
    return ""
