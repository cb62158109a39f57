"""What a transaction has touched, told to the session itself, where that asks for it.

A session that has `crossover.follow` on finds in `crossover.touched`, until its transaction ends, the items that it has
written log rows for. To read the log instead would, under SERIALIZABLE, abort other writers; and the log has no index.
Set locally, so ROLLBACK TO SAVEPOINT takes back what was touched since (PostgreSQL, 9.28.1). Marks and TRUNCATE are not
told: which items they reach is known after commit only.

    ⏎migration⇥item_type⇥source_key⏎    an entry: neither a name nor a JSON text has a tab or a line feed in it
    ⏎+⏎                                 the last one: there is no more room
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql
from psycopg.sql import Composable, Composed, Literal

from pipelines.source.ledger.names import FOLLOWED

FOLLOW = "crossover.follow"
TOUCHED = "crossover.touched"
FOLLOW_ON: LiteralString = "SET crossover.follow TO 'on'"
FOLLOW_HERE: LiteralString = "SET LOCAL crossover.follow TO 'on'"
"""In this transaction. Unlike a SELECT it leaves SET TRANSACTION possible."""

READ_TOUCHED: LiteralString = (
    "SELECT pg_catalog.current_setting('crossover.touched', true), pg_catalog.current_setting('crossover.follow', true)"
)
"""A row for `Touched.of`."""

MOST_BYTES = 16_384
"""Some 400 items. Each entry copies those before it."""

_MORE = "+"

_CREATE = sql.SQL(
    "CREATE OR REPLACE FUNCTION {name}(pg_catalog.text, pg_catalog.text, pg_catalog.text)"
    " RETURNS pg_catalog.void LANGUAGE plpgsql AS $$\n"
    "DECLARE\n"
    "    touched pg_catalog.text := pg_catalog.concat(pg_catalog.current_setting({setting}, true));\n"
    "    entry pg_catalog.text := pg_catalog.concat({line}, $1, {tab}, $2, {tab}, $3, {line});\n"
    "BEGIN\n"
    "    IF $3 IS NULL OR pg_catalog.right(touched, 3) OPERATOR(pg_catalog.=) {more}\n"
    '        OR pg_catalog.strpos(touched COLLATE pg_catalog."C", entry COLLATE pg_catalog."C")'
    " OPERATOR(pg_catalog.>) 0 THEN\n"
    "        RETURN;\n"
    "    END IF;\n"
    "    IF pg_catalog.octet_length(touched) OPERATOR(pg_catalog.+) pg_catalog.octet_length(entry)"
    " OPERATOR(pg_catalog.>) {most} THEN\n"
    "        entry := {more};\n"
    "    END IF;\n"
    "    PERFORM pg_catalog.set_config({setting}, pg_catalog.concat(touched, entry), true);\n"
    "END;\n$$"
)

_TELL = sql.SQL(
    "{indent}IF pg_catalog.current_setting({setting}, true) OPERATOR(pg_catalog.=) 'on' THEN\n"
    "{indent}    PERFORM {name}({migration}, {item_type}, {key});\n"
    "{indent}END IF;\n"
)


@dataclass(frozen=True)
class Touched:
    """`items`: (item type, source key), each once. `is_cut`: there were more than there was room for. `is_following`:
    whether the session has asked for it, still."""

    items: tuple[tuple[str, str], ...] = ()
    is_cut: bool = False
    is_following: bool = True

    @classmethod
    def of(cls, row: tuple[Any, ...] | None, migration: str) -> Touched:
        """`row`: of READ_TOUCHED. Of this migration; others may be captured beside it."""
        touched, follow = row or (None, None)
        entries = [line.split("\t", 2) for line in (touched or "").split("\n") if line]
        items = [(entry[1], entry[2]) for entry in entries if len(entry) == 3 and entry[0] == migration]
        return cls(tuple(items), [_MORE] in entries, follow == "on")


def create_followed() -> Composed:
    """The function that adds an entry, if it is not there yet. It never raises."""
    line, tab = sql.SQL("pg_catalog.chr(10)"), sql.SQL("pg_catalog.chr(9)")
    return _CREATE.format(
        name=FOLLOWED,
        setting=Literal(TOUCHED),
        line=line,
        tab=tab,
        more=sql.SQL("E'\\n{}\\n'").format(sql.SQL(_MORE)),
        most=Literal(MOST_BYTES),
    )


def drop_followed() -> Composed:
    return sql.SQL("DROP FUNCTION IF EXISTS {}(text, text, text)").format(FOLLOWED)


FOLLOWED_SIGNATURE = f"{FOLLOWED.as_string(None)}(text,text,text)"
"""As PostgreSQL looks it up."""


def tell(migration: str, item_type: str, key: Composable, depth: int) -> Composed:
    """A statement of a trigger's function, so many steps indented: 0.06 µs where nobody follows."""
    return _TELL.format(
        indent=sql.SQL("    " * depth),
        setting=Literal(FOLLOW),
        name=FOLLOWED,
        migration=Literal(migration),
        item_type=Literal(item_type),
        key=key,
    )
