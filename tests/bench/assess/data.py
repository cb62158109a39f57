"""A generated database of many tables, and a workload of many statements of different shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from random import Random

import psycopg

COLUMNS = 18
ROWS = 200
_BATCH = 50


def name(table: int) -> str:
    return f"table_{table:04}"


def create(url: str, tables: int) -> None:
    """Each table refers to two others, one of which may be itself, and has an index on one of its columns."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for start in range(0, tables, _BATCH):
            statements = [_create(table) for table in range(start, min(start + _BATCH, tables))]
            connection.execute("; ".join(statements).encode())
        connection.execute(b"ANALYZE")


def _create(table: int) -> str:
    columns = ", ".join(f"column_{n} {('int', 'text', 'timestamptz')[n % 3]}" for n in range(COLUMNS))
    first, second = _parents(table)
    values = ", ".join(("n", "'value ' || n % 20", "now()")[n % 3] for n in range(COLUMNS))
    return (
        f"CREATE TABLE {name(table)} (id int PRIMARY KEY, a_id int REFERENCES {name(first)}, "
        f"b_id int REFERENCES {name(second)}, {columns}); CREATE INDEX ON {name(table)} (a_id); "
        f"CREATE INDEX ON {name(table)} (column_1); "
        f"INSERT INTO {name(table)} SELECT n, n, n, {values} FROM generate_series(1, {ROWS}) n"
    )


def _parents(table: int) -> tuple[int, int]:
    return max(table - 1, 0), table // 2


def statements(tables: int, count: int, seed: int = 7) -> Iterator[str]:
    """No two of one shape: each puts out columns of its own."""
    random = Random(seed)
    for number in range(count):
        table = random.randrange(tables)
        outputs = ", ".join(f"t.column_{n} AS c{number}_{n}" for n in random.sample(range(COLUMNS), 4))
        yield _statement(number, table, outputs)


def _statement(number: int, table: int, outputs: str) -> str:
    this, parent = name(table), name(_parents(table)[0])
    join = f"{this} t JOIN {parent} p ON p.id = t.a_id"
    match number % 10:
        case 0 | 1 | 2:
            return f"SELECT {outputs} FROM {this} t WHERE t.id = {number}"
        case 3 | 4:
            return f"SELECT {outputs}, p.column_0 FROM {join} WHERE t.a_id = {number} ORDER BY t.column_2 DESC LIMIT 10"
        case 5:
            return f"SELECT {outputs} FROM {join} WHERE p.column_1 = 'x' AND t.column_4 = 'y' AND t.column_2 > now()"
        case 6:
            return (
                f"WITH x AS (SELECT * FROM {this} WHERE column_1 = 'a') SELECT {outputs} FROM x t "
                f"LEFT JOIN {parent} p ON p.id = t.a_id WHERE EXISTS (SELECT 1 FROM {this} o WHERE o.a_id = p.id)"
            )
        case 7:
            return (
                f"SELECT t.column_1 AS c{number}, count(*), sum(p.column_0) FROM {join} GROUP BY 1 HAVING count(*) > 3"
            )
        case 8:
            columns = ", ".join(f"column_{n % COLUMNS} = NULL" for n in (number, number // 10))
            return f"UPDATE {this} SET {columns} WHERE id = 1"
    return (
        f"INSERT INTO {this} (id, a_id, column_{number % COLUMNS}) SELECT {number}, id, NULL FROM {parent} WHERE id = 3"
    )
