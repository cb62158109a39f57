"""What drains and relays do before they deliver, and when they end."""

from __future__ import annotations

import contextlib

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.reading import all_tables
from pipelines.errors import SourceError, StageError
from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.marks import expand_marks
from pipelines.source.ledger.relays import end_relay


def gather(deliverer: Deliverer) -> int:
    """Marks become log rows, log rows become item rows, until there are none; how many marks. Raises StageError,
    SourceError."""
    session, marks = deliverer.session, 0
    while expanded := _expand(deliverer):
        marks += expanded
    while compact(session.connection, session.migration).rows:
        pass
    return marks


def leave(deliverer: Deliverer) -> None:
    """It has ended in good order. Who cannot say so any more counts as dead after a while."""
    with contextlib.suppress(SourceError, StageError):
        end_relay(deliverer.session, deliverer.lease.holder)


def _expand(deliverer: Deliverer) -> int:
    with deliverer.session.looking_into(all_tables(deliverer.plan)) as connection:
        return expand_marks(connection, deliverer.plan).marks
