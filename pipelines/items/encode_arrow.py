"""Encodings that have no exact Spark expression: whole Arrow batches through the Python form.

JSON documents, arrays, and numbers read from text.
"""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa

from pipelines.items.arrow_spark import ArrowFunction, texts_of
from pipelines.items.encode import Encoder, encoder
from pipelines.items.reject import Unrepresentable
from pipelines.items.size import value_size
from pipelines.items.source_type import Encoding, SourceType
from pipelines.items.sql_text import Column

_OUTCOME = pa.schema(
    [
        pa.field("fragment", pa.string()),
        pa.field("size", pa.int32()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
    ]
)


def encode_batches(type: SourceType, encoding: Encoding, depth: int, value: Column) -> Column:
    """`struct<fragment, size, reason, detail>` of a column without a `::raw` beside it."""

    def encode_batch(values: pa.Array) -> pa.Array:
        encode_value = encoder(type, encoding, depth)
        members = values.to_pylist() if type.utf8 else texts_of(values)
        outcomes = [_outcome(encode_value, member) for member in members]
        return pa.array(outcomes, type=pa.struct(list(_OUTCOME)))

    meaning = hashlib.sha256(repr((type, encoding, depth)).encode()).hexdigest()
    ddl = "struct<fragment: string, size: int, reason: string, detail: string>"
    return ArrowFunction(f"crossover_encode_{meaning}", encode_batch, ddl)(value)


def _outcome(encode_value: Encoder, value: object) -> dict[str, object]:
    try:
        fragment = encode_value(value, None)
    except Unrepresentable as refusal:
        return {"fragment": None, "size": None, "reason": str(refusal.reason), "detail": refusal.detail}
    size = None if fragment is None else value_size(json.loads(fragment))
    return {"fragment": fragment, "size": size, "reason": None, "detail": None}
