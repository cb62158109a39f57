"""What DynamoDB's answers mean for the ledger: refusals judged, touches made, receipts for what is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.deliver.outcome import Result
from pipelines.deliver.reading import Reading, all_tables
from pipelines.deliver.writes import Wanted
from pipelines.mapping.outcome import Rejected
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.ledger.mark_delivered import Receipt
from pipelines.source.ledger.marks import open_marks
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.touch import ask_to_leave, touch
from pipelines.source.ledger.version import read_versions
from pipelines.target.conditional_write import Answered, Sent
from pipelines.target.write_verdict import Now, Verdict, asks_ledger, judge, met

_PROBLEMS = {
    Verdict.AGAIN: "the item changed while it was delivered",
    Verdict.HELD: "its key is held by another row's item, which was asked to leave",
    Verdict.RAISE_HOLDER: "a key that it left is held by another row's older item, which was asked to deliver again",
    Verdict.TAKEN_OVER: "its key has another row's tombstone",
    Verdict.CONFLICT: "conflict: what is at its key was not written by Crossover, or is newer than the ledger",
    Verdict.UNKNOWN: "no answer that can be understood",
    Verdict.NOT_SENT: "not sent",
    Verdict.IMPOSSIBLE: "DynamoDB takes no such item",
}


@dataclass(frozen=True)
class Tried:
    """One write of one item, and its answer."""

    reading: Reading
    wanted: Wanted
    answered: Answered


@dataclass(frozen=True)
class Judged:
    tried: Tried
    verdict: Verdict


def judged(session: LedgerSession, plan: MigrationPlan, item: ItemPlan, tried: Sequence[Tried]) -> list[Judged]:
    """Reads the ledger again, in one snapshot, where something was refused."""
    refused = [one for one in tried if asks_ledger(one.answered)]
    now = _now(session, plan, item, refused) if refused else {}
    return [Judged(one, _verdict(one, now.get(one.reading.source_key))) for one in tried]


def _verdict(one: Tried, now: Now | None) -> Verdict:
    return judge(one.answered, one.wanted.left.left if one.wanted.left else None, now)


def _now(session: LedgerSession, plan: MigrationPlan, item: ItemPlan, refused: Sequence[Tried]) -> dict[str, Now]:
    read = {one.reading.source_key: one.reading.version for one in refused}
    with session.snapshot(all_tables(plan)) as connection:
        versions = read_versions(connection, session.migration, item.name, list(read))
        marked = open_marks(connection, plan).get(item.name, frozenset())
    return {key: Now(versions[key], versions[key] != version or key in marked) for key, version in read.items()}


def follow_up(session: LedgerSession, item: ItemPlan, judgements: Sequence[Judged]) -> None:
    """The touches that verdicts ask for; each is a transaction of its own, and can be repeated.

    Rows that meet at one key are raised to versions of their own: at one version only one of them would get through
    with each delivery.
    """
    raised: Counter[str] = Counter()
    for one in judgements:
        found = met(one.tried.answered)
        if found is None or found.owner is None:
            continue
        wanted, source_key = one.tried.wanted, one.tried.reading.source_key
        match one.verdict:
            case Verdict.TAKEN_OVER:
                touch(session, item.name, source_key, found.version + raised[wanted.write.key])
                raised[wanted.write.key] += 1
            case Verdict.HELD | Verdict.RAISE_HOLDER:
                above = wanted.left.left if wanted.left else 0
                ask_to_leave(session, item.name, found.owner, wanted.write.key, found.version, above)


def result(reading: Reading, judgements: Sequence[Judged]) -> Result:
    """`judgements`: of this item's writes."""
    problem = next((_problem(one) for one in judgements if not one.verdict.settled), None)
    verdicts = tuple(one.verdict for one in judgements)
    return Result(reading.source_key, reading.version, verdicts, _reject(reading), problem)


def receipt(reading: Reading, judgements: Sequence[Judged], found: Result) -> Receipt:
    """An entry of `keys` is done with when its tombstone stands, or the whole delivery is settled."""
    if found.settled:
        return Receipt(reading.source_key, reading.version, reading.kept, found.rejected)
    settled = {one.tried.wanted.left for one in judgements if one.verdict.settled}
    struck = tuple(left for left in reading.kept if left in settled)
    return Receipt(reading.source_key, None, struck, found.problem, found.final)


def _problem(one: Judged) -> str:
    answered = one.tried.answered
    told = _PROBLEMS[one.verdict]
    return f"{told} ({answered.code})" if answered.code and answered.sent is not Sent.REFUSED else told


def _reject(reading: Reading) -> str | None:
    outcome = reading.outcome
    if not isinstance(outcome, Rejected):
        return None
    where = f" at {outcome.attribute}" if outcome.attribute else ""
    return f"rejected: {outcome.reason.value}{where} ({outcome.detail})"
