"""Whether the answers of a design, executed against the table, give what PostgreSQL gives for the same statement."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import dict_row
from psycopg.types.datetime import DateLoader

from pipelines.assess.assess import Assessment
from pipelines.assess.design import Answer, Read
from pipelines.assess.patterns import PatternClass
from pipelines.warehouse.manifest import DiffManifest, RecordsManifest
from tests.design_cases import Case
from tests.design_reads import Item, Reader, Values


@dataclass(frozen=True)
class Migrated:
    url: str
    found: Assessment
    workload: Path
    records: RecordsManifest
    diff: DiffManifest
    reader: Reader

    @property
    def answers(self) -> dict[int, tuple[PatternClass, Answer]]:
        """By the line of the statement."""
        assert self.found.design is not None
        patterns = {one.id: one for one in self.found.patterns.patterns}
        answers = self.found.design.mappings[0].answers
        return {
            int(place.rpartition(":")[2]): (patterns[one.pattern].pattern, one)
            for one in answers
            for place in patterns[one.pattern].positions
        }


def wrong_answers(made: Migrated, cases: Mapping[int, Case]) -> Iterator[str]:
    with closing(_connected(made.url)) as connection:
        for at, case in cases.items():
            if at in made.answers:
                yield from (f"line {at}: {one}" for one in _problems(made, connection, at, case))


def _problems(made: Migrated, connection: psycopg.Connection[Any], at: int, case: Case) -> Iterator[str]:
    _, answer = made.answers[at]
    statement = _statement_at(made.workload, at)
    found_some = False
    for number, values in enumerate([case.own, *_others(connection, case)]):
        try:
            names, expected = _asked(connection, statement, case, values)
            got = _answered(made.reader, answer, case, values, case.out or names)
        except (AssertionError, LookupError) as error:
            yield f"{dict(values)}: {type(error).__name__} {error}"
            return
        if number == 0 and bool(expected) == bool(case.none):
            yield f"its own values find {len(expected)} rows, and the case says otherwise"
        found_some = found_some or bool(expected)
        difference = _compared(expected, got, case, case.out or names)
        if difference:
            yield f"{dict(values)}: {difference}; {answer.reason}; left: {answer.left}"
    if not found_some:
        yield "no values find a row"


def _compared(expected: list[Any], got: list[Any], case: Case, names: Sequence[str]) -> str:
    missing = Counter(map(repr, expected)) - Counter(map(repr, got))
    more = Counter(map(repr, got)) - Counter(map(repr, expected))
    if missing or more:
        gone, added = f"{missing.total()} missing {list(missing)[:2]}", f"{more.total()} too many {list(more)[:2]}"
        return f"of {len(expected)} rows {gone}, {added}"
    places = [names.index(name.lstrip("-")) for name in case.order if name.lstrip("-") in names]
    if case.order and [_in_order(row, places) for row in expected] != [_in_order(row, places) for row in got]:
        return f"not in the order of {case.order}"
    return ""


def _in_order(row: tuple[Any, ...], places: list[int]) -> tuple[Any, ...]:
    return tuple(row[place] for place in places) if places else row


def _others(connection: psycopg.Connection[Any], case: Case) -> list[Values]:
    if not case.others:
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(case.others.encode()))


def _statement_at(workload: Path, at: int) -> str:
    lines = workload.read_text(encoding="utf-8").splitlines()[at - 1 :]
    end = next(number for number, text in enumerate(lines) if text.rstrip().endswith(";"))
    return "\n".join(lines[: end + 1]).rstrip("; \n")


def _asked(
    connection: psycopg.Connection[Any], statement: str, case: Case, values: Values
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names and the rows of the SQL."""
    if case.finds:
        statement = f"{case.finds} WHERE {statement.rpartition(' WHERE ')[2]}"
    for literal, name in case.literals.items():
        word = r"(?![\w\0])" if literal[-1].isalnum() else ""
        marked = re.sub(r"(?<!:):(\w+)", "\0\\1\0", name if ":" in name else f":{name}")
        changed = marked.join(re.split(rf"(?<![\w\0]){re.escape(literal)}{word}", statement))
        assert changed != statement, f"{literal} is not in the statement"
        statement = changed
    statement = re.sub("\0(\\w+)\0", r"%(\1)s", statement.replace("%", "%%"))
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(statement.encode(), dict(values))
        names = [one.name for one in cursor.description or ()]
        return names, [tuple(_canonical(value) for value in case.sql(row)) for row in cursor.fetchall()]


