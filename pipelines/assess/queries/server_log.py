"""PostgreSQL's logs: csvlog, and stderr with whatever prefix as long as it holds a time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.assess.observed import Observed
from pipelines.assess.queries.log_message import read_message

CSV_FIRST_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \w+,")
STDERR_LINE = re.compile(
    r"(?P<prefix>.*?)(?P<level>LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG\d?|DETAIL|HINT|"
    r"STATEMENT|CONTEXT|QUERY|LOCATION):  (?P<message>.*)"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?")
_PROCESS = re.compile(r"\[(\d+)(?:-\d+)?\]")
_DATABASE = re.compile(r"@([^\s:\[\]@]+)|\bdb=([^\s,]+)")

_CSV_COLUMNS = 14
_CSV_LIMIT = 64 << 20  # characters of a field: a statement's text


@dataclass(frozen=True)
class Entry:
    """One entry of a log; `session` tells sessions apart, `database` is None where the prefix does not tell."""

    line: int
    time: str
    session: str
    database: str | None
    message: str


@dataclass
class LogReader:
    """Statements of one database, as they come; `first` and `last`: the times that they span."""

    name: str
    database: str
    first: str | None = None
    last: str | None = None
    _begun: dict[str, Entry] = field(default_factory=dict)

    def statements(self, entries: Iterable[Entry]) -> Iterator[Observed]:
        for entry in entries:
            self.first = self.first or entry.time or None
            self.last = entry.time or self.last
            if entry.database in (None, "", self.database):
                yield from self._of(entry)
        yield from (self._observed(begun, None) for begun in self._begun.values())

    def window_seconds(self) -> float | None:
        """None where it spans no time."""
        if self.first is None or self.last is None:
            return None
        span = (datetime.fromisoformat(self.last) - datetime.fromisoformat(self.first)).total_seconds()
        return span if span > 0 else None

    def _of(self, entry: Entry) -> Iterator[Observed]:
        """A statement is logged as it begins (log_statement), its duration as it ends: one of a session at a time."""
        message = read_message(entry.message)
        if message is None:
            return
        before = self._begun.pop(entry.session, None)
        if message.sql is None:
            if before is not None:
                yield self._observed(before, message.milliseconds)
            return
        if before is not None and message.milliseconds is None:
            yield self._observed(before, None)
        told = Entry(entry.line, entry.time, entry.session, entry.database, message.sql)
        if message.milliseconds is None:
            self._begun[entry.session] = told
        else:
            yield self._observed(told, message.milliseconds)

    def _observed(self, entry: Entry, milliseconds: float | None) -> Observed:
        return Observed(entry.message, f"{self.name}:{entry.line}", milliseconds=milliseconds)


def csv_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Rows that are no whole entry are left out: the log was cut there."""
    csv.field_size_limit(_CSV_LIMIT)
    reader = csv.reader(lines)
    line = 1
    for row in reader:
        if len(row) >= _CSV_COLUMNS and row[11] == "LOG":
            time = _TIME.match(row[0])
            yield Entry(line, time[0] if time is not None else "", row[5], row[2], row[13])
        line = reader.line_num + 1


def stderr_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Lines of a message after its first begin with a tab."""
    held: list[str] = []
    head: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(lines, 1):
        match = None if line.startswith("\t") else STDERR_LINE.match(line)
        if match is None and head is not None:
            held.append(line.rstrip("\n").removeprefix("\t"))
        elif match is not None:
            yield from _entry(head, held)
            head, held = (number, match), [match["message"]]
    yield from _entry(head, held)


def _entry(head: tuple[int, re.Match[str]] | None, held: list[str]) -> Iterator[Entry]:
    if head is None or head[1]["level"] != "LOG":
        return
    number, match = head
    prefix = match["prefix"]
    time, process, database = _TIME.search(prefix), _PROCESS.search(prefix), _DATABASE.search(prefix)
    yield Entry(
        number,
        time[0] if time is not None else "",
        process[1] if process is not None else "",
        (database[1] or database[2]) if database is not None else None,
        "\n".join(held),
    )
