"""DynamoDB: the conditional write (rule 7), and what a refusal means."""

from __future__ import annotations

from enum import Enum

from tests.model.rules import Rules
from tests.model.state import FOREIGN, Request, State, Stored, is_marked, version_of, with_stored


class Outcome(Enum):
    """Of a write. The first four leave nothing to be done for this key."""

    WRITTEN = "written"
    DONE = "done already"
    SUPERSEDED = "superseded"
    NOT_OURS = "the key is another row's by now"
    AGAIN = "equal version, other content: read again"
    HELD = "held by another row's live item: waits"
    TAKEN_OVER = "another row's tombstone: own version raised over it"
    RAISE_HOLDER = "the holder's version raised over it"
    CONFLICT = "conflict"

    @property
    def settled(self) -> bool:
        return self in _SETTLED


_SETTLED = frozenset({Outcome.WRITTEN, Outcome.DONE, Outcome.SUPERSEDED, Outcome.NOT_OURS})


def accepts(rules: Rules, stored: Stored | None, request: Request) -> bool:
    """`attribute_not_exists(<partition key>) OR (#v < :v AND (#s = :s OR attribute_exists(#deleted)))`."""
    if stored is None or not rules.newer_wins:
        return True
    if stored == FOREIGN:
        return not rules.condition_names_partition_key
    if stored.owner != request.owner:
        if stored.content is None and not rules.takeover_raises:
            return True
        if stored.content is not None and rules.wait_for_tombstone:
            return False
    return stored.version < request.version


def written(rules: Rules, state: State, request: Request) -> State:
    """The state after an accepted write."""
    needless = state.target[request.key] is None and not rules.tombstone_where_absent
    if request.content is None and (needless or not rules.tombstone):
        return with_stored(state, request.key, None)
    return with_stored(state, request.key, Stored(request.version, request.content, request.owner))


def arrived(rules: Rules, state: State, request: Request) -> State:
    """Whatever the answer was, nobody hears it."""
    return written(rules, state, request) if accepts(rules, state.target[request.key], request) else state


def refused(rules: Rules, state: State, request: Request) -> Outcome:
    """Judged by the old item, which the refusal returns, and by the ledger, read again."""
    stored = state.target[request.key]
    assert stored is not None
    if not rules.refusals_judged:
        return Outcome.DONE
    if stored == FOREIGN:
        return Outcome.CONFLICT
    if stored.owner != request.owner:
        return _refused_by_another(rules, stored, request)
    return _refused_by_itself(rules, state, stored, request)


def _refused_by_another(rules: Rules, stored: Stored, request: Request) -> Outcome:
    if stored.content is None and (request.content is not None or rules.tombstone_over_tombstone):
        return Outcome.TAKEN_OVER
    if request.content is not None:
        return Outcome.HELD
    if stored.content is None or stored.version >= request.left or not rules.holder_raised:
        return Outcome.NOT_OURS
    return Outcome.RAISE_HOLDER


def _refused_by_itself(rules: Rules, state: State, stored: Stored, request: Request) -> Outcome:
    subject = request.owner if rules.key_at_delivery else request.key
    current = version_of(state, subject)
    if stored.version > current and rules.above_the_ledger_is_conflict:
        return Outcome.CONFLICT
    if stored.version > request.version:
        return Outcome.SUPERSEDED
    if stored.content == request.content:
        return Outcome.DONE
    moved = current > request.version or is_marked(state, request.owner)
    return Outcome.AGAIN if moved and rules.equal_version_judged_again else Outcome.CONFLICT
