"""What makes two texts one, before anything is parsed: a log has millions of texts and few shapes."""

from __future__ import annotations

from pipelines.assess.statements.lexer import Token, lexemes


def fingerprint(sql: str) -> str:
    """Equal for texts that differ in values, comments, white space or letter case alone; it holds no value. Where a
    pattern of LIKE has its wildcards decides what a statement is, so it stays."""
    parts: list[str] = []
    for lexeme in lexemes(sql):
        match lexeme.token:
            case Token.SPACE | Token.END:
                continue
            case Token.STRING:
                part = wildcards(lexeme.text)
            case Token.NUMBER | Token.PARAMETER:
                part = "?"
            case Token.WORD:
                part = lexeme.text.lower()
            case Token.BROKEN:
                part = "broken"
            case _:
                part = lexeme.text
        if part == "?" and parts[-2:] == ["?", ","]:
            parts.pop()  # a list of any length is one shape
        else:
            parts.append(part)
    return " ".join(parts)


def wildcards(string: str) -> str:
    """`?` for a string's value, with `%` where one begins or ends with a wildcard of LIKE."""
    body = string.partition("'")[2].removesuffix("'")
    first = "%" if body.startswith(("%", "_")) else ""
    return f"{first}?{'%' if len(body) > 1 and body.endswith('%') else ''}"
