"""What one bucket's comparison counted, and what all of them come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.diff.paths import PathDifference, PathKind
from pipelines.diff.verdict import plus
from pipelines.warehouse.manifest import Verdicts
from pipelines.warehouse.place import MissingError, Place

BUCKETS = "buckets"
MOST_ATTRIBUTES = 10_000  # whose paths a bucket counts apart
TOP_ATTRIBUTES = 100  # in the summary


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AttributeCount(_Frozen):
    """In how many places a path without its indexes, `lines[].price`, differs in one way. `accepted`: as the mapping's
    `compare` lets it."""

    item_type: str
    path: str
    kind: PathKind
    count: int
    accepted: bool = False


class BucketAccount(_Frozen):
    """source_records + source_rejects + target_only = the sum of all verdicts. Unmapped items under "".

    `judged_again`: differences of the snapshot's that were judged by reading again, equal by now or not;
    `not_judged_again`: those whose verdict is the snapshot's."""

    bucket: int
    source_records: int
    source_rejects: int
    target_items: int
    target_only: int
    item_types: dict[str, Verdicts]
    differences: int
    attributes: tuple[AttributeCount, ...]
    other_attributes: int  # path differences not among `attributes`
    judged_again: int = 0
    not_judged_again: int = 0

    @property
    def union(self) -> int:
        return self.source_records + self.source_rejects + self.target_only

    @property
    def verdicts(self) -> Verdicts:
        return total(self.item_types.values())


class DiffSummary(_Frozen):
    """`summary.json`. `attributes`: the TOP_ATTRIBUTES most frequent; `other_attributes` counts the rest."""

    migration: str
    run_id: str
    snapshot_id: str
    dump_id: str
    consistent: bool
    reasons: tuple[str, ...]
    source_records: int
    source_rejects: int
    target_items: int
    coverage: float = 1.0  # share of the buckets that was compared
    union: int
    differences: int
    judged_again: int = 0
    not_judged_again: int = 0
    not_judged_because: str = ""
    verdicts: Verdicts
    item_types: dict[str, Verdicts]
    attributes: tuple[AttributeCount, ...]
    other_attributes: int


class AttributeCounter:
    """Counts path differences by item type, general path and kind, in bounded memory."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, PathKind, bool]] = Counter()
        self.others = 0

    def watch(self, item_type: str, paths: Iterable[PathDifference]) -> Iterator[PathDifference]:
        """The same paths, counted as they pass."""
        for path in paths:
            self.add_paths(item_type, (path,))
            yield path

    def add_paths(self, item_type: str, paths: Iterable[PathDifference]) -> None:
        for path in paths:
            self._count((item_type, path.general, path.kind, bool(path.accepted_by)), 1)

    def add(self, one: AttributeCount) -> None:
        self._count((one.item_type, one.path, one.kind, one.accepted), one.count)

    def top(self, limit: int) -> tuple[AttributeCount, ...]:
        """The most frequent first, equals by name."""
        ordered = sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(
            AttributeCount(item_type=item_type, path=path, kind=kind, count=count, accepted=accepted)
            for (item_type, path, kind, accepted), count in ordered[:limit]
        )

    @property
    def total(self) -> int:
        return self._counts.total() + self.others

    def _count(self, attribute: tuple[str, str, PathKind, bool], count: int) -> None:
        if attribute in self._counts or len(self._counts) < MOST_ATTRIBUTES:
            self._counts[attribute] += count
        else:
            self.others += count


def total(verdicts: Iterable[Verdicts]) -> Verdicts:
    result = Verdicts()
    for one in verdicts:
        result = plus(result, one)
    return result


def by_item_type(accounts: Iterable[BucketAccount], known: Iterable[str]) -> dict[str, Verdicts]:
    """Every known item type, counted or not, in order; whatever else was met behind them."""
    result = {name: Verdicts() for name in known}
    for account in accounts:
        for item_type, verdicts in account.item_types.items():
            result[item_type] = plus(result.get(item_type, Verdicts()), verdicts)
    return result


def top_attributes(accounts: Iterable[BucketAccount]) -> tuple[tuple[AttributeCount, ...], int]:
    """The most frequent paths of all buckets, and how many path differences are not among them."""
    counter = AttributeCounter()
    for account in accounts:
        for one in account.attributes:
            counter.add(one)
        counter.others += account.other_attributes
    top = counter.top(TOP_ATTRIBUTES)
    return top, counter.total - sum(one.count for one in top)


def account_file(folder: Place, bucket: int) -> Place:
    """`folder` is the diff's."""
    return folder / BUCKETS / f"bucket={bucket}.json"


def read_account(folder: Place, bucket: int) -> BucketAccount | None:
    try:
        return BucketAccount.model_validate_json(account_file(folder, bucket).read_text())
    except (MissingError, ValidationError):
        return None


def write_account(folder: Place, account: BucketAccount) -> None:
    account_file(folder, account.bucket).write_atomically(account.model_dump_json() + "\n")
