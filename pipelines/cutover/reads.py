"""Queries set back: they ask less of DynamoDB, for which nothing is needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pipelines.errors import StageError
from pipelines.routing.changing import change, queries, standing
from pipelines.routing.stage import Stage
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable

WRITES = "writes"


def set_back(table: ControlTable, stage: Stage, now: datetime) -> Iterator[str]:
    """Every query that asks more of DynamoDB than `stage` is at it afterwards; a line each. Killed, it goes on.
    Raises StageError where somebody else changes one meanwhile, TargetError."""
    for name in queries(table):
        was = standing(table, name, now)
        if was.setting.stage.rank > stage.rank:
            change(table, was, stage, 0.0, now, force=False)
            yield f"query {name}: {was.setting.stage} -> {stage}"


def require_kept_up(table: ControlTable) -> None:
    """RDS must have what DynamoDB has before it answers again. Asks the control table, as applications do. Raises
    StageError, TargetError."""
    for row in table.query(WRITES, " ", "\U0010ffff"):
        if row.document.get("phase") != Phase.RDS_FIRST:
            raise StageError(
                f"reads stay: {row.key.sk} is at {row.document.get('phase')}, RDS may be behind DynamoDB; first "
                f"`crossover writes … {row.key.sk} {Phase.RDS_FIRST}`"
            )
