"""The file of --queries: what it is, and the statements in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.assess.evidence import StatementsEvidence, StatementsFrom
from pipelines.assess.queries.script import script_statements
from pipelines.assess.queries.server_log import CSV_FIRST_LINE, STDERR_LINE, LogReader, csv_entries, stderr_entries
from pipelines.assess.tally import Tally, tallied
from pipelines.errors import UsageError

SCRIPT_BYTES = 64 << 20
"""Of a file of SQL, which is read whole; logs are read line by line, whatever their size."""

_LINES = 50  # that are looked at to tell what it is


@dataclass(frozen=True)
class Queries:
    tallies: dict[str, Tally]
    evidence: StatementsEvidence


def read_queries(path: Path, database: str) -> Queries:
    """`database`: a log tells of others, too, which are left out. Raises UsageError."""
    with _readable(path):
        kind = _kind(path)
        tallies, window = _script(path) if kind is StatementsFrom.SQL else _log(path, kind, database)
    if not tallies:
        what = "no statement" if kind is StatementsFrom.SQL else f"no statement of database {database}"
        raise UsageError(f"{path}: {what} in it; a log needs log_min_duration_statement = 0 or log_statement = 'all'")
    evidence = StatementsEvidence(
        source=kind,
        window_seconds=window,
        statements=sum(one.statements for one in tallies.values()),
        calls=sum(one.calls for one in tallies.values()),
    )
    return Queries(tallies, evidence)


def _kind(path: Path) -> StatementsFrom:
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [line for _, line in zip(range(_LINES), file, strict=False)]
    if any(CSV_FIRST_LINE.match(line) for line in lines[:1]):
        return StatementsFrom.CSVLOG
    heads = (match for line in lines if (match := STDERR_LINE.match(line)) is not None)
    logged = any(any(sign.isdigit() for sign in match["prefix"]) for match in heads)
    return StatementsFrom.STDERR if logged else StatementsFrom.SQL


def _script(path: Path) -> tuple[dict[str, Tally], None]:
    if path.stat().st_size > SCRIPT_BYTES:
        raise UsageError(f"{path}: larger than {SCRIPT_BYTES >> 20} MB, and no log of PostgreSQL's; give a part of it")
    text = path.read_text(encoding="utf-8", errors="replace").removeprefix("\ufeff")
    return tallied(script_statements(text, path.name)), None


def _log(path: Path, kind: StatementsFrom, database: str) -> tuple[dict[str, Tally], float | None]:
    reader = LogReader(path.name, database)
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        entries = csv_entries(_without_nulls(file)) if kind is StatementsFrom.CSVLOG else stderr_entries(file)
        tallies = tallied(reader.statements(entries))
    return tallies, reader.window_seconds()


def _without_nulls(lines: Iterator[str]) -> Iterator[str]:
    """A disk that was full leaves zeros, which the csv module does not take."""
    return (line.replace("\0", "") for line in lines)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UsageError(
            f"{path}: there is no such file; --queries takes a file of SQL or a log of PostgreSQL's"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); --queries takes a file") from None
