"""Live backfill: a snapshot, taken when it likes, put record by record under the same condition as everything else."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.ledger import touched
from tests.model.relay import shown, tried
from tests.model.rules import Rules
from tests.model.source import content_of
from tests.model.state import Backfill, Request, State, version_of
from tests.model.target import Outcome

Step = tuple[str, State]


def backfill_steps(rules: Rules, state: State) -> Iterator[Step]:
    backfill = state.backfill
    if backfill is None:
        if state.backfilled < state.control.epoch and (state.control.capture or not rules.snapshot_after_capture):
            yield "backfill: snapshot taken", state._replace(backfill=snapshot(rules, state))
    elif not backfill.begun:
        yield from _begins(rules, state, backfill)
    elif backfill.remaining:
        yield from _puts(rules, state, backfill)
    else:
        yield "backfill: finished", state._replace(backfill=None, backfilled=backfill.epoch)


def snapshot(rules: Rules, state: State) -> Backfill:
    records = []
    for row, image in enumerate(state.tables.rows):
        if image:
            version = version_of(state, row if rules.key_at_delivery else image.key)
            owner = row if rules.key_at_delivery else -1
            records.append(Request(image.key, version, content_of(state.tables, row, state.control.shape), owner))
    return Backfill(state.control.epoch, state.control.sweeps, tuple(records))


def _begins(rules: Rules, state: State, backfill: Backfill) -> Iterator[Step]:
    """One transaction under the control row's lock: registered, if no sweep began since the snapshot, in this epoch."""
    swept = state.control.sweeps != backfill.sweeps and rules.no_snapshot_before_sweep
    if swept or (state.control.epoch != backfill.epoch and rules.new_epoch):
        yield "backfill: refused, its snapshot is too old", state._replace(backfill=None)
    else:
        yield "backfill: begun", state._replace(backfill=backfill._replace(begun=True))


def _puts(rules: Rules, state: State, backfill: Backfill) -> Iterator[Step]:
    request = backfill.remaining[0]
    after = state._replace(backfill=backfill._replace(remaining=backfill.remaining[1:]))
    what = f"backfill: {shown(request)}, version {request.version}"
    outcome, done = put(rules, after, request)
    yield f"{what}: {outcome.value}", done
    if state.late:
        late = tuple(sorted((*state.net, request), key=repr))
        label = f"{what}: {outcome.value}; the client had sent it twice, one is under way still"
        yield label, done._replace(net=late, late=state.late - 1)


def put(rules: Rules, state: State, request: Request) -> tuple[Outcome, State]:
    """What has to wait is handed to the relay: the row is touched, and so undelivered."""
    outcome, done = tried(rules, state, request)
    if outcome is Outcome.HELD and rules.backfill_hands_over:
        return outcome, touched(done, request.owner, request.version)
    return outcome, done
