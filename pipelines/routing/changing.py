"""Changes of a query's stage: against the version that was read, with evidence, on record."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.errors import StageError, TargetError
from pipelines.routing.evidence import Evidence, missing
from pipelines.routing.samples import Sample, read_samples
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.target.control_table import ControlTable, Key, Row

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True)
class Standing:
    query: str
    setting: Setting
    evidence: Evidence
    samples: tuple[Sample, ...] = ()

    def document(self) -> dict[str, JsonValue]:
        return {
            **self.setting.document(),
            "version": self.setting.version,
            "evidence": self.evidence.document(),
            "samples": [one.document() for one in self.samples],
        }


def standing(table: ControlTable, query: str, now: datetime) -> Standing:
    """Raises TargetError."""
    row = table.get(stage_key(query))
    try:
        setting = Setting.of(row)
    except ValueError:
        raise TargetError(f"table {table.name}: the stage of query {query} is none; set it again") from None
    return Standing(query, setting, Evidence.read(table, query, now), read_samples(table, query, now))


def queries(table: ControlTable) -> list[str]:
    """That applications have made themselves known with. Raises TargetError."""
    return [row.key.sk for row in table.query("queries", " ", "\U0010ffff")]


def change(table: ControlTable, was: Standing, stage: Stage, share: float, now: datetime, *, force: bool) -> Setting:
    """Returns what is set now. `share`: in `canary` of the keys, in `shadow` of the calls, 0 for all; `canary` keeps
    the share of calls. Raises StageError where evidence is missing and not `force`, or where somebody else has changed
    it since `was` was read; TargetError."""
    lacking = missing(was.setting, stage, share, was.evidence, now)
    if lacking and not force:
        raise StageError(f"query {was.query} stays at {was.setting.stage}: {'; '.join(lacking)} (or --force)")
    at = now.isoformat(timespec="microseconds")
    shadows = {Stage.SHADOW: share or 1.0, Stage.CANARY: was.setting.shadow_share}.get(stage, 1.0)
    of_keys = share if stage is Stage.CANARY else 0.0
    setting = Setting(stage, of_keys, was.setting.version + 1, at, _who(), bool(lacking), shadows)
    audit: dict[str, JsonValue] = {
        "what": f"query#{was.query}",
        "from": was.setting.document(),
        "to": setting.document(),
        "evidence": was.evidence.document(),
        "missing": list(lacking),
    }
    done = table.put_next(
        Row(stage_key(was.query), setting.document(), setting.version),
        Row(Key("audit", f"{at}#query#{was.query}"), audit),
    )
    if not done:
        raise StageError(f"query {was.query}: somebody else has changed its stage just now; look, then run again")
    return setting


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
