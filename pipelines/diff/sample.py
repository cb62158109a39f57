"""A share of the buckets: always the same ones, a larger share having all of a smaller one's.

A key's bucket is its hash, so that any few buckets are a fair sample of all keys.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil

import xxhash

from pipelines.diff.bucket import reject_buckets
from pipelines.diff.sides import SideCounts
from pipelines.errors import UsageError
from pipelines.warehouse.dataset import RECORDS, count_rows, reject_batches
from pipelines.warehouse.manifest import DumpManifest, RecordsManifest
from pipelines.warehouse.place import Place

_LEAST = Decimal("1E-9")
"""Of any number of buckets less than one. What is smaller can have more digits than there is memory for."""


def share_of(text: str | None) -> Decimal | None:
    """The F of `--sample F`. Raises UsageError."""
    if text is None:
        return None
    try:
        share = Decimal(text)
    except InvalidOperation:
        share = Decimal(0)
    if not (share.is_finite() and 0 < share <= 1):
        raise UsageError(f"--sample {text}: give a share above 0 and up to 1, 0.1 for a tenth of the keys")
    return share


def sampled_buckets(share: Decimal, buckets: int) -> tuple[int, ...]:
    """At least that share of the numbers from 0, ascending; the order in which they join is that of their hashes."""
    by_hash = sorted(range(buckets), key=lambda bucket: xxhash.xxh64_intdigest(str(bucket).encode()))
    return tuple(sorted(by_hash[: ceil(_exact(share) * buckets)]))


def too_few(compared: int, buckets: int, least: Decimal) -> tuple[str, ...]:
    """Why so many of the buckets are not enough to call the stores consistent; empty where they are."""
    if compared >= _exact(least) * buckets:
        return ()
    return (f"{compared:,} of {buckets:,} buckets compared, the mapping asks for {'all' if least == 1 else least}",)


def _exact(share: Decimal) -> Fraction:
    return Fraction(max(share, _LEAST))


def counts_within(
    compared: Collection[int], records: RecordsManifest, dump: DumpManifest, source: Place, target: Place
) -> SideCounts:
    """What the compared buckets hold: by the manifests all that there is, less what the files of the others hold.

    So a file that is lost is missed whichever bucket it was of. `source`, `target`: the records' and the dump's folder.
    """
    others = frozenset(range(records.buckets)).difference(compared)
    return SideCounts(
        source_records=records.records - count_rows(source / RECORDS, others),
        source_rejects=records.rejects - (_rejects_within(others, source, records.buckets) if others else 0),
        target_items=dump.items - count_rows(target / RECORDS, others),
    )


def _rejects_within(chosen: Collection[int], source: Place, buckets: int) -> int:
    batches = reject_batches(source, ("key", "source_key"))
    return sum(bucket in chosen for batch in batches for bucket in reject_buckets(batch, buckets))
