"""The tables of an HTML page as rows of texts, by the label of the region that each stands in."""

from __future__ import annotations

from tests.unit.expectations.page import Page


class Tables(Page):
    def __init__(self, html: str) -> None:
        self.tables: dict[str, list[list[str]]] = {}
        self._label = ""
        self._cell: list[str] | None = None
        super().__init__(html)

    def row(self, label: str, first: str) -> list[str]:
        """The one whose first cell begins so."""
        (found,) = [row for row in self.tables[label] if row[0].startswith(first)]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        given = dict(attrs)
        if given.get("role") == "region":
            self._label = given["aria-label"] or ""
        match tag:
            case "table":
                self.tables.setdefault(self._label, [])
            case "tr":
                self.tables[self._label].append([])
            case "td" | "th":
                self._cell = []
            case "dd":
                self.text += " "
            case "br" | "p" | "li" if self._cell is not None:
                self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        if tag in ("td", "th") and self._cell is not None:
            self.tables[self._label][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if self._cell is not None:
            self._cell.append(data)
