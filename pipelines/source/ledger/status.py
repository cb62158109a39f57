"""What differs between the capture that the mapping wants and the one that is in the database.

Any gap means that changes may have gone by unseen since: only a new epoch mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.control import Control
from pipelines.source.ledger.installed import CapturedTable, Installed, InstalledFunction, InstalledTrigger
from pipelines.source.ledger.names import OPERATIONS
from pipelines.source.ledger.triggers import TableTriggers, TriggerFunction

UPGRADE = "run `crossover capture … upgrade`, which begins a new epoch"
ADOPT = "run `crossover capture … upgrade`, which takes its rows for changed; the epoch goes on"
INSTALL = "run `crossover capture … install`"

EPOCH = "epoch"

_NOT_ALWAYS = {
    "D": "is disabled: it has captured nothing since",
    "O": "is not ENABLE ALWAYS: it captures nothing of a session with session_replication_role = replica",
    "R": "is ENABLE REPLICA: it captures nothing of ordinary sessions",
}


@dataclass(frozen=True)
class Gap:
    """One line: where, what, what to do."""

    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.remedy}"


def control_gaps(
    control: Control | None, mapping_hash: str, warehouse_epoch: int, lineage: str | None
) -> Iterator[Gap]:
    if control is None:
        yield Gap("capture", "not installed", INSTALL)
        return
    if control.capture != "on":
        yield Gap("capture", "off: an install or an uninstall did not come to its end", f"{INSTALL}, or uninstall")
    if control.mapping_hash != mapping_hash:
        hashes = f"hash {control.mapping_hash[:12]}, now {mapping_hash[:12]}"
        yield Gap("mapping", f"another one was installed ({hashes})", UPGRADE)
    numbers = f"{control.epoch} in the database, {warehouse_epoch} in the warehouse"
    if control.epoch < warehouse_epoch:
        yield Gap(EPOCH, f"{numbers}: the database was restored", UPGRADE)
    if control.epoch > warehouse_epoch:
        yield Gap(EPOCH, f"{numbers}: capture was installed with another one, or by hand", f"{INSTALL} to take it over")
    if lineage is not None and control.lineage is not None and lineage != control.lineage:
        yield Gap("database", "it was restored, or a standby was promoted, since capture was installed", UPGRADE)


def capture_gaps(installed: Installed, wanted: Sequence[TableTriggers]) -> Iterator[Gap]:
    """Table by table; each thing that is wrong is named once."""
    noted = {table.ref: table for table in installed.tables}
    triggers = {(trigger.ref, trigger.name): trigger for trigger in installed.triggers}
    functions = {function.name: function for function in installed.functions}
    for one in wanted:
        table = noted.get(one.ref)
        if table is None:
            yield Gap(f"table {one.ref}", "not captured yet", UPGRADE)
            continue
        yield from _member_gaps(one, table)
        yield from _trigger_gaps(one, table, triggers)
        yield from _function_gaps(one, functions)
        yield from _row_function_gaps(one, table, functions)
        if table.definition != one.definition():
            yield Gap(f"table {one.ref}", "its triggers were made for another mapping or by another Crossover", UPGRADE)
    yield from _left_over(installed, wanted)


def _member_gaps(one: TableTriggers, table: CapturedTable) -> Iterator[Gap]:
    now = [str(member) for member in one.relation.members]
    for name in sorted(set(now) - set(table.members)):
        if one.relation.partitioned:
            problem = f"{name} was attached since; changes of its rows are captured, but rows that it brought are not"
            yield Gap(f"table {one.ref}", problem, ADOPT)
        else:
            yield Gap(f"table {one.ref}", f"{name} inherits since; its rows are not captured", UPGRADE)
    for name in sorted(set(table.members) - set(now)):
        yield Gap(f"table {one.ref}", f"{name} was detached or dropped since, without a trace of its rows", UPGRADE)


def _trigger_gaps(
    one: TableTriggers, table: CapturedTable, triggers: dict[tuple[TableRef, str], InstalledTrigger]
) -> Iterator[Gap]:
    for member in one.relation.members:
        if str(member) not in table.members:
            continue  # that is a gap of its own
        for operation, name in zip(OPERATIONS, one.trigger_names(), strict=True):
            trigger = triggers.get((member, name))
            if trigger is None:
                yield Gap(f"table {member}", f"the {operation} trigger `{name}` is missing", UPGRADE)
            elif trigger.enabled in _NOT_ALWAYS:
                yield Gap(
                    f"table {member}", f"the {operation} trigger `{name}` {_NOT_ALWAYS[trigger.enabled]}", UPGRADE
                )
            elif member == one.ref and trigger.definition not in table.triggers:
                yield Gap(f"table {member}", f"the {operation} trigger `{name}` is not what was installed", UPGRADE)


def _function_gaps(one: TableTriggers, functions: dict[str, InstalledFunction]) -> Iterator[Gap]:
    for wanted in one.functions():
        found = functions.get(wanted.name)
        if found is None:
            yield Gap(f"table {one.ref}", f"the function crossover.{wanted.name} is missing", UPGRADE)
        elif not _is(found, wanted):
            yield Gap(f"table {one.ref}", f"the function crossover.{wanted.name} is not this Crossover's", UPGRADE)


def _row_function_gaps(
    one: TableTriggers, table: CapturedTable, functions: dict[str, InstalledFunction]
) -> Iterator[Gap]:
    """Their text changes where a column that they use is renamed."""
    for wanted in one.row_functions():
        found = functions.get(wanted.name)
        if found is None:
            yield Gap(f"table {one.ref}", f"the function crossover.{wanted.name} is missing", UPGRADE)
        elif found.definition not in table.triggers:
            yield Gap(f"table {one.ref}", f"the function crossover.{wanted.name} is not what was installed", UPGRADE)


def _is(found: InstalledFunction, wanted: TriggerFunction) -> bool:
    return found.body == wanted.body and found.definer and set(found.configuration) == set(wanted.configuration)


def _left_over(installed: Installed, wanted: Sequence[TableTriggers]) -> Iterator[Gap]:
    names = {(member, name) for one in wanted for member in one.relation.members for name in one.trigger_names()}
    for trigger in installed.triggers:
        if (trigger.ref, trigger.name) not in names:
            yield Gap(f"table {trigger.ref}", f"the trigger `{trigger.name}` is not of this mapping", UPGRADE)
