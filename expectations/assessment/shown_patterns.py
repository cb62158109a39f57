"""Access patterns with the answers of each mapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expectations.assessment.words import ALTERNATIVES, BY_KEY, READS
from pipelines.assess.design import Answer, Judged, Operation, PatternEstimate, Read
from pipelines.assess.patterns import Pattern, PatternClass, Patterns

MOST = 300
"""Patterns that the page shows, the heaviest; patterns.json has all."""


@dataclass(frozen=True)
class Condition:
    """`ORDERS#{order_id:mod8}` is what `gsi1pk` equals, begins with, or lies within a range of."""

    attribute: str
    operator: str
    template: str


@dataclass(frozen=True)
class ShownAnswer:
    """That of one mapping, or of all that answer alike. `mappings`: their names, none where there is one mapping."""

    mappings: tuple[str, ...]
    answer: Answer | None
    units: PatternEstimate | None

    @property
    def is_served(self) -> bool:
        return self.answer is not None and self.answer.is_served


@dataclass(frozen=True)
class ShownPattern:
    """`weight`: its share of the time, else of the calls, 0 to 1; `todo`: what to do where no key answers it."""

    pattern: Pattern
    weight: float
    answers: tuple[ShownAnswer, ...]
    todo: str

    @property
    def is_read(self) -> bool:
        return self.pattern.pattern in READS

    @property
    def is_served(self) -> bool:
        """By every mapping; where there is none, by a key as the class says."""
        if not self.answers:
            return self.pattern.pattern in BY_KEY
        return all(one.is_served for one in self.answers)

    @property
    def differs(self) -> bool:
        return len(self.answers) > 1


@dataclass(frozen=True)
class Served:
    """Reads, and their share of the reads' load, 0 to 1; None where there is no load."""

    reads: int
    served: int
    load: float | None


def weight_of(pattern: Pattern) -> float:
    load = pattern.load
    return load.share_of_calls if load.share_of_time is None else load.share_of_time


def shown_patterns(patterns: Patterns, mappings: Sequence[Judged]) -> tuple[ShownPattern, ...]:
    """All of them, in the order of the load."""
    answers = [{one.pattern: one for one in judged.answers} for judged in mappings]
    units = [
        {one.pattern: one for one in judged.estimates.patterns} if judged.estimates is not None else {}
        for judged in mappings
    ]
    names = [judged.name for judged in mappings]
    shown = []
    for pattern in patterns.patterns:
        each = [
            ShownAnswer((name,), answer.get(pattern.id), unit.get(pattern.id))
            for name, answer, unit in zip(names, answers, units, strict=True)
        ]
        shown.append(ShownPattern(pattern, weight_of(pattern), _alike(each), _todo(pattern)))
    return tuple(shown)


def served(patterns: Patterns, judged: Judged | None) -> Served:
    """By a mapping or, without one, by a key as the classes say."""
    reads = [one for one in patterns.patterns if one.pattern in READS]
    answered = {one.pattern for one in judged.answers if one.is_served} if judged is not None else set()
    good = [one for one in reads if (one.id in answered if judged is not None else one.pattern in BY_KEY)]
    load = sum(map(weight_of, reads))
    return Served(len(reads), len(good), sum(map(weight_of, good)) / load if load else None)


def conditions(read: Read) -> tuple[Condition, ...]:
    found = [Condition(read.partition_key, "=", read.partition)]
    if read.sort_key is None:
        return tuple(found)
    if read.range_on is not None:
        found.append(Condition(read.sort_key, f"in a range of {read.range_on}", read.sort or ""))
    elif read.sort_prefix:
        found.append(Condition(read.sort_key, "begins with", read.sort_prefix))
    elif read.sort is not None and read.operation is not Operation.QUERY:
        found.append(Condition(read.sort_key, "=", read.sort))
    return tuple(found)


def _alike(answers: list[ShownAnswer]) -> tuple[ShownAnswer, ...]:
    """Those that make the same requests and leave the same to the reader become one."""
    if len(answers) == 1:
        return (ShownAnswer((), answers[0].answer, answers[0].units),)
    groups: dict[str, list[ShownAnswer]] = {}
    for one in answers:
        groups.setdefault(_requests(one), []).append(one)
    if len(groups) == 1:
        return (ShownAnswer((), answers[0].answer, answers[0].units),)
    return tuple(
        ShownAnswer(tuple(name for one in group for name in one.mappings), group[0].answer, group[0].units)
        for group in groups.values()
    )


def _requests(one: ShownAnswer) -> str:
    if one.answer is None or not one.answer.is_served:
        return ""
    return one.answer.model_dump_json(include={"is_served", "reads", "left"})


def _todo(pattern: Pattern) -> str:
    if pattern.alternative is not None:
        return ALTERNATIVES[pattern.alternative]
    match pattern.pattern:
        case PatternClass.NEEDS_GSI:
            return f"add an index by {', '.join(pattern.keys)}" if pattern.keys else "add an index"
        case PatternClass.NEEDS_DENORMALISATION:
            return "copy what is joined into the item, or read twice"
        case _:
            return ""
