"""Mappings judged on a database: the draft, and those that somebody has written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.assess.answers.answer import READS, answers
from pipelines.assess.design import Answer, Choice, DesignWarning, Judged, WarningKind
from pipelines.assess.draft.draft import Draft, draft
from pipelines.assess.estimates.estimate import estimate
from pipelines.assess.estimates.measure import measure
from pipelines.assess.estimates.warnings import size_warnings
from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import PatternClass, Patterns
from pipelines.assess.schema import Schema
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import load_mapping
from pipelines.mapping.model import Mapping
from pipelines.mapping.target_model import MIGRATION_NAME
from pipelines.target.prices import Tag

DRAFT = "draft"

_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Given:
    """A mapping to be judged. `file`: where it stands."""

    name: str
    file: str
    text: str
    mapping: Mapping
    choices: tuple[Choice, ...] = ()
    warnings: tuple[DesignWarning, ...] = ()


def given(path: Path) -> Given:
    """Raises MappingError."""
    mapping = load_mapping(path)
    return Given(path.name, str(path), path.read_text(encoding="utf-8-sig"), mapping)


def drafted(evidence: Evidence, patterns: Patterns, schema: Schema) -> Draft:
    return draft(evidence, patterns, schema, _migration(evidence))


@dataclass(frozen=True)
class Measuring:
    """What estimates take: the database, prices, and the seconds that measuring one mapping may take."""

    url: str
    tag: Tag
    seconds: float


def judge(
    one: Given, evidence: Evidence, patterns: Patterns, schema: Schema, measuring: Measuring | None = None
) -> Judged:
    """Without estimates unless `measuring` is given. Raises MappingError where the mapping does not fit the database,
    SourceError where that cannot be read."""
    plan = compile_mapping(one.mapping, evidence.catalog)
    found = answers(one.mapping, schema, patterns.patterns)
    warnings = (*one.warnings, *_unserved(found, patterns))
    estimates = None
    if measuring is not None:
        measured = measure(measuring.url, one.mapping, plan, schema, seconds=measuring.seconds)
        estimates = estimate(measured, schema, patterns, found, measuring.tag)
        warnings += size_warnings(measured, schema, patterns, found)
    return Judged(
        name=one.name,
        file=one.file,
        mapping_hash=one.mapping.meaning_hash(),
        mapping=one.text,
        choices=one.choices,
        answers=found,
        warnings=warnings,
        estimates=estimates,
    )


def _unserved(found: Sequence[Answer], patterns: Patterns) -> Iterator[DesignWarning]:
    """Reads that DynamoDB could answer, by this mapping or by another."""
    by_id = {one.id: one for one in patterns.patterns}
    for answer in found:
        pattern = by_id[answer.pattern]
        can_be = pattern.pattern in READS | {PatternClass.NEEDS_DENORMALISATION, PatternClass.WRITE}
        if not answer.is_served and can_be:
            yield DesignWarning(
                kind=WarningKind.UNSERVED,
                about=pattern.table or "",
                text=f"{pattern.id}: {answer.reason}",
                evidence={"calls": pattern.load.calls},
            )


def _migration(evidence: Evidence) -> str:
    """The database's name, as far as a migration can be called so."""
    name = _NO_NAME.sub("_", evidence.source.rpartition("/")[2]).strip("_-")[:60]
    return name if MIGRATION_NAME.fullmatch(name) else "draft"
