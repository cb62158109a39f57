"""YAML as plain values and the line of each: what PyYAML's own loader forgets or guesses.

Only `true` and `false` are booleans and only plain decimal notation is a number: `on`, `no`, `2026-11-24`, `1:30`
and `010` are texts, and the key `on` of an embed is the text that it looks like. Numbers with a fraction are
Decimals, so that no digit is lost.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import yaml

from pipelines.mapping.origin import Path

MAX_NODES = 100_000
"""Aliases may write one node many times; a file that grows past this is refused."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""What an escape in quotes can name, but neither PostgreSQL nor DynamoDB's UTF-8 can hold in a name."""

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's idea of plain scalars."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]


_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver(_INT, re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$"),
    list("-0123456789"),
)


@dataclass
class YamlDocument:
    """`value` holds dict, list, str, int, Decimal, bool and None. `problems` are (path, line, message)."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[Path, int, str]] = field(default_factory=list)


def read_yaml(text: str) -> YamlDocument:
    """The one document of a text; never raises for what the text holds."""
    document = YamlDocument()
    try:
        root = _compose(text)
        if root is not None:
            document.value = _Reader(document).read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        document.problems.append(((), line, f"not valid YAML: {error.problem or error.context}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"not valid YAML: the character U+{int(error.character):04X} is not allowed"
        document.problems.append(((), line, message))
    except RecursionError:
        document.problems.append(((), 1, "nested too deeply"))
    except (ValueError, OverflowError):  # of chr(), for what a text in quotes asks for
        line = text.count("\n", 0, _beyond_unicode(text)) + 1
        document.problems.append(((), line, "not valid YAML: there is no such character beyond U+10FFFF"))
    return document


def _beyond_unicode(text: str) -> int:
    """Where the first escape stands that names no character."""
    escapes = re.finditer(r"\\U([0-9A-Fa-f]{8})", text)
    return next((match.start() for match in escapes if int(match[1], 16) > sys.maxunicode), 0)


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


class _Reader:
    """Turns nodes into values, once over the tree, aliases expanded."""

    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._nodes = 0
        self._around: set[int] = set()

    def read(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._document.lines.setdefault(path, line)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self._problem((), line, f"over {MAX_NODES:,} values once aliases are written out")
            return None
        if id(node) in self._around:
            self._problem(path, line, "an alias inside of what it stands for")
            return None
        self._around.add(id(node))
        value = self._content(node, path)
        self._around.discard(id(node))
        return value

    def _content(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(member, (*path, n)) for n, member in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(path, line, "a key must be a plain text")
                continue
            name = str(key_node.value)
            if not self._is_storable(name, path, line):
                continue
            if name in values:
                first = self._document.lines[(*path, name)]
                self._problem((*path, name), line, f"written twice (first in line {first}); keep one")
                continue
            self._document.lines[(*path, name)] = line
            values[name] = self.read(value_node, (*path, name))
        return values

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        match node.tag:
            case "tag:yaml.org,2002:str":
                return text if self._is_storable(text, path, node.start_mark.line + 1) else None
            case "tag:yaml.org,2002:null":
                return None
            case "tag:yaml.org,2002:bool" if text in ("true", "false"):
                return text == "true"
            case "tag:yaml.org,2002:int" if re.fullmatch(r"-?[0-9]{1,4000}", text):
                return int(text)
            case "tag:yaml.org,2002:float" if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", text):
                return Decimal(text)
        self._problem(path, node.start_mark.line + 1, f"the YAML tag {node.tag} is not allowed here")
        return None

    def _is_storable(self, text: str, path: Path, line: int) -> bool:
        found = _UNSTORABLE.search(text)
        if found is not None:
            self._problem(path, line, f"the character U+{ord(found[0]):04X} is not allowed here")
        return found is None

    def _problem(self, path: Path, line: int, message: str) -> None:
        self._document.problems.append((path, line, message))
