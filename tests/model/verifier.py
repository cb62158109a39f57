"""The verdict on one key (rule 11), after reading the source S1, the target T, the source again S2, in this order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.rules import Rules
from tests.model.source import Content, content_of, holder_of
from tests.model.state import (
    FOREIGN,
    State,
    Stored,
    Verification,
    View,
    is_marked,
    is_undelivered,
    version_of,
)

Step = tuple[str, State]
ALARMS = frozenset({"foreign", "ahead", "mismatch", "extra", "missing", "stale"})


class Readings(NamedTuple):
    """Of one key. `row` is whose versions are compared: who holds the key in the source, else whom the target names."""

    first: View
    stored: Stored | None
    second: View
    shape: int


def view_of(state: State) -> View:
    rows = range(len(state.tables.rows))
    return View(
        state.tables,
        tuple(version_of(state, row) for row in rows),
        tuple(is_undelivered(state, row) for row in rows),
        tuple(is_marked(state, row) for row in rows),
    )


def verification_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Only over what a backfill has reached; before, what is missing is missing."""
    reading = state.verification
    if reading is None:
        if state.verifications and state.backfilled == state.control.epoch:
            begun = state._replace(verifications=state.verifications - 1)
            yield from _reads_first(rules, begun)
    elif reading.first is None:
        yield "verify: source read", state._replace(verification=reading._replace(first=view_of(state)))
    elif reading.target is None:
        yield "verify: target read", state._replace(verification=reading._replace(target=state.target))
    else:
        alarm = _first_alarm(rules, reading.first, reading.target, state)
        yield "verify: source read again", state._replace(verification=None, alarm=alarm)


def _reads_first(rules: Rules, state: State) -> Iterator[Step]:
    if rules.source_target_source:
        yield "verify: source read", state._replace(verification=Verification(view_of(state), None))
    else:
        yield "verify: target read first", state._replace(verification=Verification(None, state.target))


def _first_alarm(rules: Rules, first: View, target: tuple[Stored | None, ...], state: State) -> str:
    second = view_of(state) if rules.source_target_source else first
    for key, stored in enumerate(target):
        verdict = verdict_of(rules, key, Readings(first, stored, second, state.control.shape))
        if verdict in ALARMS:
            return f"false alarm: {verdict} at key {key}"
    return ""


def verdict_of(rules: Rules, key: int, readings: Readings) -> str:
    """First match wins, a to m; what is not modelled (unmapped, rejected, expired) is left out."""
    first, stored, second, shape = readings
    if stored == FOREIGN:
        return "foreign"
    holders = {holder_of(first.tables, key), holder_of(second.tables, key)} - {None}
    rows = {row for row in holders if row is not None} | ({stored.owner} if stored else set())
    if not rows:
        return "match"
    if rules.owners_first and len(rows) > 1:
        return _of_several_rows(key, rows, readings)
    holder = holder_of(first.tables, key)
    row = holder if holder is not None else min(rows)
    content = content_of(first.tables, row, shape) if holder is not None else None
    return _of_one_row(rules, row, content, readings)


def _of_several_rows(key: int, rows: set[int], readings: Readings) -> str:
    """The key has changed hands, or is about to. Whoever has it has to be delivered, and whoever had it."""
    first, stored, second, _ = readings
    if any(first.undelivered[row] or second.undelivered[row] or second.marked[row] for row in rows):
        return "pending"
    if any(first.versions[row] != second.versions[row] for row in rows):
        return "in_flight"
    if holder_of(first.tables, key) is None:
        return "extra" if stored and stored.content is not None else "match"
    return "mismatch" if stored and stored.content is not None else "missing"


def _of_one_row(rules: Rules, row: int, content: Content | None, readings: Readings) -> str:
    first, stored, second, _ = readings
    found = stored.content if stored else None
    version = stored.version if stored else -1
    ahead = version > second.versions[row]
    if ahead and rules.ahead_before_match:
        return "ahead"
    if found == content:
        return "match"
    if ahead:
        return "ahead"
    if (second if rules.marks_of_second_reading else first).marked[row]:
        return "pending"
    moved = version > first.versions[row] or first.versions[row] != second.versions[row]
    if moved and rules.judge_again:
        return "in_flight"
    if version == first.versions[row]:
        return "mismatch"
    if first.undelivered[row] and rules.pending_if_undelivered:
        return "pending"
    if content is None:
        return "extra"
    return "missing" if found is None else "stale"
