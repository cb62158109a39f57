"""The mapping file, read at the edge: text in, a frozen Mapping or every problem at once out.

A problem is one line: `shop.yaml:17: items.order.key: what is wrong, what is allowed, what to do`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.errors import MappingError
from pipelines.mapping.model import Mapping
from pipelines.mapping.model_problems import model_problems
from pipelines.mapping.origin import Origin
from pipelines.mapping.yaml_document import YamlDocument, read_yaml

MAX_BYTES = 4 * 1024 * 1024


def load_mapping(path: Path) -> Mapping:
    """The mapping of a file. Raises MappingError, with every problem of the file."""
    return parse_mapping(_text(path), path.name)


def parse_mapping(text: str, where: str) -> Mapping:
    """The mapping of a text; `where` names it in messages. Raises MappingError, with every problem."""
    document = read_yaml(text)
    origin = Origin(where, document.lines)
    problems = [Origin(where, {path: line}).problem(path, message) for path, line, message in document.problems]
    if problems and document.value is None:
        raise MappingError(problems)
    if document.value is None:
        raise MappingError([f"{where}: empty; a mapping has at least `migration`, `target` and `items`"])
    if not isinstance(document.value, dict):
        raise MappingError([f"{where}:1: not a mapping; the first line of one is `migration: NAME`"])
    return _validated(document, origin, problems)


def _validated(document: YamlDocument, origin: Origin, problems: list[str]) -> Mapping:
    values: dict[str, Any] = document.value
    found = []
    mapping: Mapping | None = None
    try:
        mapping = Mapping.model_validate(values)
    except ValidationError as error:
        found = model_problems(error, values)
    if problems or found or mapping is None:
        in_order = sorted(found, key=lambda problem: origin.line(problem[0]) or 0)
        raise MappingError(problems + [origin.problem(path, message) for path, message in in_order])
    return mapping.located(origin)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise MappingError([f"{path}: no such file; give the path of a mapping, `shop.yaml`"]) from None
    except IsADirectoryError:
        raise MappingError([f"{path}: a folder; give the mapping file inside it"]) from None
    except OSError as error:
        raise MappingError([f"{path}: cannot be read ({error.strerror})"]) from None
    if len(content) > MAX_BYTES:
        raise MappingError([f"{path}: over {MAX_BYTES:,} bytes; this is no mapping file"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MappingError([f"{path.name}:{line}: not UTF-8; save the file as UTF-8"]) from None
