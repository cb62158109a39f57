"""Several writes of an application that are carried out together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.errors import UsageError
from pipelines.masters.desk import NOTHING, Change, Columns, Desk, result_of
from pipelines.masters.refusals import ConflictError
from pipelines.masters.sender import Put
from pipelines.reading.shown import Item

MOST_WRITES = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


class Transaction:
    """Up to 100 writes, one an item, in a `with` block. `get`, `update` and `delete` read at once; nothing is written
    before the block ends."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._puts: dict[tuple[str, str], tuple[str, Put]] = {}

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()

    def get(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> Item | None:
        """As `ItemWriter.get`: without what this transaction is going to write."""
        form = self._desk.form(item_type)
        return self._desk.read(form, form.key_of({**columns, **more}), item_type).item()

    def put(self, item_type: str, item: Mapping[str, Any], columns: Columns = NOTHING, /) -> Item:
        put, _ = self._desk.planned_put(item_type, item, columns)
        self._plan(item_type, put)
        return result_of(put).item() or {}

    def update(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        """`change` is called once: whoever is quicker makes the whole transaction fail."""
        return self._changed(item_type, change, {**columns, **more}, moves=False)

    def move(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        return self._changed(item_type, change, {**columns, **more}, moves=True)

    def delete(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> bool:
        put = self._desk.planned_delete(item_type, {**columns, **more})
        if put is not None:
            self._plan(item_type, put)
        return put is not None

    def commit(self) -> None:
        """At the end of the `with` block. Raises ConflictError."""
        puts = [put for _, put in self._puts.values()]
        if not puts:
            return
        done = self._desk.sender.transact(puts) if len(puts) > 1 else self._desk.sender.put(puts[0])
        if not done:
            for put in puts:
                self._desk.forget(put)
            raise ConflictError(
                f"{', '.join(dict.fromkeys(name for name, _ in self._puts.values()))}: an item of the transaction was "
                "changed since it was read; nothing is written"
            )
        for put in puts:
            self._desk.written(put)

    def _changed(self, item_type: str, change: Change, columns: Columns, *, moves: bool) -> Item:
        puts = self._desk.planned_change(item_type, change, columns, moves=moves)
        for put in puts:
            self._plan(item_type, put)
        return result_of(puts[-1]).item() or {}

    def _plan(self, item_type: str, put: Put) -> None:
        place = (put.table, put.key)
        if place in self._puts:
            raise UsageError(f"{item_type}: a transaction writes each item once; make one change of both")
        if len(self._puts) == MOST_WRITES:
            raise UsageError(f"a transaction has {MOST_WRITES} writes at most; make several of it")
        self._puts[place] = item_type, put
