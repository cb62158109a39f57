"""A PartiQL INSERT with its parameters, read back into the item that it says."""

from __future__ import annotations

import re
from typing import Any

_INSERT = re.compile(r'INSERT INTO "([\w.-]+)" VALUE \{(.*)\}')
_NAME = re.compile(r"'((?:[^']|'')*)': \?")


def inserted(statement: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Table and item of a member of BatchExecuteStatement's `Statements`."""
    found = _INSERT.fullmatch(statement["Statement"])
    assert found is not None, statement["Statement"]
    names = [name.replace("''", "'") for name in _NAME.findall(found[2])]
    return found[1], dict(zip(names, statement["Parameters"], strict=True))
