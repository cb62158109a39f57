"""Which bucket a key falls into: `pmod(xxhash64(key), n)`, the same number in Spark and in Python.

A key can only meet its own bucket on the other side, so the diff needs no shuffle. Spark's `xxhash64` of one
string is XXH64 with seed 42, read as a signed 64-bit integer (org.apache.spark.sql.catalyst.expressions.XxHash64).
"""

from __future__ import annotations

import xxhash

DEFAULT_BUCKETS = 64
_SEED = 42


def bucket_of(key: str, buckets: int) -> int:
    """The bucket, 0 <= bucket < buckets, of a canonical key."""
    unsigned = xxhash.xxh64_intdigest(key.encode(), seed=_SEED)
    signed = unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned
    return signed % buckets
