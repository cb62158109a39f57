"""Plain Python values of the kinds that boto3's TypeSerializer takes, from what PostgreSQL gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final

WIDE: Final = Context(prec=400, Emax=10_000, Emin=-10_000)


class Absent:
    """No attribute at all; None is DynamoDB's NULL."""


ABSENT: Final = Absent()


def number(value: Any) -> Decimal:
    """Every digit that counts; trailing zeros would be too many digits for boto3."""
    return WIDE.create_decimal(value).normalize(WIDE)


def digits(value: Decimal) -> str:
    """`1.50` → `1.5`, `1E+2` → `100`, `-0` → `0`."""
    text = f"{value.normalize(WIDE):f}"
    return "0" if text == "-0" else text


def if_any(value: Any, make: Callable[[Any], Any]) -> Any:
    """What `make` gives, or nothing for NULL."""
    return ABSENT if value is None else make(value)


def itself(value: Any) -> Any:
    return value


def day(value: date) -> str:
    return value.isoformat()


def moment(value: datetime) -> str:
    """A timestamptz, `2026-11-24T08:55:13.123456Z`."""
    return f"{local_moment(value.astimezone(UTC).replace(tzinfo=None))}Z"


def local_moment(value: datetime) -> str:
    return value.isoformat(sep="T", timespec="microseconds")


def epoch(value: datetime, unit: timedelta) -> Decimal:
    """Whole units since 1970, rounded down; a moment without zone counts as UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return Decimal((aware - datetime(1970, 1, 1, tzinfo=UTC)) // unit)


def seconds(value: datetime) -> Decimal:
    return epoch(value, timedelta(seconds=1))


def millis(value: datetime) -> Decimal:
    return epoch(value, timedelta(milliseconds=1))


def json_document(text: str) -> Any:
    return json.loads(text, parse_int=number, parse_float=number)


def nonempty_set(members: Iterable[Any]) -> Any:
    return set(members) or ABSENT


def numbers(values: Iterable[Any]) -> list[Any]:
    return [None if value is None else number(value) for value in values]


def folded(text: str, change: Callable[[str], str]) -> str:
    """Case changed letter by letter, where one letter becomes one letter; others stay."""
    return "".join(changed if len(changed := change(letter)) == 1 else letter for letter in text)


def escaped(text: str, separator: str) -> str:
    return "".join(f"%{ord(letter):02X}" if letter in f"%{separator}" else letter for letter in text)
