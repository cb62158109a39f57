"""What an application's write can meet, each in one clear line."""

from __future__ import annotations

from pipelines.errors import CrossoverError


class WriteFencedError(CrossoverError):
    """No store took the write within its deadline: a switch is under way, or nobody can be asked which one is the
    master."""

    code = "write_fenced"


class ConflictError(CrossoverError):
    """The item is another one than what was read: somebody else was quicker."""

    code = "conflict"


class ItemExistsError(ConflictError):
    """An item was put that had not been read, and there is one."""

    code = "item_exists"


class NoItemError(CrossoverError):
    """There is no item to change, or it was deleted."""

    code = "no_item"


class UnknownWriteError(CrossoverError):
    """The answer was lost, and too much has been written since to tell whether the write was carried out."""

    code = "unknown_write"
