"""Differences that applications have written down, one row of the control table each: where, and of which kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.errors import TargetError
from pipelines.routing.compare import Difference
from pipelines.routing.hours import hours_back

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.target.control_table import ControlTable

HOURS = 3
MOST = 3
"""That are told of a query."""


@dataclass(frozen=True)
class Sample:
    """`at`: with its time zone, to the second."""

    at: datetime
    differences: tuple[Difference, ...]

    @classmethod
    def of(cls, document: object) -> Sample:
        """Raises ValueError where it is none."""
        if not isinstance(document, dict) or not isinstance(found := document.get("differences"), list):
            raise ValueError("no sample")
        try:
            told = tuple(Difference(str(one["path"]), str(one["kind"])) for one in found)
        except (KeyError, TypeError):
            raise ValueError("no difference") from None
        return cls(datetime.fromisoformat(str(document.get("at"))), told)

    def document(self) -> dict[str, JsonValue]:
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "differences": [{"path": one.path, "kind": one.kind} for one in self.differences],
        }


def read_samples(table: ControlTable, query: str, now: datetime) -> tuple[Sample, ...]:
    """The first MOST of the last HOURS hours that are not alike. Raises TargetError."""
    try:
        found = [Sample.of(row.document) for row in table.query(f"query#{query}", *hours_back("sample", now, HOURS))]
    except ValueError:
        raise TargetError(f"table {table.name}: a sample of query {query} is none of Crossover's") from None
    return _unlike(sorted(found, key=lambda one: one.at))


def _unlike(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    first: dict[tuple[Difference, ...], Sample] = {}
    for one in samples:
        first.setdefault(one.differences, one)
    return tuple(first.values())[:MOST]
