"""`Items` for coroutines: the same calls, in threads of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pipelines.reading.items import Items, Page
from pipelines.reading.offload import THREADS, Offload
from pipelines.reading.shown import Item

_NOTHING: Mapping[str, Any] = {}


class AsyncItems:
    """Each method is that of `Items` of the same name, and raises what it raises. `threads`: so many reads are under
    way at a time at most; more wait. Any number of event loops may share one."""

    def __init__(self, items: Items, threads: int = THREADS) -> None:
        self._items = items
        self._offload = Offload("crossover-items", threads)

    async def get(
        self, item_type: str, columns: Mapping[str, object] = _NOTHING, /, *, consistent: bool = False, **more: object
    ) -> Item | None:
        return await self._offload.run(partial(self._items.get, item_type, columns, consistent=consistent, **more))

    async def list(
        self,
        item_type: str,
        columns: Mapping[str, object] = _NOTHING,
        /,
        *,
        begins: Mapping[str, str] = _NOTHING,
        between: Mapping[str, Sequence[object]] = _NOTHING,
        reverse: bool = False,
        consistent: bool = False,
        page_size: int = 100,
        cursor: str | None = None,
        **more: object,
    ) -> Page:
        return await self._offload.run(
            partial(
                self._items.list,
                item_type,
                {**columns, **more},
                begins=begins,
                between=between,
                reverse=reverse,
                consistent=consistent,
                page_size=page_size,
                cursor=cursor,
            )
        )

    async def by_index(
        self,
        index: str,
        item_type: str,
        columns: Mapping[str, object] = _NOTHING,
        /,
        *,
        begins: Mapping[str, str] = _NOTHING,
        between: Mapping[str, Sequence[object]] = _NOTHING,
        reverse: bool = False,
        page_size: int = 100,
        cursor: str | None = None,
        **more: object,
    ) -> Page:
        return await self._offload.run(
            partial(
                self._items.by_index,
                index,
                item_type,
                {**columns, **more},
                begins=begins,
                between=between,
                reverse=reverse,
                page_size=page_size,
                cursor=cursor,
            )
        )

    def close(self) -> None:
        """Ends the threads, each after its read."""
        self._offload.close()
