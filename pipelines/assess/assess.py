"""The stage: evidence and patterns of a database, into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.assess.build import build_patterns
from pipelines.assess.collect.collect import Collected, collect
from pipelines.assess.evidence import Evidence
from pipelines.assess.folder import EVIDENCE, read_evidence, write_assessment
from pipelines.assess.growth import with_growth
from pipelines.assess.patterns import Patterns
from pipelines.assess.queries.query_file import read_queries
from pipelines.assess.tally import Tally, tallied
from pipelines.errors import UsageError
from pipelines.source.address import source_address
from pipelines.warehouse.place import Place


@dataclass(frozen=True)
class Assessment:
    evidence: Evidence
    patterns: Patterns


def assess(
    url: str, schemas: Sequence[str], out: Place, queries: Path | None = None, since: Place | None = None
) -> Assessment:
    """Reads the database, and `queries` instead of pg_stat_statements where given. Growth is told since the evidence
    `since`, or since that which lies in `out`. Raises CrossoverError."""
    earlier = _earlier(out, since)
    given = read_queries(queries, _database(url)) if queries is not None else None
    collected = collect(url, schemas, with_statements=given is None)
    evidence = collected.evidence
    if given is not None:
        evidence = evidence.model_copy(update={"statements": given.evidence})
    if earlier is not None:
        evidence = with_growth(evidence, *earlier)
    patterns = build_patterns(evidence, given.tallies if given is not None else _tallies(collected))
    write_assessment(out, evidence, patterns)
    return Assessment(evidence, patterns)


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
