"""What is asked of each table: reads, and writes that find rows first, with their weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipelines.assess.answers.answer import READS, reads_of
from pipelines.assess.answers.matching import Asked
from pipelines.assess.patterns import Branch, Join, Pattern, PatternClass, Write


@dataclass(frozen=True)
class Want:
    """`weight`: calls in the time that was observed; `top`: only the first rows are asked for (LIMIT)."""

    asked: Asked
    weight: float
    top: bool = False

    @property
    def needs_order(self) -> bool:
        """A range, or the first rows in an order: what the reader cannot make of all rows by itself."""
        return self.asked.sort is not None and (self.asked.ranged or self.top)


@dataclass(frozen=True)
class Held:
    """Rows that reads want in the item of `anchor`; `columns`: of the last table, None for all."""

    anchor: str
    joins: tuple[Join, ...]
    columns: frozenset[str] | None
    weight: float
    form: str
    rows: float | None
    rows_most: float | None


@dataclass(frozen=True)
class Load:
    """By table: `wants`, the heaviest first, `held`, the nearest first, and `writes`, each with its calls. `follows`:
    joins by which a write finds its rows, each with its calls."""

    wants: dict[str, list[Want]]
    held: dict[str, list[Held]]
    writes: dict[str, list[tuple[Write, int]]]
    follows: list[tuple[Join, int]]


def load_of(patterns: Iterable[Pattern]) -> Load:
    wants: dict[str, dict[tuple[Asked, bool], Want]] = defaultdict(dict)
    held: dict[str, dict[tuple[Join, ...], Held]] = defaultdict(dict)
    writes: dict[str, list[tuple[Write, int]]] = defaultdict(list)
    follows: list[tuple[Join, int]] = []
    for pattern in patterns:
        for write in pattern.writes:
            writes[write.table].append((write, pattern.load.calls))
        for branch in reads_of(pattern):
            if branch.pattern not in READS or branch.sparse:
                continue
            _add_want(wants[branch.table], branch, pattern)
            if pattern.pattern is PatternClass.WRITE:
                follows += [(join, pattern.load.calls) for embed in branch.embeds for join in embed.joins[-1:]]
            else:
                _add_held(held[branch.table], branch, pattern.load.calls)
    return Load(
        {table: sorted(found.values(), key=lambda want: -want.weight) for table, found in wants.items()},
        {table: sorted(found.values(), key=lambda one: len(one.joins)) for table, found in held.items()},
        writes,
        follows,
    )


def _add_want(found: dict[tuple[Asked, bool], Want], branch: Branch, pattern: Pattern) -> None:
    asked, top = Asked.of(branch), pattern.limit
    before = found.get((asked, top), Want(asked, 0.0, top))
    found[asked, top] = replace(before, weight=before.weight + pattern.load.calls)


def _add_held(found: dict[tuple[Join, ...], Held], branch: Branch, calls: int) -> None:
    for embed in branch.embeds:
        columns = None if embed.columns is None else frozenset(embed.columns)
        before = found.get(embed.joins)
        if before is not None:
            columns = None if before.columns is None or columns is None else before.columns | columns
        worst = "items" if "items" in (embed.form, before.form if before is not None else "") else embed.form
        weight = calls + (before.weight if before is not None else 0.0)
        found[embed.joins] = Held(branch.table, embed.joins, columns, weight, worst, embed.rows, embed.rows_most)
