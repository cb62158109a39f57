"""Sweep (rule 10): takes tombstones away once nothing can put an older item there any more."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.rules import Rules
from tests.model.state import State, Stored, with_stored

Step = tuple[str, State]


def sweep_steps(rules: Rules, state: State) -> Iterator[Step]:
    if state.sweeping is not None:
        key, version = state.sweeping
        yield f"sweep: delete of key {key} if it is the tombstone of version {version}", _swept(rules, state)
        return
    for key, stored in enumerate(state.target):
        if stored is not None and stored.content is None and _is_safe(rules, state, key, stored):
            control = state.control._replace(sweeps=state.control.sweeps + 1)
            chosen = state._replace(sweeping=(key, stored.version), control=control)
            yield f"sweep: registered, chooses the tombstone of key {key}", chosen


def _is_safe(rules: Rules, state: State, key: int, stored: Stored) -> bool:
    """Registered and compared under the control row's lock, as a backfill's beginning is. `sweep_waits` stands for the
    longest lease and an hour: nobody holds an older request, and none is under way."""
    item = state.items[stored.owner]
    if rules.sweep_delivered and (item is None or item.delivered < stored.version):
        return False
    if rules.sweep_no_open_backfill and state.backfill is not None and state.backfill.begun:
        return False
    return not rules.sweep_waits or not _is_under_way(rules, state, key)


def _is_under_way(rules: Rules, state: State, key: int) -> bool:
    held = any(request.key == key for relay in state.relays if relay and rules.deadline for request in relay.writes)
    return held or any(request.key == key for request in state.net)


def _swept(rules: Rules, state: State) -> State:
    assert state.sweeping is not None
    key, version = state.sweeping
    stored = state.target[key]
    done = state._replace(sweeping=None)
    if stored is None or (rules.sweep_exact and (stored.content is not None or stored.version != version)):
        return done
    return with_stored(done, key, None)


def time_steps(state: State) -> Iterator[Step]:
    """A request that never arrived."""
    for at, request in enumerate(state.net):
        lost = (*state.net[:at], *state.net[at + 1 :])
        yield f"the request under way to key {request.key} is lost", state._replace(net=lost)
