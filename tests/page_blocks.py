"""A page of docs/ as a reader goes through it: its headings, and its blocks of Python under them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^(?:#+ (?P<title>[^\n]+)|```python\n(?P<code>.*?)^```)$", re.MULTILINE | re.DOTALL)


def run_blocks(page: str, names: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Runs each block in `names`, in the page's order. Yields each heading as it is reached, with False, and, after a
    block, the heading that it stands under, with True."""
    title = ""
    for match in _BLOCK.finditer((DOCS / page).read_text()):
        title = match["title"] or title
        if match["code"]:
            exec(compile(match["code"], f"docs/{page}, {title}", "exec"), names)
        yield title, match["code"] is not None
