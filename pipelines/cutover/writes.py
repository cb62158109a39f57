"""The writes of every group moved to one phase, one group after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipelines.migration import Migration
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable
from pipelines.writes.state import read_state
from pipelines.writes.switch import switch


def switch_all(
    migration: Migration,
    url: str,
    table: ControlTable,
    phase: Phase,
    say: Callable[[str], None],
    *,
    drain_seconds: float | None = None,
    by_streams: bool = False,
) -> Iterator[str]:
    """A line for each group; one that is there already is left. Killed, it goes on. `drain_seconds`, `by_streams`, and
    raises: as `switch`; groups before the one that cannot be switched stay switched."""
    for state in read_state(migration, url, table, with_missing=False):
        done = switch(
            migration,
            url,
            state.group.name,
            phase,
            drain_seconds=drain_seconds,
            by_streams=by_streams,
            table=table,
            say=say,
        )
        blocked = "" if done.blocked_seconds is None else f", writes waited {done.blocked_seconds:,.1f} s"
        yield (
            f"writes of {done.group}: {done.was} -> {done.phase}{blocked}"
            if done.changed
            else (f"writes of {done.group}: {done.phase}")
        )
        yield from (f"  {note}" for note in done.notes)
