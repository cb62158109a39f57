"""How tables have grown since an earlier run."""

from __future__ import annotations

from pipelines.assess.evidence import Evidence, Growth, TableEvidence
from pipelines.errors import UsageError

_DAY_SECONDS = 86_400


def with_growth(now: Evidence, earlier: Evidence, called: str) -> Evidence:
    """`called`: what the earlier evidence is called in an error. Raises UsageError where it is of another database."""
    if earlier.source != now.source:
        raise UsageError(f"{called} is evidence of {earlier.source}, not of {now.source}: give another file or folder")
    before = {table.ref: table for table in earlier.tables}
    tables = tuple(
        table.model_copy(update={"growth": _growth(table, before[table.ref], now, earlier)})
        if table.ref in before
        else table
        for table in now.tables
    )
    return now.model_copy(update={"tables": tables})


def _growth(now: TableEvidence, before: TableEvidence, new: Evidence, old: Evidence) -> Growth:
    known = now.rows is not None and before.rows is not None
    return Growth(
        since=old.taken_at,
        days=round((new.taken_at - old.taken_at).total_seconds() / _DAY_SECONDS, 6),
        rows=(now.rows or 0) - (before.rows or 0) if known else None,
        bytes=now.bytes - before.bytes,
    )
