"""What becomes of a state when nobody writes any more and nothing fails: the stores must be equal, for good."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.backfill import put, snapshot
from tests.model.capture import expansion_steps
from tests.model.ledger import compaction_steps, marked, struck_off, touched
from tests.model.relay import claimed, proceeded, read, tried
from tests.model.rules import ALL, Rules
from tests.model.source import Content, content_of, holder_of
from tests.model.state import DONE, FOREIGN, State, Stored, is_undelivered, version_of
from tests.model.target import arrived
from tests.model.verifier import ALARMS, Readings, verdict_of, view_of

ROUNDS = 12
"""More than any state here needs: a drain that is not done by then never is."""


def marked_but_not_there(state: State) -> Iterator[str]:
    for row, image in enumerate(state.tables.rows):
        if image and state.items[row] and not is_undelivered(state, row) and len(state.items) > row:
            stored, wanted = state.target[image.key], expected(state, image.key)
            if stored is None or stored.content != wanted:
                yield f"row {row} is marked delivered; key {image.key} has {stored and stored[:2]} and not {wanted}"


def misjudged(rules: Rules, state: State) -> Iterator[str]:
    """At rest a verdict is an alarm where something is wrong, and only there. A version that the ledger never gave is
    wrong whatever the content."""
    view = view_of(state)
    for key, stored in enumerate(state.target):
        verdict = verdict_of(rules, key, Readings(view, stored, view, state.control.shape))
        wanted = expected(state, key)
        wrong = stored == FOREIGN or (stored.content if stored else None) != wanted or _is_ahead(state, stored)
        if wrong != (verdict in ALARMS):
            yield f"key {key} is judged {verdict}: the source has {wanted}, the target {stored and stored[:2]}"


def _is_ahead(state: State, stored: Stored | None) -> bool:
    return stored is not None and stored.version > version_of(state, stored.owner)


def settled(rules: Rules, state: State) -> State:
    """Open transactions are rolled back, relays die, marks are expanded, a begun backfill is resumed (or a fresh one
    made where this epoch had none), everything undelivered is delivered."""
    state = _quiet(state)
    state = _backfilled(rules, _delivered(rules, state))
    return _delivered(rules, state)


def _quiet(state: State) -> State:
    return state._replace(
        transactions=tuple(DONE for _ in state.transactions),
        relays=tuple(None for _ in state.relays),
        verification=None,
        sweeping=None,
        crashes=0,
        late=0,
        upgrades=0,
        alarm="",
    )


def _delivered(rules: Rules, state: State) -> State:
    for _ in range(ROUNDS):
        state = _expanded(rules, state)
        waiting = [subject for subject in range(len(state.items)) if is_undelivered(state, subject)]
        if not waiting:
            break
        for subject in waiting:
            state = delivered(rules, state, subject)
    return state


def _expanded(rules: Rules, state: State) -> State:
    state = state._replace(half_expanded=())
    while state.marks:
        state = next(iter(expansion_steps(ALL if rules.key_at_delivery else rules, state)))[1]
    for _, folded_ in compaction_steps(rules, state._replace(log=state.log)) if state.half_folded else ():
        state = folded_
    return state


def delivered(rules: Rules, state: State, subject: int) -> State:
    """One delivery without a fault."""
    state = claimed(rules, state, subject)
    delivery = read(rules, state, subject, state.control.shape)
    while delivery.writes:
        request, rest = delivery.writes[0], delivery.writes[1:]
        outcome, state = tried(rules, state, request)
        following = proceeded(rules, delivery._replace(writes=rest), request, outcome)
        if following is None:
            return state
        delivery = following
    return marked(rules, state, delivery) if delivery.clean else struck_off(state, delivery)


def _backfilled(rules: Rules, state: State) -> State:
    backfill = state.backfill
    if backfill is None or not backfill.begun:
        if state.backfilled == state.control.epoch:
            return state
        backfill = snapshot(rules, state)
    for request in backfill.remaining:
        _, state = put(rules, state, request)
    return state._replace(backfill=None, backfilled=backfill.epoch)


def _repaired(rules: Rules, state: State) -> State:
    """Touches what is wrong. The key of an item that the source does not have comes from the target."""
    view = view_of(state)
    for key, stored in enumerate(state.target):
        verdict = verdict_of(rules, key, Readings(view, stored, view, state.control.shape))
        if verdict in ALARMS - {"foreign"}:
            state = _touched_for(rules, state, key)
    return state


def _touched_for(rules: Rules, state: State, key: int) -> State:
    """Over the version that was judged, and over the target's."""
    stored = state.target[key]
    holder = holder_of(state.tables, key)
    for row, left in ((stored.owner if stored else None, key), (holder, None)):
        if row is not None and (left is None or row != holder):
            above = max(version_of(state, row), stored.version if stored and rules.touch_above_target else 0)
            state = touched(state, row, above, left)
    return state


def expected(state: State, key: int) -> Content | None:
    holder = holder_of(state.tables, key)
    return None if holder is None else content_of(state.tables, holder, state.control.shape)


def differences(state: State, extras_allowed: bool) -> Iterator[str]:
    """A foreign item is left alone."""
    for key, stored in enumerate(state.target):
        found, wanted = (stored.content if stored else None), expected(state, key)
        if stored == FOREIGN or found == wanted or (extras_allowed and wanted is None):
            continue
        yield f"key {key}: the source has {wanted}, the target {stored and stored[:2]}"


def wrong_after_drain(rules: Rules, state: State, repairs: bool, extras_allowed: bool) -> str | None:
    """None where the stores are equal after a drain, and stay so whatever arrives late."""
    after = settled(rules, state)
    for complaint in (*marked_but_not_there(after), *misjudged(rules, after)):
        return f"drained, {complaint}"
    after = _delivered(rules, _repaired(rules, after)) if repairs else after
    for difference in differences(after, extras_allowed):
        return f"drained{' and repaired' if repairs else ''}, {difference}"
    for request in state.net:
        after = arrived(rules, after, request)
    for difference in differences(after, extras_allowed):
        return f"drained, then what was under way arrived, {difference}"
    return None
