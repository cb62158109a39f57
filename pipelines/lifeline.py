"""Nothing outlives the command that started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

DIE_WITH_PARENT = "CROSSOVER_DIE_WITH_PARENT"
_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Where the environment asks for it (the Makefile does): be told to stop when the starter dies, even of SIGKILL.

    Not by default: the signal comes with the death of the *thread* that started us, which is not always meant.
    """
    if os.environ.pop(DIE_WITH_PARENT, "") == "1":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


def child_dies_with_us() -> None:
    """A `preexec_fn` for a child that can be interrupted, and that is told to stop when we die, even of SIGKILL."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def terminate_cleanly() -> Iterator[None]:
    """SIGTERM ends like an interrupt does: what was started is stopped on the way out."""

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
