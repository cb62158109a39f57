"""Whether relays have delivered what a snapshot has not seen.

A table that is made anew lacks it, and no relay will deliver it again: what is marked delivered is done with, though
the table that it went to is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import WarehouseError
from pipelines.source.ledger.item_row import statement
from pipelines.source.ledger.session import LedgerSession
from pipelines.warehouse.manifest import LedgerSeen
from pipelines.warehouse.place import MissingError, Place

_AT_ONCE = 10_000


def delivered_since(session: LedgerSession, seen: LedgerSeen, file: Place) -> int:
    """How many items were delivered newer than the snapshot has them. `file`: the versions that it knows; where it is
    gone, everything that was delivered in this epoch counts. Raises StageError, SourceError, WarehouseError."""
    with session.snapshot(()) as connection:
        delivered = connection.execute(
            "SELECT count(*) FROM crossover.item WHERE migration = %s AND delivered > %s",
            (session.migration, seen.first_version),
        ).fetchone()
        seen_too = 0
        if delivered is not None and delivered[0]:
            for item_type, source_keys, versions in _known(file):
                found = connection.execute(
                    statement(
                        "SELECT count(*) FROM unnest(%s::text[], %s::int8[]) AS k (source_key, version)"
                        " {item} WHERE i.delivered > %s AND i.delivered <= k.version"
                    ),
                    (source_keys, versions, session.migration, item_type, seen.first_version),
                ).fetchone()
                seen_too += found[0] if found is not None else 0
        return int(delivered[0]) - seen_too if delivered is not None else 0


def _known(file: Place) -> Iterator[tuple[str, list[str], list[int]]]:
    """Of one item type each, some thousand at a time."""
    try:
        with file.open_input() as source:
            for batch in pq.ParquetFile(source).iter_batches(_AT_ONCE, columns=["item_type", "source_key", "version"]):
                rows = sorted(zip(*(column.to_pylist() for column in batch.columns), strict=True))
                for item_type, group in groupby(rows, itemgetter(0)):
                    _, source_keys, versions = zip(*group, strict=True)
                    yield item_type, list(source_keys), list(versions)
    except MissingError:
        return
    except (OSError, pa.ArrowException):
        raise WarehouseError(f"{file}: damaged; take a new snapshot") from None
