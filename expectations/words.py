"""The verdicts in a reader's words, in the order in which reports show them; and how words are put."""

from __future__ import annotations

from pipelines.judging.verdict import WRONG

VERDICTS: dict[str, str] = {
    "mismatch": "content differs",
    "missing": "missing in DynamoDB",
    "extra": "only in DynamoDB",
    "stale": "older in DynamoDB",
    "ahead": "newer in DynamoDB than the source",
    "foreign": "in DynamoDB, not written by Crossover",
    "unmapped": "key fits no item type",
    "rejected": "source row cannot become an item",
    "expired": "removed by its time to live",
    "pending": "delivery under way",
    "in_flight": "kept changing while it was read",
    "accepted": "equal by the mapping's own rules",
    "match": "equal",
}

BREAKS_CONSISTENCY = frozenset(verdict.value for verdict in WRONG)
"""One item with one of these, and the stores are not consistent (docs/verdicts.md)."""

LET_PASS = ("rejected", "accepted", "expired")
"""Verdicts that thresholds let pass."""

MODES: dict[str, str] = {
    "ledger": "by the ledger's versions",
    "version": "by the version that each row counts itself",
    "no_ledger": "without a ledger, by content alone",
}
"""What the verdicts could go by."""

KINDS: dict[str, str] = {
    "value": "other value",
    "type": "other type",
    "absent": "on one side only",
}


def sentence(words: str) -> str:
    """Begun as a sentence is; names in it keep their capitals."""
    return words[:1].upper() + words[1:]


def counted(count: int, one: str, many: str = "") -> str:
    """`1 run`, `1,200 runs`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
