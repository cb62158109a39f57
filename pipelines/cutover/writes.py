"""The writes of every group moved to one phase, one group after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pipelines.migration import Migration
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable
from pipelines.writes.state import read_state
from pipelines.writes.switch import Switched, switch


def switch_each(
    migration: Migration,
    url: str,
    table: ControlTable,
    phase: Phase,
    say: Callable[[str], None],
    *,
    drain_seconds: float | None = None,
    by_streams: bool = False,
) -> Iterator[Switched]:
    """One that is there already is left. Killed, it goes on. `drain_seconds`, `by_streams`, and raises: as `switch`;
    groups before the one that cannot be switched stay switched."""
    for state in read_state(migration, url, table, with_missing=False):
        yield switch(
            migration,
            url,
            state.group.name,
            phase,
            drain_seconds=drain_seconds,
            by_streams=by_streams,
            table=table,
            say=say,
        )


def lines(groups: Iterable[Switched]) -> Iterator[str]:
    """One for each group, and its notes."""
    for done in groups:
        yield told(done)
        yield from (f"  {note}" for note in done.notes)


def told(done: Switched) -> str:
    """Without its notes."""
    if not done.changed:
        return f"writes of {done.group}: {done.phase}"
    blocked = "" if done.blocked_seconds is None else f", writes waited {done.blocked_seconds:,.1f} s"
    return f"writes of {done.group}: {done.was} -> {done.phase}{blocked}"
