from __future__ import annotations

import pytest

from expectations.docs_fragment import clean_sections

pytestmark = pytest.mark.unit


def section(content: str) -> str:
    return (
        f'<html><body><nav>menu</nav><div class="ge-section x" id="section-1">{content}</div><footer>f</footer></body>'
    )


@pytest.mark.parametrize(
    "loads",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<script>alert(1)</script>",
        '<img src="https://logo.example/l.png?d=context-id">',
        '<link rel="stylesheet" href="https://cdn.example/x.css">',
        "<style>@import url(https://cdn.example/x.css)</style>",
        '<iframe src="https://example.com"></iframe>',
        '<svg onload="alert(1)"><a href="https://example.com">x</a></svg>',
    ],
)
def test_what_loads_or_runs_is_gone(loads: str) -> None:
    cleaned = clean_sections(section(f"before{loads}after"))
    assert cleaned == '<div id="section-1" class="ge-section">beforeafter</div>'


def test_handlers_styles_and_foreign_addresses_are_gone() -> None:
    page = section(
        '<p onclick="x()" style="background:url(https://a)">a <a href="https://example.com">b</a>'
        ' <a href="javascript:alert(1)">c</a> <a href="../../index.html">d</a></p>'
    )
    assert '<p>a <a>b</a> <a>c</a> <a href="../../index.html">d</a></p>' in clean_sections(page)


def test_text_stays_text() -> None:
    assert "&lt;script&gt;" in clean_sections(section("&lt;script&gt;"))


def test_icons_become_words() -> None:
    cleaned = clean_sections(section('<i class="fas fa-times text-danger"></i><i class="fas text-success"></i>'))
    assert "✗ not met" in cleaned
    assert "✓ met" in cleaned


def test_only_sections_are_kept() -> None:
    cleaned = clean_sections(section("<h5>Overview</h5>"))
    assert "menu" not in cleaned
    assert "<h2>Overview</h2>" in cleaned
