"""Templates read backwards: the columns of a text such as `ORDER#0000000006`.

Only of templates that no two rows fill alike (`template_collisions`); what a placeholder's format drops (upper and
lower case, a remainder, parts of a date) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.items.source_type import NUMBERS, TEMPORAL, Kind
from pipelines.mapping.inverse.decode import digits_of_second, number_keep
from pipelines.mapping.inverse.table_rows import Keep
from pipelines.mapping.key_language import regex
from pipelines.mapping.key_text import placeholder_language
from pipelines.mapping.plan import Placeholder, Template
from pipelines.mapping.template_collisions import collisions
from pipelines.mapping.templates import percent

_DIRECTIVE = re.compile(r"%(.)|([^%]+)", re.DOTALL)
_DAY = frozenset("Ymd")
_CLOCK = frozenset("HMS")


@dataclass(frozen=True)
class Read:
    """One placeholder's text as that of its column."""

    column: str
    text: Callable[[str], str]
    keep: Keep | None


@dataclass(frozen=True)
class TemplateReader:
    """`reads`: of the placeholders that tell their own row's column, in order."""

    reads: tuple[Read, ...]
    _pattern: re.Pattern[str]

    def texts(self, text: str) -> tuple[str, ...] | None:
        """For each of `reads`; None where the template cannot have made the text."""
        match = self._pattern.fullmatch(text)
        if match is None:
            return None
        return tuple(read.text(group) for read, group in zip(self.reads, match.groups(), strict=True))


def template_reader(template: Template) -> TemplateReader | None:
    """None where two rows could give one text."""
    if any(collisions(template)):
        return None
    reads: list[Read] = []
    pattern = ""
    for part in template.parts:
        if isinstance(part, str):
            pattern += re.escape(part)
            continue
        read, language = _read(part), regex(placeholder_language(part))
        pattern += language if read is None else f"({language})"
        reads += [] if read is None else [read]
    return TemplateReader(tuple(reads), re.compile(pattern, re.DOTALL))


def _read(part: Placeholder) -> Read | None:
    if part.path:
        return None
    format = part.format
    if format is None:
        return Read(part.column, str, number_keep(part.type) if part.type.kind in NUMBERS else None)
    if format.pad is not None:
        return Read(part.column, _unpadded, None)
    if format.escape is not None:
        return Read(part.column, _unescaped(format.escape), None)
    return None if format.strftime is None else _moment(part, format.strftime)


def _unpadded(digits: str) -> str:
    return digits.lstrip("0") or "0"


def _unescaped(following: str) -> Callable[[str], str]:
    codes = {percent(character): character for character in ("%", following) if character}
    pattern = re.compile("|".join(map(re.escape, codes)))
    return lambda text: pattern.sub(lambda match: codes[match[0]], text)


def _moment(part: Placeholder, format: str) -> Read | None:
    """Of a date its day, of a timestamp its seconds."""
    kind, told = part.type.kind, {match[1] for match in _DIRECTIVE.finditer(format) if match[1]}
    if kind not in TEMPORAL or not told >= _DAY or (kind is not Kind.DATE and not told >= _CLOCK):
        return None
    zone = "Z" if kind is Kind.TIMESTAMPTZ else ""
    pattern = _strftime_pattern(format)

    def text(written: str) -> str:
        match = pattern.fullmatch(written)
        assert match is not None, "the template's own pattern has the same digits"
        day = "{Y}-{m}-{d}".format(**match.groupdict())
        return day if kind is Kind.DATE else day + "T{H}:{M}:{S}.000000".format(**match.groupdict()) + zone

    keep = Keep.SECONDS if kind is not Kind.DATE and digits_of_second(part.type) else None
    return Read(part.column, text, keep)


def _strftime_pattern(format: str) -> re.Pattern[str]:
    """A directive that stands there twice is read where it stands first."""
    pattern, seen = "", set[str]()
    for match in _DIRECTIVE.finditer(format):
        letter, literal = match[1], match[2]
        if letter is None:
            pattern += re.escape(literal)
            continue
        digits = r"\d{4}" if letter == "Y" else r"\d{2}"
        pattern += digits if letter in seen else f"(?P<{letter}>{digits})"
        seen.add(letter)
    return re.compile(pattern, re.DOTALL)
