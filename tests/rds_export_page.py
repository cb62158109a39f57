"""The table of losses in docs/rds-export.md, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.rds_export_fixture.options import ExportOptions
from tests.types_page import WORDS

PAGE: Final = Path(__file__).parents[1] / "docs" / "rds-export.md"

ALWAYS: Final = "Always"
ELSEWHERE: Final = "Where the exporting session's time zone is not UTC"
TIMES_INSIDE: Final = "Where a text inside reads like a time elsewhere than in UTC, `12:00:00+05:30`"
OTHER_INTERVALS: Final = "Where the exporting session's IntervalStyle is not `postgres`"


def losses(when: str) -> frozenset[str]:
    """The types that are lost then."""
    (cell,) = (line.split("|")[2] for line in PAGE.read_text().splitlines() if line.startswith(f"| {when} |"))
    in_words = {type for words, types in WORDS.items() if re.search(rf"\b{words}\b", cell) for type in types}
    return frozenset(re.findall("`([^`]+)`", cell)) | in_words


def losses_of(session: ExportOptions) -> frozenset[str]:
    """The types of which an export by this session may have lost a value."""
    found = losses(ALWAYS) | losses(TIMES_INSIDE)
    if session.time_zone != "UTC":
        found |= losses(ELSEWHERE)
    if session.settings.get("IntervalStyle", "postgres") != "postgres":
        found |= losses(OTHER_INTERVALS)
    return found
