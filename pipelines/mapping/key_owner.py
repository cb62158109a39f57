"""Whether an item's key tells which source row it belongs to: then no two rows can ever have held one key.

Where it does not, each item and tombstone bears its source key, `_s`, for the condition of a write to ask for.
"""

from __future__ import annotations

from pipelines.items.source_type import NUMBERS, Encoding, Kind
from pipelines.mapping.plan import ColumnValue, ItemPlan, KeyAttribute, Placeholder


def key_names_row(item: ItemPlan) -> bool:
    """Whether every column of the source key stands in the item's key in a form from which it can be read again.

    (What stands side by side in one template cannot run into each other: `template_collisions`.)
    """
    shown = {column for attribute in item.key for column in _readable(attribute)}
    return shown >= set(item.source_key)


def _readable(attribute: KeyAttribute) -> list[str]:
    value = attribute.value
    if isinstance(value, ColumnValue):
        return [value.column] if not value.path and _keeps(value) else []
    return [part.column for part in value.template.placeholders if not part.path and _keeps_text(part)]


def _keeps(value: ColumnValue) -> bool:
    kind = value.type.kind
    match value.encoding:
        case Encoding.N:
            return kind in NUMBERS
        case Encoding.DATE:
            return kind is Kind.DATE
        case Encoding.S | Encoding.TEXT | Encoding.B:
            return True
    return False


def _keeps_text(part: Placeholder) -> bool:
    format = part.format
    return format is None or format.pad is not None or format.escape is not None
