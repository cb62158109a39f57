"""Items by source key with their versions, whether these are delivered, and whether an open mark reaches the items: all
of one snapshot (rule 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.outcome import OnlineItem
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.ledger.marks import open_marks
from pipelines.source.ledger.state import LedgerState
from pipelines.source.ledger.version import read_states
from pipelines.source.online import read_items
from pipelines.source.server_error import describe


def read_versioned(
    connection: Connection[TupleRow],
    plan: MigrationPlan,
    item: ItemPlan,
    source_keys: Sequence[Mapping[str, str]],
    state: LedgerState,
) -> list[OnlineItem]:
    """As `read_items`, and in the same REPEATABLE READ transaction, which the caller begins and ends; `state` is what
    `read_state` found in it. Where the ledger tells none, versions are those of the mapping's `version` column, else 0,
    and nothing is marked.

    Raises SourceError.
    """
    found = read_items(connection, item, source_keys)
    if state.gap is not None or item.name not in state.item_types:
        return found
    failed = None
    try:
        wanted = [one.source_key for one in found]
        states = read_states(connection, plan.name, item.name, wanted)
        marked = open_marks(connection, replace(plan, items=(item,)), wanted).get(item.name, frozenset())
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    if failed is not None:
        raise SourceError(f"the ledger of {plan.name} could not be read: {failed}")
    return [_versioned(one, *states[one.source_key], one.source_key in marked) for one in found]


def _versioned(found: OnlineItem, version: int, undelivered: bool, marked: bool) -> OnlineItem:
    return replace(found, version=version, undelivered=undelivered, marked=marked)
