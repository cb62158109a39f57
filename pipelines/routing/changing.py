"""Changes of a query's stage: against the version that was read, with evidence, on record."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.errors import StageError, TargetError
from pipelines.routing.evidence import HOURS, Evidence, missing
from pipelines.routing.samples import Sample, read_samples
from pipelines.routing.stage import Setting, Stage, name_key, stage_key
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
    """That applications have made themselves known with, but for those that were forgotten. Raises TargetError."""
    return [row.key.sk for row in table.query("queries", " ", "\U0010ffff") if not _is_forgotten(row)]


def is_known(table: ControlTable, query: str) -> bool:
    """Whether it is one of `queries`. Raises TargetError."""
    row = table.get(name_key(query))
    return row is not None and not _is_forgotten(row)


def forget(table: ControlTable, was: Standing, now: datetime) -> Setting:
    """It counts as a query no more, until an application asks it again; its stage is `rds` from now on. Raises
    StageError where none has named it, where one has asked it in the last HOURS hours, or where somebody else has
    changed it since `was` was read; TargetError."""
    if not is_known(table, was.query):
        raise StageError(f"query {was.query}: no application has made itself known with it")
    if was.evidence.counts.total():
        raise StageError(
            f"query {was.query} stays: it was asked in the last {HOURS} hours; take it out of the application and wait"
        )
    setting = _next(was.setting, Stage.RDS, now)
    named = Row(name_key(was.query), {"name": was.query, "forgotten_at": setting.changed_at})
    _set(table, was, setting, (), named)
    return setting


def _is_forgotten(row: Row) -> bool:
    return bool(row.document.get("forgotten_at"))


def change(table: ControlTable, was: Standing, stage: Stage, share: float, now: datetime, *, force: bool) -> Setting:
    """Returns what is set now. `share`: in `canary` of the keys, in `shadow` of the calls, 0 for all; `canary` keeps
    the share of calls. Raises StageError where evidence is missing and not `force`, or where somebody else has changed
    it since `was` was read; TargetError."""
    lacking = missing(was.setting, stage, share, was.evidence, now)
    if lacking and not force:
        raise StageError(f"query {was.query} stays at {was.setting.stage}: {'; '.join(lacking)} (or --force)")
    shadows = {Stage.SHADOW: share or 1.0, Stage.CANARY: was.setting.shadow_share}.get(stage, 1.0)
    of_keys = share if stage is Stage.CANARY else 0.0
    setting = replace(_next(was.setting, stage, now), share=of_keys, forced=bool(lacking), shadow_share=shadows)
    _set(table, was, setting, lacking)
    return setting


def _next(was: Setting, stage: Stage, now: datetime) -> Setting:
    return Setting(stage, version=was.version + 1, changed_at=now.isoformat(timespec="microseconds"), by=_who())


def _set(table: ControlTable, was: Standing, setting: Setting, lacking: Sequence[str], *also: Row) -> None:
    audit: dict[str, JsonValue] = {
        "what": f"query#{was.query}",
        "from": was.setting.document(),
        "to": setting.document(),
        "evidence": was.evidence.document(),
        "missing": list(lacking),
        **({"forgotten": True} if also else {}),
    }
    done = table.put_next(
        Row(stage_key(was.query), setting.document(), setting.version),
        Row(Key("audit", f"{setting.changed_at}#query#{was.query}"), audit),
        *also,
    )
    if not done:
        raise StageError(f"query {was.query}: somebody else has changed its stage just now; look, then run again")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
