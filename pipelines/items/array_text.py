r"""PostgreSQL's array literals, read exactly: `{a,"b \"c\"",NULL}`, `{{1,2},{3,4}}`, `[0:1]={x,y}`, `{}`.

Only what `array_out` prints is taken: an element is quoted when it is empty, spells NULL, or holds a brace, the
delimiter, a quote, a backslash or white space; so an unquoted NULL is a NULL and `"NULL"` is a text.
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

ArrayElements: TypeAlias = "list[str | ArrayElements | None]"
"""Elements in order; nested lists where the array has more than one dimension."""

_BOUNDS = re.compile(r"(?:\[[+-]?\d+:[+-]?\d+\])+=", re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = " \\t\\n\\r\\v\\f"  # what PostgreSQL's array_isspace takes for white space: no other Unicode space
_QUOTED, _UNQUOTED, _OPEN, _CLOSE = 1, 2, 3, 4


def parse_array(literal: str, delimiter: str = ",") -> ArrayElements:
    """The elements as texts, NULLs as None. `delimiter` is the element type's `typdelim`: `,`, for box `;`.

    Lower bounds other than 1 are dropped: a list has none. Raises ValueError where the text is no array literal.
    """
    bounds = _BOUNDS.match(literal)
    position = bounds.end() if bounds else 0
    root: ArrayElements = []
    stack: list[ArrayElements] = [root]
    after_value = False  # a delimiter or a closing brace must follow
    for token in _tokens(delimiter).finditer(literal, position):
        if token.start() != position:
            break
        position = token.end()
        after_value = _take(token, stack, after_value)
    if position != len(literal) or len(stack) != 1 or len(root) != 1 or not isinstance(root[0], list):
        raise ValueError("not an array literal")
    return root[0]


def _take(token: re.Match[str], stack: list[ArrayElements], after_value: bool) -> bool:
    if token.lastindex is None:  # the delimiter
        if not after_value or len(stack) == 1:
            raise ValueError("not an array literal")
        return False
    if token.lastindex == _CLOSE:
        if len(stack) == 1 or (not after_value and stack[-1]):
            raise ValueError("not an array literal")
        stack.pop()
        return True
    if after_value:
        raise ValueError("not an array literal")
    return _add(token, stack)


def _add(token: re.Match[str], stack: list[ArrayElements]) -> bool:
    if token.lastindex == _OPEN:
        inner: ArrayElements = []
        stack[-1].append(inner)
        stack.append(inner)
        return False
    if token.lastindex == _QUOTED:
        text = token[_QUOTED]
        stack[-1].append(_ESCAPED.sub(r"\1", text) if "\\" in text else text)
    else:
        text = token[_UNQUOTED]
        stack[-1].append(None if text.upper() == "NULL" else text)
    return True


@cache
def _tokens(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    return re.compile(rf'"([^"\\]*(?:\\.[^"\\]*)*)"|([^{{}}"\\{_SPACE}{mark}]+)|(\{{)|(\}})|{mark}', re.DOTALL)


def flat(elements: ArrayElements) -> Sequence[str | None] | None:
    """The elements of an array of one dimension (or of none); None where there are more."""
    flat_elements = [element for element in elements if not isinstance(element, list)]
    return flat_elements if len(flat_elements) == len(elements) else None
