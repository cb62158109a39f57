"""Templates: `"CUSTOMER#{customer_id:010}"`, their grammar and the Python form of filling them in.

    {path}  {path:format}  {{  }}
    path    a column, or names of `as: map` embeds and then a column, joined by dots
    format  0N | %Y %m %d %H %M %S and literals | lower | upper | modN | esc

`parse_template` knows nothing of the schema; `pipelines.mapping.compile_template` makes a plan's Template of what
it gives. `render` fills one in; the Spark form stands in `pipelines.mapping.templates_spark`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from pipelines.items.canonical import utf8
from pipelines.items.number import canonical_number
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import NUMBERS, TEMPORAL, Kind, SourceType
from pipelines.items.temporal import fixed_text, in_utc
from pipelines.mapping.plan import Format, Placeholder, Template

MAX_PAD = 38
FORMATS = "0N (010), %Y %m %d %H %M %S, lower, upper, modN (mod16), esc"

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+")
_PAD = re.compile(r"0([1-9][0-9]?)", re.ASCII)
_MODULUS = re.compile(r"mod([1-9][0-9]{0,8})", re.ASCII)
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_STRFTIME = {"Y": "{0.year:04d}", "m": "{0.month:02d}", "d": "{0.day:02d}"}
_CLOCK = {"H": "hour", "M": "minute", "S": "second"}

Lookup = Callable[[Placeholder], tuple[object | None, str | None]]
"""(physical value, `::raw` text of a temporal column) of a placeholder; (None, None) for NULL."""


class TemplateError(ValueError):
    """What is wrong with a template as it is written."""


@dataclass(frozen=True)
class RawPlaceholder:
    """`{customer.name:lower}` as written: names = ("customer", "name"), format "lower" (None without a colon)."""

    names: tuple[str, ...]
    format: str | None

    def __str__(self) -> str:
        return f"{{{'.'.join(self.names)}{'' if self.format is None else f':{self.format}'}}}"


@dataclass(frozen=True)
class RawTemplate:
    text: str
    parts: tuple[str | RawPlaceholder, ...]  # literals are never empty nor adjacent

    @property
    def only(self) -> RawPlaceholder | None:
        """The placeholder of a template that is exactly `{path}`."""
        part = self.parts[0] if len(self.parts) == 1 else None
        return part if isinstance(part, RawPlaceholder) and part.format is None else None


def parse_template(text: str) -> RawTemplate:
    """Raises TemplateError."""
    parts: list[str | RawPlaceholder] = []
    for token in _TOKEN.findall(text):
        if token in ("{", "}"):
            raise TemplateError(f"a single `{token}`; a placeholder is {{column}}, a brace itself is {token * 2}")
        part = token[0] if token in ("{{", "}}") else _placeholder(token) if token[0] == "{" else token
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return RawTemplate(text, tuple(parts))


def _placeholder(token: str) -> RawPlaceholder:
    path, colon, format = token[1:-1].partition(":")
    names = tuple(path.split("."))
    if not all(names):
        raise TemplateError(f"`{token}` names no column; write {{column}} or {{embed.column}}")
    if any(name != name.strip() for name in names):
        raise TemplateError(f"`{token}` has white space around a name; take it out")
    return RawPlaceholder(names, format if colon else None)


def parse_format(text: str, following: str) -> Format:
    """`following`: the literal after the placeholder, "" at the end. Raises TemplateError."""
    if match := _PAD.fullmatch(text):
        if int(match[1]) > MAX_PAD:
            raise TemplateError(f"`{text}` pads to more than {MAX_PAD} digits")
        return Format(pad=int(match[1]))
    if match := _MODULUS.fullmatch(text):
        return Format(modulus=int(match[1]))
    if text in ("lower", "upper"):
        return Format(case=text)
    if text == "esc":
        return Format(escape=following[:1])
    if "%" in text:
        return Format(strftime=_checked_strftime(text))
    raise TemplateError(f"`{text}` is no format; allowed: {FORMATS}")


def _checked_strftime(text: str) -> str:
    for letter in _DIRECTIVE.findall(text):
        if letter not in _STRFTIME and letter not in _CLOCK:
            raise TemplateError(f"`%{letter}` is not allowed; allowed: %Y %m %d %H %M %S")
    return text


def render(template: Template, lookup: Lookup) -> str | None:
    """The template filled in; None where a placeholder is NULL.

    Raises Unrepresentable, also where another placeholder is NULL: a reject wins over NULL.
    """
    texts: list[str] = []
    is_null = False
    for part in template.parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        text = placeholder_text(part, *lookup(part))
        is_null = is_null or text is None
        texts.append(text or "")
    return None if is_null else "".join(texts)


def placeholder_text(placeholder: Placeholder, value: object | None, raw: str | None) -> str | None:
    """One placeholder's text, its format applied; None for NULL. Raises Unrepresentable."""
    format = placeholder.format
    if format is None:
        return template_text(placeholder.type, value, raw)
    if format.strftime is not None:
        return strftime_text(format.strftime, _day(value, raw))
    if value is None and raw is None:
        return None
    if format.pad is not None:
        return padded(value, format.pad)
    if format.modulus is not None:
        return str(_integer(value) % format.modulus)
    text = template_text(placeholder.type, value, raw)
    if text is None:
        return None
    if format.case is not None:
        return lower(text) if format.case == "lower" else upper(text)
    return escaped(text, format.escape or "")


