"""The line that an import shows while it is awaited."""

from __future__ import annotations

import io

import pytest

from pipelines.backfill.importing.imports import Waiting
from pipelines.target.import_table import ImportState

pytestmark = pytest.mark.unit


def state(status: str, processed: int) -> ImportState:
    return ImportState("arn", status, processed, processed, 0, "", None, None)


def test_until_something_is_counted_there_is_no_rate() -> None:
    waiting = Waiting(1_000_000, lambda: 0.0)
    assert waiting.line([state("IN_PROGRESS", 0), state("IN_PROGRESS", 0)], 185.0) == (
        "import: 2 of 2 tables under way for 3:05, 1,000,000 items; DynamoDB counts them at the end"
    )


def test_the_time_that_is_left_goes_by_the_pace_so_far() -> None:
    waiting = Waiting(1_000_000, lambda: 0.0)
    assert waiting.line([state("COMPLETED", 250_000), state("IN_PROGRESS", 0)], 100.0) == (
        "import: 1 of 2 tables under way for 1:40, 250,000 of 1,000,000 items, 2,500/s, 5:00 left"
    )


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    waiting = Waiting(10, lambda: 0.0, stream)
    waiting.show({"notes": state("IN_PROGRESS", 1)})
    waiting.end()
    assert stream.getvalue() == ""


def test_on_a_terminal_the_line_is_written_over_and_taken_away() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream, times = Terminal(), iter([0.0, 2.0])
    waiting = Waiting(10, lambda: next(times), stream)
    waiting.show({"notes": state("IN_PROGRESS", 5)})
    waiting.end()
    assert stream.getvalue() == (
        "\r\x1b[Kimport: 1 of 1 tables under way for 0:02, 5 of 10 items, 2/s, 0:02 left\r\x1b[K"
    )
