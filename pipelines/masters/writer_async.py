"""`ItemWriter` for coroutines: the same calls, in threads of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pipelines.masters.desk import NOTHING, Change, Columns
from pipelines.masters.transaction import Transaction
from pipelines.masters.writer import ItemWriter
from pipelines.reading.offload import Offload
from pipelines.reading.shown import Item


class AsyncItemWriter:
    """Each method is that of `ItemWriter` of the same name; one after the other, not at once. `change` runs in the
    thread."""

    def __init__(self, writer: ItemWriter, offload: Offload) -> None:
        self._writer, self._offload = writer, offload

    async def get(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> Item | None:
        return await self._offload.run(partial(self._writer.get, item_type, columns, **more))

    async def put(self, item_type: str, item: Mapping[str, Any], columns: Columns = NOTHING, /) -> Item:
        return await self._offload.run(partial(self._writer.put, item_type, item, columns))

    async def update(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        return await self._offload.run(partial(self._writer.update, item_type, change, columns, **more))

    async def move(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        return await self._offload.run(partial(self._writer.move, item_type, change, columns, **more))

    async def delete(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> bool:
        return await self._offload.run(partial(self._writer.delete, item_type, columns, **more))

    def transaction(self) -> AsyncTransaction:
        """For an `async with` block."""
        return AsyncTransaction(self._writer.transaction(), self._offload)


class AsyncTransaction:
    """Each method is that of `Transaction` of the same name."""

    def __init__(self, transaction: Transaction, offload: Offload) -> None:
        self._transaction, self._offload = transaction, offload

    async def __aenter__(self) -> AsyncTransaction:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._offload.run(self._transaction.commit)

    async def get(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> Item | None:
        return await self._offload.run(partial(self._transaction.get, item_type, columns, **more))

    async def put(self, item_type: str, item: Mapping[str, Any], columns: Columns = NOTHING, /) -> Item:
        return await self._offload.run(partial(self._transaction.put, item_type, item, columns))

    async def update(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        return await self._offload.run(partial(self._transaction.update, item_type, change, columns, **more))

    async def move(self, item_type: str, change: Change, columns: Columns = NOTHING, /, **more: object) -> Item:
        return await self._offload.run(partial(self._transaction.move, item_type, change, columns, **more))

    async def delete(self, item_type: str, columns: Columns = NOTHING, /, **more: object) -> bool:
        return await self._offload.run(partial(self._transaction.delete, item_type, columns, **more))
