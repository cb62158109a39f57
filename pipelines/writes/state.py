"""What is known of each group of item types: its master, the fence, the mirror, and what the next phase still needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.capture import capture_status
from pipelines.mapping.groups import Group
from pipelines.migration import Migration
from pipelines.reverse.health import read_reverse_health
from pipelines.source.ledger.guards import InstalledGuard, read_guards
from pipelines.source.ledger.masters import Master, Phase, read_masters
from pipelines.target.control_table import ControlTable
from pipelines.writes.mirror import read_row, says
from pipelines.writes.ready import missing_for_dynamodb
from pipelines.writes.scene import Schema, master_of, read_schema, source

if TYPE_CHECKING:
    from pydantic import JsonValue

_NEXT = {Phase.RDS_FIRST: Phase.DYNAMODB_FIRST, Phase.DYNAMODB_FIRST: Phase.DYNAMODB_ONLY}


@dataclass(frozen=True)
class GroupState:
    """`phase`, `fenced`: as the ledger has them, which is the truth. `since`: of the last change there, None before the
    first. `mirror`: the document that applications obey, None where there is none. `problems`: what is not as the phase
    asks for, one line each. `next`: the phase after this one, None after the last; `missing`: what it still needs."""

    group: Group
    phase: Phase
    fenced: bool
    since: datetime | None
    mirror: Mapping[str, JsonValue] | None
    problems: tuple[str, ...]
    next: Phase | None
    missing: tuple[str, ...]


def read_state(
    migration: Migration, url: str, table: ControlTable | None = None, *, with_missing: bool = True
) -> tuple[GroupState, ...]:
    """Every group, in the mapping's order. `with_missing`: else `missing` is empty, and capture is not looked at.

    Raises SourceError, MappingError, TargetError, WarehouseError.
    """
    with source(url) as connection:
        schema = read_schema(migration, connection)
        masters = read_masters(connection, schema.plan.name)
        installed = read_guards(connection, schema.plan.name) if schema.control else []
        resync = read_reverse_health(connection, schema.plan.name).resync if schema.control else None
        table = table or ControlTable.of(schema.plan.name)
        rows = {group.name: read_row(table, group) for group in schema.groups}
        at_rds = [one for one in schema.groups if with_missing and not master_of(masters, one).phase.is_dynamodb]
        status = capture_status(migration, url) if at_rds else None
        missing = {
            one.name: missing_for_dynamodb(status, connection, schema, one) for one in at_rds if status is not None
        }
    states = []
    for group in schema.groups:
        row, master = rows[group.name], master_of(masters, group)
        mirror = None if row is None else row.document
        problems = (
            *_fence_problems(master),
            *_mirror_problems(schema, group, master, mirror),
            *_guard_problems(schema, group, master, installed),
            *_other_groups(schema, masters, group),
            *([f"RDS is not whole: {resync}"] if resync and master.phase is Phase.DYNAMODB_FIRST else []),
        )
        states.append(
            GroupState(
                group=group,
                phase=master.phase,
                fenced=master.fenced,
                since=master.changed_at,
                mirror=mirror,
                problems=problems,
                next=_NEXT.get(master.phase),
                missing=missing.get(group.name, ()),
            )
        )
    return tuple(states)


def _fence_problems(master: Master) -> Iterator[str]:
    if master.fenced:
        yield (
            "fenced: a switch is under way, or was killed; no store takes its writes. "
            f"Run the switch again, or `crossover writes … {master.item_types[0]} --abort`"
        )


def _mirror_problems(
    schema: Schema, group: Group, master: Master, mirror: Mapping[str, JsonValue] | None
) -> Iterator[str]:
    epoch = None if schema.control is None else schema.control.epoch
    if not says(mirror, group, master.phase, fenced=master.fenced, epoch=epoch):
        told = "nothing" if mirror is None else f"{mirror.get('phase')}{', fenced' if mirror.get('fenced') else ''}"
        yield (
            f"the control table says {told}, the ledger {master.phase}{', fenced' if master.fenced else ''}; "
            f"run `crossover writes … {group.item_types[0]} {master.phase}`, which sets it"
        )


def _guard_problems(schema: Schema, group: Group, master: Master, installed: Sequence[InstalledGuard]) -> Iterator[str]:
    guards = schema.guards(group)
    if master.phase.is_dynamodb:
        yield from (str(gap) for gap in guards.gaps(installed))
    elif not master.fenced:
        for one in guards.mine(installed):
            if one.enabled != "D":
                yield (
                    f"table {one.ref}: a guard refuses writes, though RDS is the master; "
                    f"run `crossover writes … {group.item_types[0]} {master.phase}`, which drops it"
                )


def _other_groups(schema: Schema, masters: Sequence[Master], group: Group) -> Iterator[str]:
    """As another mapping made them."""
    names = {one.name for one in schema.groups}
    for master in masters:
        is_switched = master.phase.is_dynamodb or master.fenced
        if is_switched and master.group not in names and set(master.item_types) & set(group.item_types):
            yield f"it was switched as {master.group}; take the mapping that it was switched with"
