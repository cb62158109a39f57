"""Writes of applications, sent to the store that is the master (docs/masters.md; docs/protocol.md, rule 15)."""

from pipelines.masters.masters import Masters
from pipelines.masters.refusals import (
    ConflictError,
    ItemExistsError,
    NoItemError,
    UnknownWriteError,
    WriteFencedError,
)
from pipelines.masters.transaction import Transaction
from pipelines.masters.writer import ItemWriter
from pipelines.masters.writer_async import AsyncItemWriter

__all__ = [
    "AsyncItemWriter",
    "ConflictError",
    "ItemExistsError",
    "ItemWriter",
    "Masters",
    "NoItemError",
    "Transaction",
    "UnknownWriteError",
    "WriteFencedError",
]
