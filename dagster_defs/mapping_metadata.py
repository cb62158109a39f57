"""What the assets of a migration show of its mapping."""

from __future__ import annotations

import re

import dagster as dg

from dagster_defs.migrations import Found

PAGES = {
    "assessment": "docs/assess.md",
    "capture": "docs/capture.md",
    "snapshot": "docs/source.md",
    "records": "docs/mapping.md",
    "backfill": "docs/backfill.md",
    "dump": "docs/dump.md",
    "diff": "docs/verdicts.md",
    "report": "docs/report.md",
}
"""Of each asset, the page of the documentation that is about it, in Crossover's repository."""


def mapping_metadata(found: Found, asset: str) -> dict[str, dg.MetadataValue]:
    """Of an asset's definition. The text is the file's as it was when the definitions were loaded."""
    text = found.path.read_text(encoding="utf-8", errors="replace")
    return {
        "mapping": dg.MetadataValue.md(_as_code(text)),
        "mapping_path": dg.MetadataValue.path(str(found.path.absolute())),
        "mapping_hash": dg.MetadataValue.text(found.mapping.meaning_hash()),
        "documentation": dg.MetadataValue.path(PAGES[asset]),
    }


def _as_code(text: str) -> str:
    """The fence is longer than any that the text has."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}yaml\n{text}\n{fence}"
