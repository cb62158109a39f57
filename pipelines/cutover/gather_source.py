"""Evidence that the source has: schema, capture, what is undelivered, the groups' masters, the reverse relay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from pipelines.capture import capture_status
from pipelines.check import check
from pipelines.cutover.evidence import Captured, Fits, GroupPhase, LedgerHealth, Reverse, Unknown, Writes
from pipelines.deliver.opened import opened_ledger
from pipelines.errors import CrossoverError, MappingError
from pipelines.migration import Migration
from pipelines.reverse.health import read_reverse_health
from pipelines.source.connect import connect
from pipelines.source.ledger.health import read_health
from pipelines.source.server_error import describe
from pipelines.target.control_table import ControlTable
from pipelines.writes.state import read_state

T = TypeVar("T")


@dataclass(frozen=True)
class SourceSeen:
    fits: Fits | Unknown
    captured: Captured | Unknown
    ledger: LedgerHealth | Unknown
    writes: Writes | Unknown
    reverse: Reverse | Unknown


def unseen(why: str, remedy: str = "") -> SourceSeen:
    gone = Unknown(why, remedy)
    return SourceSeen(gone, gone, gone, gone, gone)


def look_at_source(migration: Migration, url: str, table: ControlTable) -> SourceSeen:
    """Each part by itself: one that cannot be read spoils no other. Asks once only where the source is away."""
    try:
        with connect(url):
            pass
    except CrossoverError as error:
        return unseen(_line(error))
    return SourceSeen(
        fits=_seen(lambda: _fits(migration, url)),
        captured=_seen(lambda: _captured(migration, url)),
        ledger=_seen(lambda: _ledger(migration, url)),
        writes=_seen(lambda: _writes(migration, url, table)),
        reverse=_seen(lambda: _reverse(migration, url)),
    )


def _seen(look: Callable[[], T]) -> T | Unknown:
    try:
        return look()
    except MappingError as error:
        more = f" (and {len(error.problems) - 1:,} more)" if len(error.problems) > 1 else ""
        return Unknown(f"{_line(error)}{more}")
    except CrossoverError as error:
        return Unknown(_line(error))
    except psycopg.Error as error:
        return Unknown(f"source: {describe(error.sqlstate)}")


def _fits(migration: Migration, url: str) -> Fits:
    with connect(url) as connection:
        return Fits(tuple(item.name for item in check(migration.mapping, connection).items))


def _captured(migration: Migration, url: str) -> Captured:
    found = capture_status(migration, url)
    blind = tuple((one.item_type, one.reason or one.mode) for one in found.modes if one.mode != "ledger")
    return Captured(found.capture, found.epoch, len(found.tables), tuple(map(str, found.gaps)), blind)


def _ledger(migration: Migration, url: str) -> LedgerHealth:
    with opened_ledger(migration, url) as ledger:
        found = read_health(ledger.session, ledger.item_types, by_due=True)
    apart = sum(one.set_apart for one in found.item_types)
    return LedgerHealth(found.undelivered, found.marks, found.oldest_seconds, apart, found.paused)


def _writes(migration: Migration, url: str, table: ControlTable) -> Writes:
    return Writes(
        tuple(
            GroupPhase(one.group.name, one.phase, one.fenced, one.problems, one.missing)
            for one in read_state(migration, url, table)
        )
    )


def _reverse(migration: Migration, url: str) -> Reverse:
    with connect(url) as connection:
        found = read_reverse_health(connection, migration.mapping.migration)
    return Reverse(found.lag_seconds, found.waiting, found.set_apart, found.resync, found.running)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
