"""PostgreSQL's tokens, as far as finding a statement's end, its comments and its values takes (PostgreSQL, 4.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple


class Token(Enum):
    SPACE = auto()  # white space and comments
    STRING = auto()
    NUMBER = auto()
    PARAMETER = auto()  # $1
    WORD = auto()
    QUOTED = auto()  # "an identifier"
    END = auto()  # ;
    BROKEN = auto()  # a string, a comment or a quoted identifier that does not end
    OTHER = auto()


class Lexeme(NamedTuple):
    token: Token
    text: str
    start: int


_PLAIN = re.compile(
    r"""
    (?P<SPACE>\s+|--[^\n]*)
  | (?P<STRING>[eE]'(?:[^'\\]|\\.|'')*'
      | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'
      | (?P<tag>\$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$).*?(?P=tag))
  | (?P<QUOTED>(?:[uU]&)?"(?:[^"]|"")*")
  | (?P<PARAMETER>\$\d+)
  | (?P<NUMBER>0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<WORD>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
  | (?P<END>;)
  | (?P<BROKEN>['"$].*)
  | (?P<OTHER>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_TOKENS = {token.name: token for token in Token}
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def lexemes(sql: str, start: int = 0) -> Iterator[Lexeme]:
    """All of the text from `start` on, nothing left out."""
    while start < len(sql):
        if sql.startswith("/*", start):
            end = _comment_end(sql, start)
            token = Token.SPACE if end else Token.BROKEN
            end = end or len(sql)
        else:
            match = _PLAIN.match(sql, start)
            assert match is not None  # the last alternative takes any character
            token, end = _TOKENS[str(match.lastgroup)], match.end()
        yield Lexeme(token, sql[start:end], start)
        start = end


def _comment_end(sql: str, start: int) -> int | None:
    """Comments nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return None
