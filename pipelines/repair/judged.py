"""A run's differences in batches, and what they are by now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.diff.differences import DIFFERENCES
from pipelines.diff.suspects import suspect_batches
from pipelines.judging.judge import Judge
from pipelines.judging.suspect import Judgement, Suspect
from pipelines.mapping.outcome import Assembled
from pipelines.warehouse.place import Place

_FILE = re.compile(r"bucket=(\d+)\.parquet")


@dataclass(frozen=True)
class Batch:
    """Some hundred differences, always the same ones under the same name."""

    name: str
    suspects: tuple[Suspect, ...]


def batches(diff: Place) -> Iterator[Batch]:
    """`diff`: the run's folder. Rows that share a key are in one batch."""
    for bucket in _buckets(diff):
        for number, rows in enumerate(suspect_batches(diff, bucket)):
            suspects = (Suspect(row["item_type"], row["table"], row["key"], row["source_key"]) for row in rows)
            yield Batch(f"{bucket:04}-{number:06}", tuple(suspects))


def _buckets(diff: Place) -> list[int]:
    names = (_FILE.fullmatch(file.name) for file in (diff / DIFFERENCES).files(".parquet"))
    return sorted(int(name[1]) for name in names if name is not None)


def judged(judge: Judge, suspects: Sequence[Suspect]) -> Iterator[Judgement]:
    """An item type at a time."""
    for item_type in dict.fromkeys(suspect.item_type for suspect in suspects):
        yield from judge.judge(item_type, [one for one in suspects if one.item_type == item_type])


def key_of(judgement: Judgement) -> str | None:
    """Of a reject that could not have one, the one that it has by now."""
    outcome = judgement.source.outcome
    return judgement.suspect.key or (outcome.key if isinstance(outcome, Assembled) else None)
