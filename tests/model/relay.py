"""Delivery (rules 6 to 9): claim, read in one snapshot, write conditionally, mark what was read.

Claim and read are one step: a claim commutes with whatever others do before the read. A lease holds as long as there is
something to write; with `deadline` out it does not, as with a relay that slept through its end and writes all the same.
A crash frees the lease at once: it would only make others wait.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.ledger import asked_to_leave, folded, marked, merged, struck_off, touched
from tests.model.rules import Rules
from tests.model.source import content_of, holder_of
from tests.model.state import (
    Delivery,
    Item,
    LeftKey,
    Log,
    Request,
    State,
    is_undelivered,
    version_of,
    with_log,
    with_relay,
)
from tests.model.target import Outcome, accepts, arrived, refused, written

Step = tuple[str, State]


def relay_steps(rules: Rules, state: State) -> Iterator[Step]:
    for relay, delivery in enumerate(state.relays):
        if delivery is None:
            if _may_claim(rules, state, relay):
                yield from _claims(rules, state, relay)
            continue
        if state.crashes:
            crashed = with_relay(state, relay, None)._replace(crashes=state.crashes - 1)
            yield f"relay {relay} crashed", crashed
        yield from _goes_on(rules, state, relay, delivery)


def _may_claim(rules: Rules, state: State, relay: int) -> bool:
    """Not before capture is on. Relays are alike, so an idle one is worth looking at only if those before it are busy;
    but not while a mapping upgrade makes the first one the old one."""
    if rules.deliver_after_capture and not state.control.capture:
        return False
    return relay == 0 or state.relays[relay - 1] is not None or state.upgrades > 0 or state.control.shape > 0


def _goes_on(rules: Rules, state: State, relay: int, delivery: Delivery) -> Iterator[Step]:
    name = f"relay {relay}"
    if delivery.half:
        yield f"{name}: read version {version_of(state, delivery.row)}", _second_half(rules, state, relay, delivery)
    elif delivery.writes:
        yield from _writes(rules, state, relay, delivery)
    elif delivery.clean:
        after = with_relay(marked(rules, state, delivery), relay, None)
        yield f"{name}: row {delivery.row} marked delivered at {delivery.version}", after
    else:
        after = struck_off(state, delivery) if rules.left_keys_struck_off else state
        yield f"{name}: gave row {delivery.row} back, undelivered", with_relay(after, relay, None)


def _claims(rules: Rules, state: State, relay: int) -> Iterator[Step]:
    for subject in range(len(state.items)):
        if not is_undelivered(state, subject) or (rules.deadline and _leased(state, subject)):
            continue
        shape = state.control.shape if relay else 0
        if state.control.shape != shape and rules.mapping_compared:
            continue
        delivery = read(rules, state, subject, shape)
        if not rules.one_snapshot:
            delivery = delivery._replace(half=True, version=0)
            yield f"relay {relay}: read row {subject} as {_shown(delivery)}", with_relay(state, relay, delivery)
            continue
        known = claimed(rules, state, subject)
        delivery = read(rules, known, subject, shape)
        label = f"relay {relay}: read row {subject} at version {delivery.version}, to write {_shown(delivery)}"
        yield label, with_relay(_registered(rules, known, subject), relay, delivery)


def claimed(rules: Rules, state: State, subject: int) -> State:
    """The claim makes the `item` row where there is none, and folds the log rows that it sees."""
    log = state.log[subject] if rules.claim_folds else Log()
    emptied = with_log(state, subject, Log()) if rules.claim_folds else state
    return folded(emptied, subject, log)


def _registered(rules: Rules, state: State, subject: int) -> State:
    """With rule 1b out, keys are known only from what a relay was about to put: it writes them down before."""
    image = state.tables.rows[subject] if rules.key_at_delivery else None
    item = state.items[subject]
    if rules.old_keys_in_log or image is None or item is None:
        return state
    items = tuple(
        item._replace(keys=merged(item.keys, [LeftKey(image.key, 0)])) if at == subject else other
        for at, other in enumerate(state.items)
    )
    return state._replace(items=items)


def _leased(state: State, subject: int) -> bool:
    return any(other is not None and other.row == subject and other.writes for other in state.relays)


def _shown(delivery: Delivery) -> str:
    return ", ".join(shown(request) for request in delivery.writes) or "nothing"


def shown(request: Request) -> str:
    what = "a tombstone" if request.content is None else f"{request.content}"
    return f"{what} at key {request.key}"


def read(rules: Rules, state: State, subject: int, shape: int) -> Delivery:
    """The item, the version, the keys that the row left, in one snapshot."""
    item = state.items[subject] or Item()
    version = version_of(state, subject)
    if not rules.key_at_delivery:
        holder = holder_of(state.tables, subject)
        content = None if holder is None else content_of(state.tables, holder, shape)
        writes = (Request(subject, version, content, -1),)
        return Delivery(subject, state.control.epoch, version, frozenset(), writes)
    image = state.tables.rows[subject]
    in_log = [LeftKey(key, version) for key in state.log[subject].old_keys]
    left = merged(item.keys, in_log) if rules.old_keys_tombstoned else frozenset()
    tombstones = [
        Request(key, version, None, subject, since if rules.left_at_fixed_version else version)
        for key, since in sorted(left)
        if image is None or key != image.key
    ]
    puts = [Request(image.key, version, content_of(state.tables, subject, shape), subject)] if image else []
    return Delivery(subject, state.control.epoch, version, left, (*puts, *tombstones))


def _second_half(rules: Rules, state: State, relay: int, delivery: Delivery) -> State:
    version = version_of(state, delivery.row)
    writes = tuple(request._replace(version=version) for request in delivery.writes)
    return with_relay(state, relay, delivery._replace(version=version, writes=writes, half=False))


def _writes(rules: Rules, state: State, relay: int, delivery: Delivery) -> Iterator[Step]:
    request, after = delivery.writes[0], delivery._replace(writes=delivery.writes[1:])
    what = f"relay {relay}: {shown(request)}, version {request.version}"
    outcome, done = tried(rules, state, request)
    yield f"{what}: {outcome.value}", with_relay(done, relay, proceeded(rules, after, request, outcome))
    if state.late:
        spent = state._replace(late=state.late - 1, net=tuple(sorted((*state.net, request), key=repr)))
        yield f"{what}: no answer, under way still", with_relay(spent, relay, _unanswered(rules, after))
        twice = done._replace(late=spent.late, net=spent.net)
        label = f"{what}: {outcome.value}; the client had sent it twice, one is under way still"
        yield label, with_relay(twice, relay, proceeded(rules, after, request, outcome))


def _unanswered(rules: Rules, after: Delivery) -> Delivery | None:
    return None if rules.timeout_is_unknown else after


def tried(rules: Rules, state: State, request: Request) -> tuple[Outcome, State]:
    """One conditional write and what follows from its refusal."""
    stored = state.target[request.key]
    if accepts(rules, stored, request):
        return Outcome.WRITTEN, written(rules, state, request)
    assert stored is not None
    outcome = refused(rules, state, request)
    if outcome is Outcome.TAKEN_OVER:
        return outcome, touched(state, request.owner, stored.version)
    if outcome is Outcome.RAISE_HOLDER or (outcome is Outcome.HELD and rules.holder_asked):
        return outcome, asked_to_leave(state, request.key, stored, request.left)
    if outcome is Outcome.CONFLICT:
        return outcome, state._replace(alarm=f"conflict at key {request.key}")
    return outcome, state


def proceeded(rules: Rules, after: Delivery, request: Request, outcome: Outcome) -> Delivery | None:
    """The tombstones of left keys are written even where the put has to wait: else two rows that swap keys would wait
    for each other."""
    if outcome.settled:
        return after
    left = frozenset(left for left in after.left if left.key != request.key)
    return after._replace(clean=False, left=left) if rules.tombstones_despite_waiting else None


def arrival_steps(rules: Rules, state: State) -> Iterator[Step]:
    for at, request in enumerate(state.net):
        rest = (*state.net[:at], *state.net[at + 1 :])
        verdict = "written" if accepts(rules, state.target[request.key], request) else "refused"
        label = f"late: {shown(request)}, version {request.version}, arrived: {verdict}"
        yield label, arrived(rules, state, request)._replace(net=rest)
