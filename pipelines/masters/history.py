"""By what an application's write is known again whose answer was lost: `_w`, the last writes' own marks, newest first.

Its content does not tell: of two that add one to the same number, both write the same item in the same version.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from pipelines.items.record import VERSION_ATTRIBUTE, WRITES_ATTRIBUTE

MARK_LENGTH = 6
MOST_MARKS = 16


def new_mark() -> str:
    return secrets.token_urlsafe(MARK_LENGTH)[:MARK_LENGTH]


def marks_with(mark: str, before: str) -> str:
    """`before`: those of the item that is written over."""
    return (mark + before)[: MARK_LENGTH * MOST_MARKS]


def marks_of(item: Mapping[str, Any] | None) -> str:
    found = (item or {}).get(WRITES_ATTRIBUTE, {}).get("S", "")
    return found if isinstance(found, str) and len(found) % MARK_LENGTH == 0 else ""


def was_written(mark: str, version: int, found: Mapping[str, Any] | None) -> bool | None:
    """Whether that write of that version was carried out, by what is there now. None where nothing tells: more has been
    written since than the marks go back."""
    if found is None:
        return None
    text = marks_of(found)
    marks = [text[start : start + MARK_LENGTH] for start in range(0, len(text), MARK_LENGTH)]
    if mark in marks:
        return True
    there = int(found.get(VERSION_ATTRIBUTE, {}).get("N", "0"))
    return False if there < version or len(marks) > there - version else None
