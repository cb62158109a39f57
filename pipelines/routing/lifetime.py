"""What becomes of a Router's parts when its process ends, and in a process that was forked.

A Router's threads import nothing: a process that is forked while one of them does has the module's lock for ever, and
whoever needs the module there waits for ever.
"""

from __future__ import annotations

import atexit
import os
from typing import Protocol
from weakref import WeakSet

LAST_SECONDS = 5.0
"""That the end of a process waits for its last counts."""


class Closes(Protocol):
    def close(self, most_seconds: float | None = None) -> None: ...


class Begins(Protocol):
    def begin(self) -> None:
        """As it was when it was made: of a parent's threads, and of what they were doing, a child has none."""
        ...


_to_close: WeakSet[Closes] = WeakSet()
_to_begin: WeakSet[Begins] = WeakSet()


def close_at_exit(one: Closes) -> None:
    _to_close.add(one)


def begin_after_fork(*ones: Begins) -> None:
    for one in ones:
        _to_begin.add(one)


def _at_exit() -> None:
    for one in [*_to_close]:
        one.close(LAST_SECONDS)


def _after_fork() -> None:
    for one in [*_to_begin]:
        one.begin()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
