"""Small pieces of work on places: one after the other on a disk, some at once where each waits for the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipelines.warehouse.place import Place

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16


def each(work: Callable[[T], R], things: Iterable[T], where: Place) -> list[R]:
    """`work` of all `things`, in their order; `where` is a place that they are all about. Raises its first error."""
    if where.local is not None:
        return [work(thing) for thing in things]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="warehouse") as pool:
        return list(pool.map(work, things))
