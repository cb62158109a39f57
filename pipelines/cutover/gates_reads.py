"""Gates about reads: what applications have seen of each query, hour by hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from pipelines.cutover.evidence import Evidence, Hour, QuerySeen, Unknown
from pipelines.cutover.gate import Gate, command, judged, unknown
from pipelines.cutover.thresholds import Thresholds
from pipelines.routing.stage import Stage

COMPARED, MISMATCHES = "shadow_compared", "shadow_mismatches"


def reads_shadowed(evidence: Evidence, thresholds: Thresholds) -> Gate:
    """Every query is compared, by calls enough, for long enough, and the answers are the same. One that is answered
    by DynamoDB already is compared no more: it is judged by its answers."""

    def against(query: QuerySeen) -> Iterator[str]:
        if Stage(query.stage) is Stage.DYNAMODB:
            yield from _against_answers(query, evidence.at, thresholds)
        else:
            yield from _against_comparisons(query, evidence.at, thresholds)

    return _every_query("reads_shadowed", evidence, thresholds, against)


def reads_moved(evidence: Evidence, thresholds: Thresholds) -> Gate:
    """Every query is answered by DynamoDB, by calls enough, for long enough, in time and without errors."""

    def against(query: QuerySeen) -> Iterator[str]:
        if Stage(query.stage) is not Stage.DYNAMODB:
            yield f"is at {query.stage}"
        else:
            yield from _against_answers(query, evidence.at, thresholds)

    return _every_query("reads_moved", evidence, thresholds, against)


def _every_query(
    name: str, evidence: Evidence, thresholds: Thresholds, against: Callable[[QuerySeen], Iterator[str]]
) -> Gate:
    found = evidence.reads
    remedy = f"{command(evidence, 'route')} shows each query's figures, and sets its stage"
    if isinstance(found, Unknown):
        return unknown(name, found, remedy)
    if not found.queries:
        return Gate(
            name, False, "no query has made itself known", "build `Router` into the application (docs/routing.md)"
        )
    problems = [f"{query.name}: {', '.join(told)}" for query in found.queries if (told := [*against(query)])]
    calls = [_window(query, evidence.at, thresholds) for query in found.queries]
    compared, differ = (sum(one[what] for one in calls) for what in (COMPARED, MISMATCHES))
    return judged(
        name,
        problems,
        f"{len(found.queries):,} queries",
        remedy,
        {
            "queries": len(found.queries),
            "not_ready": len(problems),
            "least_calls": min(max(one[COMPARED], sum(_answers(one))) for one in calls),
            "compared": compared,
            "mismatches": differ,
            "calls_wanted": thresholds.calls,
            "hours_wanted": thresholds.hours,
            "mismatches_allowed": thresholds.mismatches,
        },
    )


def _against_comparisons(query: QuerySeen, at: datetime, thresholds: Thresholds) -> Iterator[str]:
    if Stage(query.stage) is Stage.RDS:
        yield f"is at {query.stage}"
        return
    seen = _window(query, at, thresholds)
    compared, differ = seen[COMPARED], seen[MISMATCHES]
    yield from _too_few(query, at, thresholds, compared, "compared", lambda hour: hour.counts[COMPARED])
    if differ > compared * thresholds.mismatches:
        yield f"{differ:,} of {compared:,} answers differ, {thresholds.mismatches:.2%} may"
    yield from _failures(seen, "candidate", thresholds)
    if query.forced:
        yield "its stage was forced without evidence"


def _against_answers(query: QuerySeen, at: datetime, thresholds: Thresholds) -> Iterator[str]:
    seen = _window(query, at, thresholds)
    asked = sum(_answers(seen))
    yield from _too_few(query, at, thresholds, asked, "answered by DynamoDB", lambda hour: sum(_answers(hour.counts)))
    yield from _failures(seen, "dynamodb", thresholds)
    if query.changed_at is None or at - query.changed_at < timedelta(hours=thresholds.hours):
        yield f"is at {query.stage} for less than {thresholds.hours} h"
    if query.forced:
        yield "its stage was forced without evidence"


def _too_few(
    query: QuerySeen,
    at: datetime,
    thresholds: Thresholds,
    calls: int,
    what: str,
    calls_of: Callable[[Hour], int],
) -> Iterator[str]:
    ends = [hour.start + timedelta(hours=1) for hour in query.hours if calls_of(hour) > 0 and hour.start <= at]
    if calls < thresholds.calls:
        yield f"{calls:,} calls {what} in {thresholds.hours} h, {thresholds.calls:,} are needed"
    if not ends or at - ends[0] < timedelta(hours=thresholds.hours):  # the first may have been in its last minute
        yield f"calls are {what} for less than {thresholds.hours} h"
    if not ends or at - ends[-1] > timedelta(hours=thresholds.quiet_hours):
        yield f"no call was {what} in the last {thresholds.quiet_hours:g} h"


def _failures(seen: Counter[str], whose: str, thresholds: Thresholds) -> Iterator[str]:
    answers, failed = _answers(seen, whose)
    if failed > (answers + failed) * thresholds.failures:
        yield f"{failed:,} of {answers + failed:,} reads of DynamoDB failed or were late, {thresholds.failures:.0%} may"


def _answers(counts: Counter[str], whose: str = "dynamodb") -> tuple[int, int]:
    """Good ones, and others."""
    return counts[f"{whose}_answers"], sum(counts[f"{whose}_{how}"] for how in ("errors", "late", "dropped"))


def _window(query: QuerySeen, at: datetime, thresholds: Thresholds) -> Counter[str]:
    """What was counted in the last `hours` hours, this one included."""
    first = (at - timedelta(hours=thresholds.hours - 1)).replace(minute=0, second=0, microsecond=0)
    seen: Counter[str] = Counter()
    for hour in query.hours:
        if first <= hour.start <= at:
            seen.update(hour.counts)
    return seen
