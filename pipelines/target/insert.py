"""PartiQL INSERTs joined from items' texts: put-if-absent, many in one request, each with its own success.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.insert.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache

from pipelines.items.canonical import quote

ACTION = "BatchExecuteStatement"
MAX_STATEMENTS = 25
MAX_BYTES = 4_000_000
_MAX_CHARACTERS = 8_192  # of a statement, its parameters not counted
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.: #/@+-]+")
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_LEAF = re.compile(rf'({_TEXT}):(\{{"(?:[SNB]":{_TEXT}|BOOL":(?:true|false)|NULL":true)\}})[,}}]')
_DECODER = json.JSONDecoder()


def insert(table: str, item: str) -> str | None:
    """One statement with its parameters, of an item as DynamoDB's JSON without white space.

    None where the names of its attributes leave it doubtful whether a statement can say it: PutItem can.
    """
    names, values = attributes(item)
    statement = _statement(table, names)
    return statement and f'{{"Statement":{statement},"Parameters":[{",".join(values)}]}}'


def body(statements: Sequence[str]) -> bytes:
    return f'{{"Statements":[{",".join(statements)}]}}'.encode()


def attributes(item: str) -> tuple[tuple[str, ...], list[str]]:
    """The names, as JSON strings, and the values of an item, as they stand in its text."""
    names: list[str] = []
    values: list[str] = []
    at = 1
    while at < len(item):
        leaf = _LEAF.match(item, at)
        if leaf is not None:
            name, value = leaf.groups()
            at = leaf.end()
        else:
            _, colon = _DECODER.raw_decode(item, at)
            _, end = _DECODER.raw_decode(item, colon + 1)
            name, value = item[at:colon], item[colon + 1 : end]
            at = end + 1
        names.append(name)
        values.append(value)
    return tuple(names), values


@lru_cache(maxsize=1024)  # items of one type share their names
def _statement(table: str, names: tuple[str, ...]) -> str | None:
    """As a JSON string."""
    plain = [name[1:-1] for name in names]
    if not all(_PLAIN_NAME.fullmatch(name) for name in plain):
        return None
    said = ", ".join(f"'{name}': ?" for name in plain)
    text = f'INSERT INTO "{table}" VALUE {{{said}}}'
    return quote(text) if len(text) <= _MAX_CHARACTERS else None
