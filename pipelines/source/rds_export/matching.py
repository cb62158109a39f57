"""Columns of texts nearly all of which have the usual form: the usual ones at once, the rest one by one."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc


def all_match(texts: pa.Array, pattern: str) -> bool:
    """Whether all but NULLs do. `pattern` is RE2's."""
    return pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py() is not False


def mapped_where_not(pattern: str, texts: pa.Array, each: Callable[[str], str]) -> pa.Array:
    """The texts that match as they are, of the others `each`; NULLs stay."""
    usual = pc.fill_null(pc.match_substring_regex(texts, pattern), True)
    unusual = pc.invert(usual)
    if not pc.any(unusual, min_count=0).as_py():
        return texts
    others = pa.array([each(text) for text in texts.filter(unusual).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, unusual, others)
