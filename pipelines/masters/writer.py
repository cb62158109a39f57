"""Items as an application writes them while DynamoDB is their master."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from pipelines.masters.desk import NOTHING, Change, Columns, Desk, exists, result_of
from pipelines.masters.refusals import ConflictError
from pipelines.masters.sender import Put
from pipelines.masters.transaction import Transaction
from pipelines.reading.shown import Item


class ItemWriter:
    """Given to the function that `Masters.write` calls; of one thread, for that call alone. Items are dictionaries as
    `pipelines.reading.Items` gives them; columns are those of the key templates, as for `Items.get`. Every method
    raises UsageError for arguments that fit no item type or key, TargetError where DynamoDB refuses or is away,
    WriteFencedError where a switch does not end in time, UnknownWriteError."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def get(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> Item | None:
        """Strongly consistent; None where there is none, or it was deleted. A later `put` or `delete` is of what was
        read here."""
        form = self._desk.form(item_type)
        return self._desk.read(form, form.key_of({**columns, **more}), item_type).item()

    def put(self, item_type: str, item: Mapping[str, Any], columns: Columns = NOTHING, /) -> Item:
        """In place of what this writer has read there; a new one where it has read nothing. Returns the item as it is
        stored. `columns`: key columns that no attribute shows. Raises ConflictError where it was changed meanwhile,
        ItemExistsError where there is one that was not read."""
        put, was_read = self._desk.planned_put(item_type, item, columns)
        if not self._desk.sender.put(put):
            self._desk.forget(put)
            raise _changed(item_type) if was_read or put.was is not None else exists(item_type)
        return self._stored(put)

    def update(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        """`change` is given the item and returns what it is to be; it is called again where somebody else was quicker.
        Returns the item as it is stored. Raises NoItemError; ConflictError where it does not come through until the
        deadline; UsageError where the key would change (`move`)."""
        return self._changed(item_type, change, {**columns, **more}, moves=False)

    def move(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        """As `update`, to another key: the item is deleted here and put there at once. Raises ItemExistsError where
        there is one, too."""
        return self._changed(item_type, change, {**columns, **more}, moves=True)

    def delete(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> bool:
        """Whether there was one. Raises ConflictError where it was changed since this writer has read it."""
        given = {**columns, **more}
        form = self._desk.form(item_type)
        was_read = self._desk.known(form, form.key_of(given)) is not None
        for conflicts in count(1):
            put = self._desk.planned_delete(item_type, given)
            if put is None:
                return False
            if self._desk.sender.put(put):
                self._desk.written(put)
                return True
            self._desk.forget(put)
            if was_read:
                raise _changed(item_type)
            self._desk.turn.give_way(conflicts)
        raise AssertionError

    def transaction(self) -> Transaction:
        """For a `with` block: its writes are sent together at the end, all of them or none. Nothing is sent where the
        block raises. Raises ConflictError where something was changed since it was read."""
        return Transaction(self._desk)

    def _changed(self, item_type: str, change: Change, columns: Columns, *, moves: bool) -> Item:
        sender = self._desk.sender
        for conflicts in count(1):
            puts = self._desk.planned_change(item_type, change, columns, moves=moves)
            if sender.put(puts[0]) if len(puts) == 1 else sender.transact(puts):
                return [self._stored(put) for put in puts][-1]
            self._desk.turn.give_way(conflicts)
        raise AssertionError

    def _stored(self, put: Put) -> Item:
        self._desk.written(put)
        return result_of(put).item() or {}


def _changed(item_type: str) -> ConflictError:
    return ConflictError(f"{item_type}: the item was changed since it was read; read it again")
