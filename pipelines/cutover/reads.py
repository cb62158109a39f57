"""Queries set back: they ask less of DynamoDB, for which nothing is needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pipelines.errors import StageError
from pipelines.routing.changing import change, queries, standing
from pipelines.routing.stage import Stage
from pipelines.source.ledger.masters import Phase, way_to_rds
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
        phase = row.document.get("phase")
        if phase != Phase.RDS_FIRST:
            way = way_to_rds(Phase.DYNAMODB_ONLY if phase == Phase.DYNAMODB_ONLY else Phase.DYNAMODB_FIRST, row.key.sk)
            raise StageError(f"reads stay: {row.key.sk} is at {phase}, RDS may be behind DynamoDB; first run {way}")
