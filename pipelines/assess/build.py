"""Evidence and statements to patterns: a pure function."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.assess.classify.statement import classify
from pipelines.assess.classify.verdict import Verdict
from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import Load, Pattern, PatternClass, Patterns
from pipelines.assess.schema import Schema
from pipelines.assess.tally import Tally, outcomes

_ID_DIGITS = 12


@dataclass
class _Shape:
    text: str | None
    verdict: Verdict
    tally: Tally


@dataclass(frozen=True)
class _Totals:
    calls: int
    milliseconds: float
    window_seconds: float | None


def build_patterns(evidence: Evidence, tallies: dict[str, Tally]) -> Patterns:
    """Every statement ends in one pattern."""
    shapes = _shapes(Schema(evidence), tallies)
    totals = _Totals(
        calls=sum(one.tally.calls for one in shapes.values()),
        milliseconds=sum(one.tally.milliseconds or 0.0 for one in shapes.values()),
        window_seconds=evidence.statements.window_seconds,
    )
    patterns = [_pattern(key, one, totals) for key, one in shapes.items()]
    patterns.sort(key=lambda one: (-(one.load.share_of_time or 0.0), -one.load.share_of_calls, one.id))
    return Patterns(
        source=evidence.source,
        evidence_taken_at=evidence.taken_at,
        window_seconds=totals.window_seconds,
        statements=sum(one.tally.statements for one in shapes.values()),
        classes=_classes(shapes.values()),
        patterns=tuple(patterns),
    )


def _shapes(schema: Schema, tallies: dict[str, Tally]) -> dict[str, _Shape]:
    """Per shape's text; what has none stands for itself, by its fingerprint."""
    found: dict[str, _Shape] = {}
    for fingerprint, tally, outcome in outcomes(tallies):
        classified = classify(schema, outcome)
        key = classified.text if classified.text is not None else fingerprint
        shape = found.setdefault(key, _Shape(classified.text, classified.verdict, Tally(tally.sql)))
        shape.tally.add(tally)
    return found


def _classes(shapes: Iterable[_Shape]) -> dict[PatternClass, int]:
    found = dict.fromkeys(PatternClass, 0)
    for shape in shapes:
        found[shape.verdict.pattern] += shape.tally.statements
    return found


def _pattern(key: str, shape: _Shape, totals: _Totals) -> Pattern:
    return Pattern(
        id=hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS],
        text=shape.text,
        **vars(shape.verdict),  # its fields are those of a pattern
        load=_load(shape.tally, totals),
        positions=tuple(shape.tally.positions),
    )


def _load(tally: Tally, totals: _Totals) -> Load:
    window, spent = totals.window_seconds, tally.milliseconds
    return Load(
        calls=tally.calls,
        calls_per_second=tally.calls / window if window else None,
        share_of_calls=tally.calls / totals.calls if totals.calls else 0.0,
        milliseconds=spent,
        share_of_time=spent / totals.milliseconds if spent is not None and totals.milliseconds else None,
        rows=tally.rows,
        rows_per_call=tally.rows / tally.calls if tally.rows is not None and tally.calls else None,
    )
