"""Texts of AWS's making, fit for one line of a message."""

from __future__ import annotations

import re

from pydantic import JsonValue

LONGEST = 300

_SECRETS = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"),  # access keys
    re.compile(r"(?i)(?<=password=)\S+|(?<=password:)\s*\S+|(?<=token=)\S+|(?<=signature=)\S+|(?<=credential=)\S+"),
    re.compile(r"(?<=://)[^\s/@]+@"),  # user and password of a URL
)


def in_one_line(text: str) -> str:
    """Without control characters, without what looks like a secret, not long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    for secret in _SECRETS:
        line = secret.sub("***", line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def texts_of(value: JsonValue) -> list[str]:
    """All texts in a JSON value, depth first."""
    match value:
        case str():
            return [value]
        case list():
            return [text for one in value for text in texts_of(one)]
        case dict():
            return [text for one in value.values() for text in texts_of(one)]
    return []