def _answered(reader: Reader, answer: Answer, case: Case, values: Values, out: Sequence[str]) -> list[tuple[Any, ...]]:
    """By the answer's reads and what it says is left, and by nothing else."""
    came: list[list[Item]] = []
    for read in answer.reads:
        known = case.known(values) if read.follows is None else _followed(read, came[read.follows])
        told = [{name: one[of] for name, of in read.fills.items()} for one in known]
        came.append(reader.read(read, told, case.bounds(values) if case.bounds is not None else None))
    rows = list(case.rows(came))
    if "each row once" in answer.left:
        rows = [row for number, row in enumerate(rows) if row not in rows[:number]]
    tests, order = _left_of(answer, case)
    rows = [row for row in rows if all(case.tests[name](row, values) for name in tests)]
    for name in reversed(case.order) if order else ():
        rows = sorted(rows, key=lambda row: _null_last(row.get(name.lstrip("-")), name), reverse=name[0] == "-")
    if not order and case.order and case.order[0][0] == "-":
        rows = rows[::-1]
    rows = case.finish(rows[: case.limit])
    return [tuple(_canonical(row.get(name)) for name in out) for row in rows]


def _followed(read: Read, items: Sequence[Item]) -> Iterator[Values]:
    """Of each item, or of each element of its lists, what the read takes its keys from."""
    for item in items:
        columns = [list(_at(item, of.split("."))) for of in read.fills.values()]
        yield from (dict(zip(read.fills.values(), found, strict=True)) for found in zip(*columns, strict=True))


def _null_last(value: Any, name: str) -> tuple[bool, Any]:
    """PostgreSQL's NULLs are more than all else."""
    return (value is None, 0 if value is None else value)


def _at(item: Any, path: Sequence[str]) -> Iterator[Any]:
    """What stands below these attributes; of a list, of each element."""
    if isinstance(item, list):
        for one in item:
            yield from _at(one, path)
    elif not path:
        yield item
    elif item.get(path[0]) is not None:
        yield from _at(item[path[0]], path[1:])


def _left_of(answer: Answer, case: Case) -> tuple[list[str], bool]:
    """The filters, and whether the order is the reader's."""
    tests: list[str] = []
    order = False
    for one in answer.left:
        if one.startswith("filter by "):
            tests += one.removeprefix("filter by ").split(", ")
        elif one.startswith("order by "):
            order = True
        elif one.startswith("of the list "):
            tests += one.partition(", the elements by ")[2].split(", ") if ", the elements by " in one else []
        elif one != "each row once":
            raise AssertionError(f"nobody knows how to do: {one}")
    unknown = set(tests) - set(case.tests)
    assert not unknown, f"left: {unknown}, which the statement does not test"
    return tests, order


class _OpenDate(DateLoader):
    """Also those that Python has not, as text."""

    def load(self, data: Buffer) -> Any:
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


def _connected(url: str) -> psycopg.Connection[Any]:
    """For the oracle: in UTC."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET TimeZone = 'UTC'")
    connection.adapters.register_loader("date", _OpenDate)
    return connection


def _canonical(value: Any) -> Any:
    match value:
        case bool() | None | str():
            return value
        case int() | Decimal():
            return str(Decimal(value).normalize() + 0)
        case float():
            return str(Decimal(repr(value)).normalize() + 0)
        case datetime():
            return (
                value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                if value.tzinfo
                else value.strftime("%Y-%m-%dT%H:%M:%S.%f")
            )
        case date() | UUID():
            return str(value)
        case bytes() | memoryview():
            return bytes(value)
        case list() | tuple():
            return [_canonical(one) for one in value]
        case dict():
            return {name: _canonical(one) for name, one in sorted(value.items())}
    raise AssertionError(type(value))