def template_text(type: SourceType, value: object | None, raw: str | None) -> str | None:
    """A column's text in a template without a format; None for NULL.

    Numbers in plain normal form, booleans `true` and `false`, dates and timestamps in the fixed form, everything
    else as PostgreSQL prints it. Raises Unrepresentable for NaN, infinities, numbers that DynamoDB cannot hold and
    dates outside years 1 to 9999, and for a text that is no UTF-8.
    """
    if type.kind in TEMPORAL:
        day = _day(value, raw)
        return None if day is None else fixed_text(day)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if type.kind in NUMBERS:
        return str(value) if type.kind is Kind.INTEGER else canonical_number(str(value))
    if isinstance(value, bytes):
        return rf"\x{value.hex()}"
    if not isinstance(value, str):
        raise TypeError(f"{type.name} has no text in a template")
    if not type.utf8:
        utf8(value)
    return value


def strftime_text(format: str, value: date | None) -> str | None:
    """%Y has four digits, the others two; in UTC; a date is its midnight."""
    if value is None:
        return None
    moment = in_utc(value) if isinstance(value, datetime) else value

    def directive(match: re.Match[str]) -> str:
        if match[1] in _STRFTIME:
            return _STRFTIME[match[1]].format(moment)
        return f"{getattr(moment, _CLOCK[match[1]], 0):02d}"

    return _DIRECTIVE.sub(directive, format)


def padded(value: object, width: int) -> str:
    """Raises Unrepresentable (TEMPLATE_OVERFLOW) for a negative number and for one with more digits."""
    number = _integer(value)
    if number < 0:
        raise Unrepresentable(RejectReason.TEMPLATE_OVERFLOW, "a negative number cannot be padded")
    text = str(number)
    if len(text) > width:
        raise Unrepresentable(RejectReason.TEMPLATE_OVERFLOW, f"{len(text)} digits, {width} at most")
    return text.zfill(width)


def lower(text: str) -> str:
    """Lower case, one code point at a time; one whose lower case is several stays as it is."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def upper(text: str) -> str:
    """Upper case, one code point at a time; one whose upper case is several (`ß`) stays as it is."""
    return "".join(up if len(up := character.upper()) == 1 else character for character in text)


def escaped(text: str, following: str) -> str:
    """`%` and the character `following` as `%XX` of their UTF-8 bytes, so that the text cannot run into it."""
    safe = text.replace("%", "%25")
    return safe.replace(following, percent(following)) if following not in ("", "%") else safe


def percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _day(value: object | None, raw: str | None) -> date | None:
    if value is None and raw is not None:
        raise Unrepresentable(RejectReason.UNREPRESENTABLE_DATE, "infinite, or outside years 1 to 9999")
    if value is None or isinstance(value, date):
        return value
    raise TypeError("a temporal column holds a date or a datetime")


def _integer(value: object) -> int:
    if isinstance(value, int):
        return value
    raise TypeError("an integer column holds an int")
