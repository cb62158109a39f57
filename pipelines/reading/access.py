"""What an item type is read by: its table's key or an index's."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.errors import UsageError
from pipelines.items.size import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES
from pipelines.mapping.model import Mapping
from pipelines.mapping.plan import EmbedValue, ItemPlan
from pipelines.reading.key_value import KeyedValue, KeyValue

_LIMITS = (MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES)


@dataclass(frozen=True)
class Access:
    """`keys`: the partition key, then the sort key where there is one. `cursor_shape`: the attributes that tell
    where a page ended, with their types."""

    table: str
    index: str | None
    keys: tuple[KeyValue, ...]
    table_keys: tuple[str, ...]
    cursor_shape: dict[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for key in self.keys for column in key.columns))


def table_access(mapping: Mapping, plan: ItemPlan) -> Access:
    keys = tuple(
        KeyValue(plan.name, key.name, key.type, key.value, limit) for key, limit in zip(plan.key, _LIMITS, strict=False)
    )
    specs = mapping.target.tables[plan.table].keys
    return Access(
        plan.table, None, keys, tuple(spec.name for spec in specs), {spec.name: spec.type.value for spec in specs}
    )


def index_access(mapping: Mapping, plan: ItemPlan, index: str) -> Access:
    """Raises UsageError where the table has no such index, no item of this type is in it, or it cannot hide what was
    deleted."""
    table = mapping.target.tables[plan.table]
    spec = table.indexes.get(index)
    if spec is None:
        there = ", ".join(table.indexes) or "none"
        raise UsageError(f"no index `{index}` of table {plan.table}; there: {there}")
    specs = [spec.partition_key] if spec.sort_key is None else [spec.partition_key, spec.sort_key]
    names = {key.name for key in specs}
    if spec.projection != "all" and names <= {key.name for key in table.keys}:
        raise UsageError(
            f"index `{index}` shows deleted items and does not carry what tells them apart; make its projection all"
        )
    values = _keyed_values(plan)
    absent = [key.name for key in specs if key.name not in values]
    if absent:
        raise UsageError(f"no {plan.name} is in index `{index}`: it has no attribute `{absent[0]}`")
    keys = tuple(
        KeyValue(plan.name, key.name, key.type, values[key.name], limit)
        for key, limit in zip(specs, _LIMITS, strict=False)
    )
    shape = {key.name: key.type.value for key in (*table.keys, *specs)}
    return Access(plan.table, index, keys, tuple(key.name for key in table.keys), shape)


def _keyed_values(plan: ItemPlan) -> dict[str, KeyedValue]:
    own: dict[str, KeyedValue] = {key.name: key.value for key in plan.key}
    for attribute in plan.root.attributes:
        if not isinstance(attribute.value, EmbedValue):
            own[attribute.name] = attribute.value
    return own
