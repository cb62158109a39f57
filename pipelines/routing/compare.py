"""How two answers differ: places and kinds, never values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from itertools import islice

MOST = 20
"""Differences that are told of two answers."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_NUMBERS = (int, float, Decimal)


@dataclasses.dataclass(frozen=True)
class Difference:
    """`path`: `lines[].price`, `` at the top; a map's key that may be a value is `*`. `kind`: `missing` (RDS alone has
    it), `extra`, `length`, `type`, `value`, `differs` (a comparison of the application's own), `error`."""

    path: str
    kind: str


def differences(rds: object, dynamodb: object, ignore: Iterable[str] = ()) -> tuple[Difference, ...]:
    """No more than MOST. `ignore`: paths as above, with all that is below them."""
    ignored = tuple(ignore)
    found = (one for one in _walk("", rds, dynamodb) if not _is_below(one.path, ignored))
    return tuple(islice(found, MOST))


Compare = Callable[[object, object], bool]
"""Whether two answers are the same."""


def _walk(path: str, rds: object, dynamodb: object) -> Iterator[Difference]:
    rds, dynamodb = _plain(rds), _plain(dynamodb)
    if isinstance(rds, Mapping) and isinstance(dynamodb, Mapping):
        for key in [*rds, *(key for key in dynamodb if key not in rds)]:
            below = f"{path}.{_shown(key)}" if path else _shown(key)
            if key not in dynamodb:
                yield Difference(below, "missing")
            elif key not in rds:
                yield Difference(below, "extra")
            else:
                yield from _walk(below, rds[key], dynamodb[key])
    elif _is_list(rds) and _is_list(dynamodb):
        assert isinstance(rds, Sequence) and isinstance(dynamodb, Sequence)
        if len(rds) != len(dynamodb):
            yield Difference(f"{path}[]", "length")
            return
        for one, other in zip(rds, dynamodb, strict=True):
            yield from _walk(f"{path}[]", one, other)
    elif not _same_kind(rds, dynamodb):
        yield Difference(path, "type")
    elif rds != dynamodb and not (rds != rds and dynamodb != dynamodb):  # NaN
        yield Difference(path, "value")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _same_kind(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    for kind in (_NUMBERS, (str,), (bytes, bytearray), (Set,)):
        if isinstance(one, kind) or isinstance(other, kind):
            return isinstance(one, kind) and isinstance(other, kind)
    return type(one) is type(other)


def _shown(key: object) -> str:
    return key if isinstance(key, str) and _NAME.fullmatch(key) else "*"


def _is_below(path: str, ignored: tuple[str, ...]) -> bool:
    return any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in ignored)
