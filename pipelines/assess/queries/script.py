"""A file of SQL: statements that semicolons end, as psql reads it."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.assess.observed import Observed
from pipelines.assess.statements.lexer import Token, lexemes

_DATA_END = "\n\\."


def script_statements(text: str, name: str) -> Iterator[Observed]:
    """Each with the line on which it begins. psql's own commands, `\\d`, take a line; COPY's data are skipped."""
    start, line, at = 0, 1, 0
    while start < len(text):
        begin, end, after = _statement(text, start)
        if begin == len(text):
            return
        line += text.count("\n", at, begin)
        at = begin
        yield Observed(text[begin:end], f"{name}:{line}")
        start = _after_data(text, begin, end, after)


def _statement(text: str, start: int) -> tuple[int, int, int]:
    """Where it begins, ends, and where the next may begin."""
    begin: int | None = None
    for lexeme in lexemes(text, start):
        if begin is None and lexeme.token in (Token.SPACE, Token.END):
            continue
        if begin is None:
            begin = lexeme.start
            if lexeme.text == "\\":
                line_end = text.find("\n", begin)
                end = len(text) if line_end < 0 else line_end
                return begin, end, end
        if lexeme.token is Token.END:
            return begin, lexeme.start, lexeme.start + 1
    return (len(text) if begin is None else begin), len(text), len(text)


def _after_data(text: str, begin: int, end: int, after: int) -> int:
    """`COPY … FROM stdin;` is followed by rows, up to a line `\\.`."""
    words = text[begin:end].lower().split()
    if words[:1] != ["copy"] or "stdin" not in words:
        return after
    found = text.find(_DATA_END, after)
    return after if found < 0 else found + len(_DATA_END)
