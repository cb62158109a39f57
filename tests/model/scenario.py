"""A scenario: a small configuration, the steps it allows, and what must hold in each of its states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tests.model.backfill import backfill_steps
from tests.model.capture import expansion_steps, transaction_steps
from tests.model.drain import wrong_after_drain
from tests.model.epochs import install_steps, upgrade_steps
from tests.model.explore import Explored, Search
from tests.model.ledger import compaction_steps, touch_steps
from tests.model.relay import arrival_steps, relay_steps
from tests.model.rules import ALL, Rules
from tests.model.source import Row, Tables, Transaction, content_of
from tests.model.state import EPOCH, FOREIGN, PENDING, Control, Log, State, Stored
from tests.model.sweep import sweep_steps, time_steps
from tests.model.verifier import verification_steps

Steps = Callable[[Rules, State], Iterator[tuple[str, State]]]


ONE_ROW = Tables((Row(0, 0, 0),))


@dataclass(frozen=True)
class Scenario:
    """`late`, `crashes`, `verifications`, `reinstalls`: how often that may happen. `planted`: what the target holds
    besides what a backfill of the starting state (`filled`) put there."""

    name: str
    transactions: tuple[Transaction, ...]
    tables: Tables = ONE_ROW
    keys: int = 1
    relays: int = 1
    filled: bool = True
    backfill: bool = False
    sweep: bool = False
    compaction: bool = False
    split: bool = False
    late: int = 0
    crashes: int = 0
    verifications: int = 0
    reinstalls: int = 0
    mapping_upgrades: int = 0
    capture: bool = True
    touches: tuple[tuple[int, int], ...] = ()
    planted: dict[int, Stored | None] = field(default_factory=dict)
    repairs: bool = False
    extras_allowed: bool = False
    conflicts_allowed: bool = False

    def start(self) -> State:
        ledger_size = max(len(self.tables.rows), self.keys)
        return State(
            tables=self.tables,
            log=tuple(Log() for _ in range(ledger_size)),
            items=tuple(None for _ in range(ledger_size)),
            target=tuple(self._stored(key) for key in range(self.keys)),
            transactions=tuple(PENDING for _ in self.transactions),
            relays=tuple(None for _ in range(self.relays)),
            control=Control(capture=self.capture),
            backfilled=1 if self.filled else 0,
            late=self.late,
            crashes=self.crashes,
            verifications=self.verifications,
            upgrades=self.reinstalls or self.mapping_upgrades,
        )

    def _stored(self, key: int) -> Stored | None:
        if key in self.planted or not self.filled:
            return self.planted.get(key)
        for at, row in enumerate(self.tables.rows):
            if row and row.key == key:
                return Stored(EPOCH, content_of(self.tables, at, 0), at)
        return None

    def explored(self, rules: Rules = ALL, limit: int = 400_000) -> Explored:
        """With `compaction`, log rows are folded at any moment, and not only by claims."""
        rules = replace(rules, claim_folds=not self.compaction)
        return Search(self.start()).run(
            lambda state: self._steps(rules, state), Judge(self, rules).wrong, self._went_back, limit
        )

    def _steps(self, rules: Rules, state: State) -> Iterator[tuple[str, State]]:
        yield from transaction_steps(rules, self.transactions, self.split, state)
        for steps in self._actors():
            yield from steps(rules, state)
        if state.touches < len(self.touches):
            yield from touch_steps(rules, self.touches, state)
        if self.sweep:
            yield from time_steps(state)

    def _actors(self) -> Iterator[Steps]:
        yield relay_steps
        yield arrival_steps
        yield expansion_steps
        if self.backfill:
            yield backfill_steps
        if self.sweep:
            yield sweep_steps
        if self.compaction:
            yield compaction_steps
        if self.verifications:
            yield verification_steps
        if self.reinstalls or not self.capture:
            yield install_steps
        if self.mapping_upgrades:
            yield upgrade_steps

    def _went_back(self, before: State, after: State) -> str | None:
        for key, (old, new) in enumerate(zip(before.target, after.target, strict=True)):
            if old == new or old is None:
                continue
            if old == FOREIGN:
                return f"the foreign item at key {key} was overwritten"
            if new is None:
                if old.content is not None:
                    return f"the item at key {key} vanished without a tombstone"
            elif new.version <= old.version:
                return f"key {key} went back from version {old.version} to {new.version}"
        return None


class Judge:
    """Remembers what it has drained: a drain depends on few parts of a state."""

    def __init__(self, scenario: Scenario, rules: Rules) -> None:
        self._scenario = scenario
        self._rules = rules
        self._drained: dict[object, str | None] = {}

    def wrong(self, state: State) -> str | None:
        if state.alarm and not (self._scenario.conflicts_allowed and state.alarm.startswith("conflict")):
            return state.alarm
        if not state.control.capture:
            return None
        essence = state._replace(
            transactions=(), relays=(), verification=None, sweeping=None, crashes=0, late=0, verifications=0, alarm=""
        )
        if essence not in self._drained:
            self._drained[essence] = self._after_drain(state)
        return self._drained[essence]

    def _after_drain(self, state: State) -> str | None:
        return wrong_after_drain(self._rules, state, self._scenario.repairs, self._scenario.extras_allowed)
