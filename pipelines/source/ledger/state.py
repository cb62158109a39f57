"""The ledger of a migration as one snapshot shows it: where versions may be asked for, and where not, and why."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.capture import compile_capture
from pipelines.mapping.groups import groups_of
from pipelines.mapping.plan import MigrationPlan
from pipelines.source.ledger.control import NOT_INSTALLED, Control, read_control, read_lineage
from pipelines.source.ledger.guards import guard_gaps
from pipelines.source.ledger.installed import read_installed
from pipelines.source.ledger.relations import blind_tables, read_relations
from pipelines.source.ledger.status import capture_gaps, control_gaps
from pipelines.source.ledger.triggers import table_triggers
from pipelines.source.ledger.version import first_version


@dataclass(frozen=True)
class LedgerState:
    """`gap`: why no version can be told, in one line; None where capture is whole. `item_types`: those that have a
    ledger."""

    control: Control | None
    item_types: frozenset[str]
    gap: str | None

    @property
    def first_version(self) -> int:
        """Of an item that the ledger has never heard of."""
        return 0 if self.control is None else first_version(self.control.epoch)


def read_state(connection: Connection[TupleRow], plan: MigrationPlan, warehouse_epoch: int) -> LedgerState:
    """As the connection's REPEATABLE READ transaction sees it: what is installed, compared with what `plan` asks for.

    Raises psycopg.Error, SourceError.
    """
    control = read_control(connection, plan.name)
    if control is None:
        return LedgerState(None, frozenset(), NOT_INSTALLED)
    relations = read_relations(connection, (row.table.ref for row in plan.rows()))
    capture = compile_capture(plan, blind_tables(relations))
    lineage = read_lineage(connection)
    gaps = [
        *control_gaps(control, plan.mapping_hash, warehouse_epoch, lineage),
        *capture_gaps(read_installed(connection, plan.name), table_triggers(capture, relations)),
        *guard_gaps(connection, plan.name, groups_of(plan), relations),
    ]
    item_types = frozenset(one.item_type for one in capture.modes if one.mode == "ledger")
    return LedgerState(control, item_types, str(gaps[0]) if gaps else None)
