"""The stage: evidence, patterns and design of a database, into a folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.assess.build import build_patterns
from pipelines.assess.collect.collect import Collected, collect
from pipelines.assess.design import Design
from pipelines.assess.draft.draft import FILE as DRAFT_FILE
from pipelines.assess.estimates.measure import BUDGET_SECONDS
from pipelines.assess.evidence import Evidence
from pipelines.assess.folder import EVIDENCE, read_evidence, write_assessment, write_draft
from pipelines.assess.growth import with_growth
from pipelines.assess.judged import DRAFT, Given, Measuring, drafted, given, judge
from pipelines.assess.patterns import Patterns
from pipelines.assess.queries.query_file import read_queries
from pipelines.assess.schema import Schema
from pipelines.assess.tally import Tally, tallied
from pipelines.errors import UsageError
from pipelines.source.address import source_address
from pipelines.target.prices import Tag, published_prices, tag_of
from pipelines.warehouse.place import Place

WHOLE_SECONDS, LEAST_SECONDS = 40.0, 10.0
"""Measuring takes what the rest leaves of these, and so much at least."""


@dataclass(frozen=True)
class Assessment:
    evidence: Evidence
    patterns: Patterns
    design: Design


def assess(
    url: str,
    schemas: Sequence[str],
    out: Place,
    queries: Path | None = None,
    since: Place | None = None,
    mappings: Sequence[Path] = (),
    tag: Tag | None = None,
    *,
    sampled: bool = True,
) -> Assessment:
    """Reads the database, and `queries` instead of pg_stat_statements where given. Growth is told since the evidence
    `since`, or since that which lies in `out`. `mappings` are judged beside the draft. `tag`: prices, those
    of AWS_REGION unless given. Without `sampled` there are no estimates, and no row is read for them. Raises
    CrossoverError."""
    tag = tag or tag_of(published_prices(), None)
    started = time.monotonic()
    beside = [given(path) for path in mappings]
    earlier = _earlier(out, since)
    read = read_queries(queries, _database(url)) if queries is not None else None
    collected = collect(url, schemas, with_statements=read is None)
    evidence = collected.evidence
    if read is not None:
        evidence = evidence.model_copy(update={"statements": read.evidence})
    if earlier is not None:
        evidence = with_growth(evidence, *earlier)
    patterns = build_patterns(evidence, read.tallies if read is not None else _tallies(collected))
    seconds = max(LEAST_SECONDS, min(BUDGET_SECONDS, WHOLE_SECONDS - (time.monotonic() - started)))
    measuring = Measuring(url, tag, seconds) if sampled else None
    design = _design(evidence, patterns, out, beside, measuring)
    write_assessment(out, evidence, patterns, design)
    return Assessment(evidence, patterns, design)


def _design(
    evidence: Evidence, patterns: Patterns, out: Place, beside: Sequence[Given], measuring: Measuring | None
) -> Design:
    """The draft is a file as soon as it is made; see `write_draft`. The seconds are those of all mappings together."""
    schema = Schema(evidence)
    made = drafted(evidence, patterns, schema)
    judged, notes = [], []
    if made.mapping is not None:
        place = write_draft(out, made.text)
        if place != out / DRAFT_FILE:
            notes.append(f"{out / DRAFT_FILE} has been edited and stays as it is; this run's draft is {place}")
        judged.append(Given(DRAFT, str(place), made.text, made.mapping, made.choices, made.warnings))
    else:
        notes.append("no table has a key, so there is no draft")
        notes += [f"{one.about}: {one.text}" for one in made.warnings]
    judged += beside
    if measuring is not None:
        measuring = replace(measuring, seconds=measuring.seconds / max(len(judged), 1))
    return Design(
        source=evidence.source,
        evidence_taken_at=evidence.taken_at,
        mappings=tuple(judge(one, evidence, patterns, schema, measuring) for one in judged),
        notes=tuple(notes),
    )


def _tallies(collected: Collected) -> dict[str, Tally]:
    return tallied(collected.statements or ())


def _earlier(out: Place, since: Place | None) -> tuple[Evidence, str] | None:
    if since is not None:
        if not since.is_file():
            raise UsageError(f"{since}: there is no such file; --since takes the {EVIDENCE} of an earlier run")
        return read_evidence(since), str(since)
    place = out / EVIDENCE
    return (read_evidence(place), str(place)) if place.is_file() else None


def _database(url: str) -> str:
    """Its name, as a log tells it; empty where a secret has it."""
    return source_address(url).identity.rpartition("/")[2]
