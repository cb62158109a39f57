"""The asynchronous face passes on what it is given, and blocks threads of its own, so many and no more."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

from pipelines.reading import AsyncItems, Items, Page

pytestmark = pytest.mark.unit

LIST: dict[str, Any] = {"begins": {"b": "x"}, "between": {"c": (1, 2)}, "reverse": True, "page_size": 7, "cursor": "z"}


class _Items:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.threads: set[str] = set()
        self.at_once, self.most = 0, 0
        self.lock = threading.Lock()
        self.go = threading.Event()
        self.go.set()

    def get(self, *arguments: Any, **named: Any) -> Any:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.go.wait(10)
        with self.lock:
            self.at_once -= 1
        self.threads.add(threading.current_thread().name)
        self.calls.append((arguments, named))
        if "fails" in arguments:
            raise KeyError("fails")
        return {"found": 1}

    def list(self, *arguments: Any, **named: Any) -> Page:
        self.calls.append((arguments, named))
        return Page(())

    by_index = list


def asynchronous(items: _Items, threads: int = 4) -> AsyncItems:
    return AsyncItems(items, threads)  # type: ignore[arg-type]


def test_what_is_given_is_passed_on() -> None:
    items = _Items()

    async def ask() -> None:
        one = asynchronous(items)
        assert await one.get("order", {"a.b": 1}, consistent=True, id=2) == {"found": 1}
        assert await one.list("order", {"a.b": 1}, id=2, consistent=True, **LIST) == Page(())
        assert await one.by_index("gsi1", "order", {"a.b": 1}, id=2, **LIST) == Page(())
        with pytest.raises(KeyError):
            await one.get("fails")
        one.close()

    asyncio.run(ask())
    get, listed, indexed, _ = items.calls
    assert get == (("order", {"a.b": 1}), {"consistent": True, "id": 2})
    assert listed == (("order", {"a.b": 1, "id": 2}), {"consistent": True, **LIST})
    assert indexed == (("gsi1", "order", {"a.b": 1, "id": 2}), LIST)


def test_it_takes_what_items_take() -> None:
    for name in ("get", "list", "by_index"):
        theirs, ours = (inspect.signature(getattr(one, name)).parameters for one in (Items, AsyncItems))
        assert {one: found.default for one, found in theirs.items()} == {
            one: found.default for one, found in ours.items()
        }


def test_the_event_loop_goes_on_and_no_more_threads_than_said_wait() -> None:
    items = _Items()
    items.go.clear()

    async def ask() -> None:
        one = asynchronous(items, threads=3)
        reads = [asyncio.ensure_future(one.get("order", id=n)) for n in range(10)]
        while items.at_once < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        items.go.set()
        await asyncio.gather(*reads)

    asyncio.run(ask())
    assert items.most == 3 and len(items.calls) == 10
    assert len(items.threads) <= 3 and all(name.startswith("crossover-items") for name in items.threads)
