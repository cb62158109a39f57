"""Templates filled in, the Spark form of `pipelines.mapping.templates`: same texts, same reasons to refuse."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.arrow_spark import text_function
from pipelines.items.canonical import quote
from pipelines.items.canonical_spark import harmless_string, quoted, string_fragment
from pipelines.items.encode_spark import invalid_text, outside_calendar, temporal_text
from pipelines.items.number_spark import number_problem, plain_number
from pipelines.items.problem_spark import Problem, first_problem, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import NUMBERS, TEMPORAL, Kind, SourceType
from pipelines.items.sql_text import Column
from pipelines.mapping.plan import Placeholder, Template
from pipelines.mapping.templates import lower, percent, upper

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_PLACE = {"Y": (1, 4), "m": (6, 2), "d": (9, 2), "H": (12, 2), "M": (15, 2), "S": (18, 2)}
"""Where a directive's digits stand in the fixed form, `2026-11-24T08:55:13`: (first, count), from 1."""


@dataclass(frozen=True)
class Physical:
    """A source column in a frame; `raw` beside a temporal one; `plain`, where it was made before, the plain normal
    form of a number. `problem`: the path to it is ambiguous."""

    value: Column
    raw: Column | None = None
    problem: Problem | None = None
    plain: Column | None = None


@dataclass(frozen=True)
class Rendered:
    """`text` is null where a placeholder is NULL; `problem` is None where none can happen. `harmless`: the text
    needs no escape in JSON, whatever the row."""

    text: Column
    problem: Problem | None
    harmless: bool = False

    @property
    def quoted(self) -> Column:
        return F.concat(F.lit('"'), self.text, F.lit('"')) if self.harmless else quoted(self.text)

    @property
    def fragment(self) -> Column:
        return harmless_string(self.text) if self.harmless else string_fragment(self.text)


def render(template: Template, physical_of: Callable[[Placeholder], Physical]) -> Rendered:
    parts = [
        Rendered(F.lit(part), None, _is_harmless(part)) if isinstance(part, str) else _found(part, physical_of(part))
        for part in template.parts
    ]
    return Rendered(
        F.concat(*(part.text for part in parts)),
        first_problem([part.problem for part in parts]),
        all(part.harmless for part in parts),
    )


def template_text(type: SourceType, physical: Physical) -> Rendered:
    """A column's text in a template without a format."""
    value = physical.value
    if type.kind in TEMPORAL:
        assert physical.raw is not None
        return Rendered(temporal_text(type, value), outside_calendar(physical.raw), harmless=True)
    if type.kind in NUMBERS:
        return Rendered(plain_number(type, value), number_problem(type, value), harmless=True)
    if type.kind is Kind.BYTES:
        return Rendered(F.concat(F.lit(r"\x"), F.call("lower", F.call("hex", value))), None)
    harmless = type.kind in (Kind.BOOLEAN, Kind.UUID)
    text = value.cast("string") if type.kind is Kind.BOOLEAN else value
    return Rendered(text, invalid_text(type, value), harmless)


def _found(placeholder: Placeholder, physical: Physical) -> Rendered:
    rendered = _placeholder(placeholder, physical)
    problem = first_problem([physical.problem, rendered.problem])
    return Rendered(rendered.text, problem, rendered.harmless)


def _placeholder(placeholder: Placeholder, physical: Physical) -> Rendered:
    format = placeholder.format
    plain = template_text(placeholder.type, physical)
    if format is None:
        return plain
    if format.strftime is not None:
        text = _strftime(format.strftime, placeholder.type, plain.text)
        return Rendered(text, plain.problem, _is_harmless(format.strftime))
    if format.pad is not None:
        return _padded(physical.value, format.pad)
    if format.modulus is not None:
        return Rendered(F.call("pmod", physical.value, F.lit(format.modulus)).cast("string"), None, harmless=True)
    if format.case is not None:
        return Rendered(_cased(format.case, plain.text), plain.problem)
    return Rendered(_escaped(plain.text, format.escape or ""), plain.problem)


def _strftime(format: str, type: SourceType, fixed: Column) -> Column:
    pieces: list[Column] = []
    for literal, letter in _split(format):
        pieces.append(F.lit(literal))
        if letter in ("H", "M", "S") and type.kind is Kind.DATE:
            pieces.append(F.lit("00"))
        elif letter:
            pieces.append(F.substring(fixed, *_PLACE[letter]))
    return F.when(fixed.isNotNull(), F.concat(*pieces))


def _split(format: str) -> list[tuple[str, str]]:
    """`%Y-%m` → ("", Y), ("-", m), ("", "")."""
    pieces = _DIRECTIVE.split(format)
    return list(zip(pieces[0::2], [*pieces[1::2], ""], strict=True))


def _padded(value: Column, width: int) -> Rendered:
    digits = F.octets(value.cast("string"))
    too_many = F.concat(digits.cast("string"), F.lit(f" digits, {width} at most"))
    negative = F.lit("a negative number cannot be padded")
    return Rendered(
        F.call("lpad", value.cast("string"), F.lit(width), F.lit("0")),
        first_problem(
            [
                problem_when(value < 0, RejectReason.TEMPLATE_OVERFLOW, negative),
                problem_when(digits > width, RejectReason.TEMPLATE_OVERFLOW, too_many),
            ]
        ),
        harmless=True,
    )


def _is_harmless(literal: str) -> bool:
    return quote(literal) == f'"{literal}"'


def _cased(case: str, text: Column) -> Column:
    """Through Python: Java's case mapping differs (`İ`, final sigma)."""
    return text_function(lower if case == "lower" else upper)(text)


def _escaped(text: Column, following: str) -> Column:
    safe = F.replace_text(text, "%", "%25")
    if following in ("", "%"):
        return safe
    return F.replace_text(safe, following, percent(following))
