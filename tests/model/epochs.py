"""Install, reinstall and mapping upgrade (rules 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.rules import Rules
from tests.model.state import EPOCH, Control, Log, State, version_of

Step = tuple[str, State]


def install_steps(rules: Rules, state: State) -> Iterator[Step]:
    """`capture = on` is written last, when every table has its triggers."""
    if not state.control.capture:
        yield "capture on", state._replace(control=state.control._replace(capture=True))
    elif state.upgrades:
        yield "capture uninstalled, then its installation begun again", _reinstalled(rules, state)


def _reinstalled(rules: Rules, state: State) -> State:
    """The ledger comes back empty. The epoch was kept outside, and is one that no version has reached."""
    epoch = state.control.epoch
    if rules.epoch_above_touched:
        epoch = max(version_of(state, subject) // EPOCH for subject in range(len(state.items)))
    epoch += rules.new_epoch
    return state._replace(
        control=state.control._replace(capture=False, epoch=epoch),
        backfilled=0,
        log=tuple(Log() for _ in state.log),
        items=tuple(None for _ in state.items),
        marks=(),
        upgrades=state.upgrades - 1,
    )


def upgrade_steps(rules: Rules, state: State) -> Iterator[Step]:
    """The mapping changes: another shape of the items, a new hash, a new epoch."""
    if state.upgrades:
        control = Control(state.control.epoch + 1, state.control.shape + 1, True, state.control.sweeps)
        label = f"mapping upgraded, epoch {control.epoch}"
        yield label, state._replace(control=control, upgrades=state.upgrades - 1)
