"""`crossover relay M --replay`: one item, or all of an item type, delivered once more."""

from __future__ import annotations

import json

from pipelines.deliver.opened import OpenedLedger
from pipelines.deliver.reading import read
from pipelines.errors import UsageError
from pipelines.items.reject import Unrepresentable
from pipelines.mapping.online import source_key_text
from pipelines.mapping.outcome import Absent
from pipelines.mapping.plan import ItemPlan
from pipelines.source.ledger.replay import is_known, replay_item_type, replay_items


def replay(ledger: OpenedLedger, item_type: str, key: str | None) -> None:
    """`key`: a source key as JSON, `{"order_id":"6"}`, or `order_id=6`; None: all of the item type.

    Raises UsageError for what there is not, StageError, SourceError.
    """
    if item_type not in ledger.item_types:
        raise UsageError(f"--item-type: {item_type!r} is not captured; there are {', '.join(ledger.item_types)}")
    if key is None:
        replay_item_type(ledger.session, item_type)
        return
    item = ledger.plan.item(item_type)
    source_key = parsed_source_key(item, key)
    (reading,) = read(ledger.session, item, [source_key])
    if isinstance(reading.outcome, Absent) and not is_known(ledger.session, item_type, source_key):
        raise UsageError(f"--key: {item_type} {source_key}: there is no such row, and the ledger never heard of one")
    replay_items(ledger.session, item_type, [source_key])


def parsed_source_key(item: ItemPlan, text: str) -> str:
    """As records bear it. Raises UsageError."""
    columns = ", ".join(item.source_key)
    if text.lstrip().startswith("{"):
        try:
            values = {name: _text(value) for name, value in json.loads(text, parse_float=str).items()}
        except (ValueError, RecursionError):
            raise UsageError(f"--key: no JSON object of texts; give a value for each of {columns}") from None
    else:
        values = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if set(values) != set(item.source_key):
        raise UsageError(f"--key: give {item.name}'s source key, a value for each of {columns} and nothing else")
    try:
        return source_key_text((column, values[column]) for column in item.source_key)
    except Unrepresentable as error:
        raise UsageError(f"--key: {error.detail}; give a value for each of {columns}") from None


def _text(value: object) -> str:
    """Numbers and booleans as templates have them. Raises ValueError for what is no key's value."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return json.dumps(value)
    raise ValueError("neither a text, a number nor a boolean")
