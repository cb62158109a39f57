"""From text to sqlglot's tree, or to why there is none. No message of sqlglot's is passed on: it quotes the text."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipelines.assess.statements.lexer import Lexeme, Token, lexemes

_UTILITY = re.compile(
    "abort|alter|analyze|begin|checkpoint|close|cluster|comment|commit|create|deallocate|discard|drop|end|explain|fetch|"
    "grant|import|listen|load|lock|move|notify|reassign|refresh|reindex|release|reset|revoke|rollback|savepoint|"
    "security|set|show|start|unlisten|vacuum"
)
_OPAQUE = {"call": "a procedure's body is not in the statement", "do": "the body of DO is not looked into"}
_TREES = (exp.Query, exp.Values, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable, exp.Copy)

# A type's name before a constant, as pg_stat_statements writes `date '2026-01-01'`, is no SQL with a parameter.
_TYPED_PARAMETER = re.compile(r"\b(interval|date|time|timestamp|timestamptz)\s+(\$\d+)", re.IGNORECASE)
_PREPARE = re.compile(r"prepare\s+(\w+|\"[^\"]+\")\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*as\b", re.IGNORECASE)
_DECLARE = re.compile(r"declare\b.*?\bcursor\b.*?\bfor\b", re.IGNORECASE | re.DOTALL)
_EXECUTE = re.compile(r"execute\s+(\w+|\"[^\"]+\")", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_PYTHON_PARAMETER = re.compile(r"%s|%\(\w+\)s")


@dataclass(frozen=True)
class Parsed:
    """`values`: words of the text's strings that are no word of its own: none of them may be shown."""

    tree: exp.Expr
    values: frozenset[str]


@dataclass(frozen=True)
class Utility:
    """It does not read or write rows by itself. `keyword`: its first word."""

    keyword: str


@dataclass(frozen=True)
class Prepared:
    """Runs another statement by the name that PREPARE gave it."""

    name: str


@dataclass(frozen=True)
class Unreadable:
    why: str


Outcome = Parsed | Utility | Prepared | Unreadable


def parse(sql: str) -> Outcome:
    """One statement. What PREPARE, DECLARE and psql's `\\` stand before is looked through."""
    found = list(lexemes(sql))
    if any(lexeme.token is Token.BROKEN for lexeme in found):
        return Unreadable("a quote or a comment does not end: it may have been cut off")
    text = _plain(found)
    first = re.match(r"\w*", text)
    keyword = first[0].lower() if first is not None else ""
    if text.startswith("\\"):
        return Utility("\\")
    if keyword in _OPAQUE:
        return Unreadable(_OPAQUE[keyword])
    if keyword == "execute" and (name := _EXECUTE.match(text)) is not None:
        return Prepared(_folded(name[1]))
    body = _PREPARE.match(text) or _DECLARE.match(text)
    if body is None and _UTILITY.fullmatch(keyword):
        return Utility(keyword.upper())
    return _tree(text[body.end() :] if body is not None else text, _values(found))


def prepared_name(sql: str) -> str | None:
    """The name that a PREPARE gives."""
    if "prepare" not in sql.lower():
        return None
    match = _PREPARE.match(_plain(lexemes(sql)))
    return _folded(match[1]) if match is not None else None


def _folded(name: str) -> str:
    """As PostgreSQL takes a name: in lower case unless quoted."""
    return name if name.startswith('"') else name.lower()


def _plain(found: Iterator[Lexeme] | list[Lexeme]) -> str:
    """Without comments, and parameters followed by a space: sqlglot takes `$1,$` for a quotation mark."""
    parts = []
    for lexeme in found:
        match lexeme.token:
            case Token.SPACE:
                parts.append(" ")
            case Token.PARAMETER:
                parts.append(f"{lexeme.text} ")
            case Token.END:
                continue
            case _:
                parts.append(lexeme.text)
    return _TYPED_PARAMETER.sub(r"\2 ::\1", "".join(parts).strip())


def words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _values(found: list[Lexeme]) -> frozenset[str]:
    hidden, own = set[str](), set[str]()
    for lexeme in found:
        if lexeme.token is Token.STRING:
            hidden |= words(lexeme.text)
        elif lexeme.token in (Token.WORD, Token.QUOTED):
            own |= words(lexeme.text)
    return frozenset(hidden - own)


def _tree(text: str, values: frozenset[str]) -> Outcome:
    tree = _attempt(text)
    if tree is None and _PYTHON_PARAMETER.search(text):
        tree = _attempt(_PYTHON_PARAMETER.sub("$1 ", text))
    if tree is None:
        return Unreadable("not SQL that can be parsed: it may have been cut off")
    if not isinstance(tree, _TREES):
        return Unreadable("a kind of statement that is not known")
    return Parsed(tree, values)


def _attempt(text: str) -> exp.Expr | None:
    with _silent():
        try:
            tree = sqlglot.parse_one(text, read="postgres")
        except (SqlglotError, RecursionError):
            return None
    return tree if isinstance(tree, exp.Expr) else None


@contextmanager
def _silent() -> Iterator[None]:
    """sqlglot warns with the statement's text."""
    log = logging.getLogger("sqlglot")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)
