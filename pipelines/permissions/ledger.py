"""The rights on the ledger's tables, by purpose. A test takes each away and looks whether something fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from pipelines.permissions.purpose import Purpose
from pipelines.source.ledger.names import (
    BACKFILL,
    CAPTURED,
    CONTROL,
    ITEM,
    LOG,
    MARK,
    MASTER,
    RELAY,
    REVERSE,
    REVERSE_RELAY,
    STREAM,
)


@dataclass(frozen=True)
class LedgerRight:
    """`privileges` as GRANT takes them; `why`: where it would be asked."""

    table: sql.Identifier
    privileges: str
    why: str = ""


_LOCKED = "UPDATE: rows are locked by FOR UPDATE, for which PostgreSQL asks for it"
_SHARED = "UPDATE: the row is locked, for which PostgreSQL asks for UPDATE of any column"

_READING = tuple(LedgerRight(table, "SELECT") for table in (LOG, MARK, ITEM, CONTROL, CAPTURED, MASTER))

LEDGER_RIGHTS: Mapping[Purpose, Sequence[LedgerRight]] = {
    Purpose.READER: _READING,
    Purpose.VERIFIER: (*_READING, LedgerRight(RELAY, "SELECT")),
    Purpose.RELAY: (
        LedgerRight(LOG, "SELECT, INSERT, UPDATE, DELETE", _LOCKED),
        LedgerRight(MARK, "SELECT, INSERT, UPDATE, DELETE", _LOCKED),
        LedgerRight(ITEM, "SELECT, INSERT, UPDATE"),
        LedgerRight(CONTROL, 'SELECT, UPDATE ("sweeps", "paused")'),
        LedgerRight(BACKFILL, "SELECT"),
        LedgerRight(RELAY, "SELECT, INSERT, UPDATE, DELETE"),
        LedgerRight(CAPTURED, "SELECT"),
        LedgerRight(MASTER, "SELECT"),
    ),
    Purpose.REVERSE: (
        LedgerRight(LOG, "SELECT, UPDATE, DELETE", _LOCKED),
        LedgerRight(MARK, "SELECT, DELETE"),
        LedgerRight(ITEM, "SELECT, INSERT, UPDATE"),
        LedgerRight(CONTROL, 'SELECT, UPDATE ("sweeps")', _SHARED),
        LedgerRight(MASTER, "SELECT"),
        LedgerRight(STREAM, "SELECT, INSERT, UPDATE, DELETE"),
        LedgerRight(REVERSE, "SELECT, INSERT, UPDATE, DELETE"),
        LedgerRight(REVERSE_RELAY, "SELECT, INSERT, UPDATE"),
    ),
    Purpose.BACKFILL: (
        LedgerRight(LOG, "SELECT"),
        LedgerRight(MARK, "SELECT"),
        LedgerRight(ITEM, "SELECT, INSERT, UPDATE"),
        LedgerRight(CONTROL, 'SELECT, UPDATE ("sweeps")', _SHARED),
        LedgerRight(BACKFILL, "SELECT, INSERT, UPDATE"),
        LedgerRight(CAPTURED, "SELECT"),
        LedgerRight(MASTER, "SELECT"),
    ),
}
