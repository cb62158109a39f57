"""pgbench's accounts, and a table of cards that their items embed."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from pipelines.source.child_process import binaries

ROWS = 100_000
CLIENTS = 4

SCHEMA = f"""
CREATE TABLE cards (card int PRIMARY KEY, label text NOT NULL);
CREATE TABLE accounts (
    aid int PRIMARY KEY, branch int NOT NULL, card int NOT NULL, balance int NOT NULL, seen int NOT NULL,
    filler char(84) NOT NULL
) WITH (fillfactor = 80);
INSERT INTO cards SELECT n, 'card ' || n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO accounts SELECT n, n % 100, n, 0, 0, '' FROM generate_series(1, {ROWS}) AS n;
CREATE INDEX ON accounts (card);
"""

MAPPING = """
migration: bench
target: {tables: {bench: {partition_key: {name: pk, type: S}}}}
items:
  account:
    table: bench
    from: accounts
    key: {pk: "ACCOUNT#{aid}"}
    exclude: [seen]
    embed: {plastic: {from: cards, on: {card: card}, as: map}}
"""


@dataclass(frozen=True)
class Load:
    """One statement, by primary key, each a transaction of its own."""

    name: str
    statement: str

    def write(self, folder: Path, rows: int = ROWS) -> Path:
        path = folder / f"{self.name.replace(' ', '_')}.sql"
        path.write_text(
            f"\\set id random(1, {rows})\n\\set delta random(-5000, 5000)\n{self.statement}\n", encoding="utf-8"
        )
        return path


USED = Load("a used column", "UPDATE accounts SET balance = balance + :delta WHERE aid = :id;")
UNUSED = Load("an unused column", "UPDATE accounts SET seen = seen + 1 WHERE aid = :id;")
PARENT = Load("an embedded parent row", "UPDATE cards SET label = 'card ' || :delta WHERE card = :id;")


def fill(server_url: str, name: str) -> str:
    """The URL of a new database with the tables in it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = server_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return url


Protocol = Literal["simple", "prepared"]
"""pgbench's own default, and the one in which least is to be done beside the row itself."""


def pgbench(
    url: str, script: Path, seconds: float, rate: float | None = None, protocol: Protocol = "prepared"
) -> float:
    """Transactions a second; `rate`: as many, and no more."""
    paced = [] if rate is None else ["-R", str(rate)]
    command = [binaries() / "pgbench", "-n", "-c", CLIENTS, "-j", 1, "-T", round(seconds), "-M", protocol]
    done = subprocess.run(
        [str(part) for part in (*command, *paced, "-f", script, url)], capture_output=True, text=True, check=False
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode != 0 or found is None or "number of failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench: exit {done.returncode}")  # its own words show the URL
    return float(found[1])
