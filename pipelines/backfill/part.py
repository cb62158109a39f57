"""A part of a backfill: a share of the bucket space, which a call can write alone.

A part is no run of its own: it writes its buckets of the run that the whole is, so that every part's call finds what
was written before, whichever came first, and the run is finished with the last of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.errors import UsageError

_NAME = re.compile(r"([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})")


@dataclass(frozen=True)
class Part:
    """The `number`-th, from 1, of so many shares of nearly the same size, whatever the number of buckets is."""

    number: int
    of: int

    @classmethod
    def parse(cls, name: str) -> Part:
        """`3-of-8`. Raises UsageError."""
        found = _NAME.fullmatch(name)
        if found is None or int(found[1]) > int(found[2]):
            raise UsageError(f"part {name}: no such part; name one as 3-of-8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    def buckets(self, count: int) -> range:
        """Of so many; none where there are fewer buckets than parts."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)


def all_parts(of: int) -> list[Part]:
    return [Part(number, of) for number in range(1, of + 1)]


def buckets_of(parts: Iterable[Part], selected: Iterable[int], count: int) -> list[int]:
    """Those of the selected buckets that are in one of the parts; all where there are no parts."""
    shares = [part.buckets(count) for part in parts]
    return [bucket for bucket in selected if not shares or any(bucket in share for share in shares)]
