"""A statement's shape: its SQL with a parameter in place of every value, so that texts of one shape are equal."""

from __future__ import annotations

from itertools import count

from sqlglot import exp

from pipelines.assess.statements.lexer import Token, lexemes
from pipelines.assess.statements.parse import Parsed, words

_VALUES = (
    exp.Literal,
    exp.Boolean,
    exp.Parameter,
    exp.Placeholder,
    exp.BitString,
    exp.HexString,
    exp.ByteString,
    exp.RawString,
    exp.UnicodeString,
    exp.National,
)
_MORE = "..."
_ANY = "'%'"
_FLOOD = 100_000  # characters; such a shape is nothing to read


def shape(parsed: Parsed) -> str | None:
    """Parameters are numbered as they come; lists and VALUES of any length are alike. None where a value would show:
    sqlglot takes some strings for names. The tree is used up."""
    tree = parsed.tree
    if isinstance(tree, exp.Copy):  # a file, a program and what they are read with
        tree.set("files", [_parameter()])
        tree.set("params", None)
    for node in list(tree.find_all(exp.In, exp.Values, exp.Array)):
        _shorten(node)
    for node in list(tree.find_all(*_VALUES)):
        _hide(node)
    text = tree.sql("postgres", comments=False)[:_FLOOD]
    shown = _numbered(text)
    return None if _shows(shown, parsed.values) else shown


def wildcard_kind(pattern: exp.Expr | None) -> str:
    """Of a pattern of LIKE: `exact`, `prefix`, `infix`, or `unknown` where a parameter is the whole of it."""
    match pattern:
        case exp.Literal(is_string=True):
            return _kind_of(str(pattern.this))
        case exp.DPipe():
            parts = list(pattern.flatten())
        case exp.Concat():
            parts = list(pattern.expressions)
        case _:
            return "unknown"
    first, last = parts[0], parts[-1]
    if isinstance(first, exp.Literal) and str(first.this).startswith(("%", "_")):
        return "infix"
    return "prefix" if isinstance(last, exp.Literal) and str(last.this) == "%" else "unknown"


def _kind_of(pattern: str) -> str:
    plain = pattern.replace("\\%", "").replace("\\_", "")
    body = plain.removesuffix("%")
    if "%" in body or "_" in body:
        return "infix"
    return "prefix" if plain.endswith("%") else "exact"


def _shorten(node: exp.Expr) -> None:
    """Only a list of values: one of columns stays as it is."""
    elements = node.expressions
    if isinstance(node, exp.Values):
        node.set("expressions", elements[:1])
    elif len(elements) > 0 and all(isinstance(one, (*_VALUES, exp.Neg, exp.Cast, exp.Tuple)) for one in elements):
        node.set("expressions", [elements[0], exp.Var(this=_MORE)])


def _hide(node: exp.Expr) -> None:
    parent = node.parent
    if isinstance(parent, exp.Parameter | exp.DataTypeParam) or isinstance(node.find_ancestor(exp.JSONPath), exp.Expr):
        return
    if isinstance(node, exp.Literal) and not node.is_string and isinstance(parent, exp.Ordered | exp.Group):
        return  # a position
    if isinstance(parent, exp.DPipe | exp.Concat) and node.sql() == _ANY:
        return
    value: exp.Expr = _parameter()
    if isinstance(parent, exp.Interval):
        parent.replace(value)
        return
    if isinstance(parent, exp.Like | exp.ILike) and isinstance(node, exp.Literal):
        value = _like(node)
    node.replace(value)


def _like(node: exp.Literal) -> exp.Expr:
    """The wildcards stay, as SQL."""
    match wildcard_kind(node):
        case "prefix":
            return exp.Var(this=f"$1 || {_ANY}")
        case "infix":
            return exp.Var(this=f"{_ANY} || $1 || {_ANY}")
    return _parameter()


def _parameter() -> exp.Expr:
    return exp.Parameter(this=exp.Literal.number(1))


def _shows(text: str, values: frozenset[str]) -> bool:
    names = (one.text for one in lexemes(text) if one.token in (Token.WORD, Token.QUOTED))
    return any(words(name) & values for name in names)


def _numbered(text: str) -> str:
    """Whatever string sqlglot has written is a value, too: of a JSON path, of an interval."""
    numbers = count(1)
    hidden = (Token.PARAMETER, Token.STRING)
    return "".join(
        f"${next(numbers)}" if one.token in hidden and one.text != _ANY else one.text for one in lexemes(text)
    )
