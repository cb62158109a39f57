"""Which keys may be shown."""

from __future__ import annotations

from dataclasses import dataclass

from expectations.display import key
from pipelines.diff.sensitive import MASK
from pipelines.mapping.plan import MigrationPlan


@dataclass(frozen=True)
class KeyMask:
    """Item types whose key shows something sensitive, and the tables that they are in.

    A key in such a table that fits no item type could be one of them, written wrongly: it is masked too.
    """

    item_types: frozenset[str]
    tables: frozenset[str]

    @classmethod
    def of(cls, plan: MigrationPlan) -> KeyMask:
        sensitive = [item for item in plan.items if item.key_sensitive]
        return cls(frozenset(item.name for item in sensitive), frozenset(item.table for item in sensitive))

    def hides(self, item_type: str, table: str) -> bool:
        return item_type in self.item_types or (not item_type and table in self.tables)

    def shown(self, document: str, item_type: str, table: str) -> str:
        """A key, or a source key, for a reader."""
        return MASK if self.hides(item_type, table) else key(document)
