"""Statements from PostgreSQL's logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.assess.evidence import StatementsFrom
from pipelines.assess.queries.query_file import Queries, read_queries
from pipelines.errors import UsageError

pytestmark = pytest.mark.unit


def read(folder: Path, text: str, name: str = "log") -> Queries:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_queries(path, "shop")


def told(queries: Queries) -> list[tuple[str, int, float | None, list[str]]]:
    return [(one.sql, one.calls, one.milliseconds, one.positions) for one in queries.tallies.values()]


def csv_line(
    message: str, *, second: int = 0, session: str = "s1", database: str = "shop", severity: str = "LOG"
) -> str:
    quoted = '"' + message.replace('"', '""') + '"'
    return (
        f'2026-11-28 10:00:{second:02}.000 UTC,"app","{database}",77,"10.0.0.1:5000",{session},1,"SELECT",'
        f'2026-11-28 09:00:00 UTC,3/4,0,{severity},00000,{quoted},,,,,,,,,"psql","client backend",,0\n'
    )


def test_a_csvlog(tmp_path: Path) -> None:
    log = (
        csv_line("duration: 1.5 ms  statement: SELECT *\n  FROM orders WHERE id = 1")
        + csv_line("duration: 2.5 ms  execute <unnamed>: SELECT * FROM orders WHERE id = $1", second=1)
        + csv_line("duration: 9 ms  parse <unnamed>: SELECT 1", second=1)
        + csv_line("duration: 9 ms  bind <unnamed>: SELECT 1", second=1)
        + csv_line("connection received", second=2)
        + csv_line("duration: 7 ms  statement: SELECT 2", database="other", second=3)
        + csv_line('relation "x" does not exist', severity="ERROR", second=4)
        + csv_line("statement: COMMIT", second=4)
        + csv_line("duration: 0.25 ms", second=5)
        + csv_line("statement: BEGIN", session="s2", second=10)
    )
    found = read(tmp_path, log + '2026-11-28 10:00:11.000 UTC,"app","shop",77,"cut o')
    assert found.evidence.source is StatementsFrom.CSVLOG
    assert found.evidence.window_seconds == 10.0
    assert told(found) == [
        ("SELECT *\n  FROM orders WHERE id = 1", 2, 4.0, ["log:1", "log:3"]),
        ("COMMIT", 1, 0.25, ["log:9"]),
        ("BEGIN", 1, None, ["log:11"]),
    ]


@pytest.mark.parametrize(
    "prefix",
    [
        "2026-11-28 10:00:0{}.123 UTC [4711] ",
        "2026-11-28 10:00:0{} UTC:10.0.0.1(5432):app@shop:[4711]:",
        "user=app,db=shop 2026-11-28 10:00:0{}.123 CET [4711-1] ",
    ],
    ids=["PostgreSQL's own", "RDS", "pgBadger's"],
)
def test_a_stderr_log(tmp_path: Path, prefix: str) -> None:
    log = (
        f"{prefix.format(0)}LOG:  duration: 3.000 ms  execute q1: SELECT *\n\tFROM orders\n\tWHERE id = $1\n"
        f"{prefix.format(0)}DETAIL:  Parameters: $1 = '4711'\n"
        f"{prefix.format(1)}LOG:  checkpoint starting: time\n"
        f"{prefix.format(2)}ERROR:  syntax error\n{prefix.format(2)}STATEMENT:  SELEC 1\n"
        f"{prefix.format(4)}LOG:  statement: UPDATE orders SET status = 'x' WHERE id = 1\n"
        f"{prefix.format(5)}LOG:  duration: 1.000 ms\n"
    )
    found = read(tmp_path, log)
    assert found.evidence.source is StatementsFrom.STDERR
    assert found.evidence.window_seconds == 5.0
    assert told(found) == [
        ("SELECT *\nFROM orders\nWHERE id = $1", 1, 3.0, ["log:1"]),
        ("UPDATE orders SET status = 'x' WHERE id = 1", 1, 1.0, ["log:8"]),
    ]


def test_the_other_databases_of_a_log_are_left_out(tmp_path: Path) -> None:
    line = "2026-11-28 10:00:00 UTC:10.0.0.1(5432):app@other:[4711]:LOG:  duration: 3.0 ms  statement: SELECT 1\n"
    with pytest.raises(UsageError, match="no statement of database shop"):
        read(tmp_path, line)


def test_a_script_that_speaks_of_logs_is_a_script(tmp_path: Path) -> None:
    found = read(tmp_path, "-- LOG:  a comment\nSELECT 'LOG:  x' FROM orders;\n")
    assert found.evidence.source is StatementsFrom.SQL
    assert found.evidence.window_seconds is None


@pytest.mark.parametrize(("text", "expected"), [("", "no statement in it"), ("-- nothing\n", "no statement in it")])
def test_an_empty_file(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        read(tmp_path, text)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        read_queries(tmp_path / "nowhere", "shop")
    with pytest.raises(UsageError, match="cannot be read"):
        read_queries(tmp_path, "shop")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe\x00SELECT 1;\x00\x81")
    assert read_queries(path, "shop").evidence.statements >= 1
