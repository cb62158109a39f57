"""The metrics of a relay: what the ledger's health is, and what the relay has done since the last time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from pipelines.monitoring import measures
from pipelines.monitoring.metric import Distribution, Kind, Measure, Metric, Unit

_DELIVERED = ("written", "tombstoned", "done")
_FAILED = ("unknown", "not_sent", "conflict", "impossible")


class ItemTypeHealth(Protocol):
    """In items, of one item type."""

    @property
    def item_type(self) -> str: ...
    @property
    def undelivered(self) -> int: ...
    @property
    def leased(self) -> int: ...
    @property
    def failing(self) -> int: ...
    @property
    def set_apart(self) -> int: ...
    @property
    def rejected(self) -> int: ...


class Health(Protocol):
    """`oldest_seconds`: None where nothing is undelivered. `relays`: those alive."""

    @property
    def item_types(self) -> Sequence[ItemTypeHealth]: ...
    @property
    def marks(self) -> int: ...
    @property
    def oldest_seconds(self) -> float | None: ...
    @property
    def paused(self) -> bool: ...
    @property
    def relays(self) -> Collection[object]: ...


def relay_metrics(health: Health, counts: Mapping[str, int], latencies: Distribution | None) -> list[Metric]:
    """`counts`: of writes by verdict, since the last time, as `Delivered.counts`; `latencies`: since then, too."""
    return [
        *_of_item_types(health.item_types),
        Metric(measures.OLDEST_UNDELIVERED, health.oldest_seconds or 0.0),
        Metric(measures.OPEN_MARKS, health.marks),
        Metric(measures.RELAYS_ALIVE, len(health.relays)),
        Metric(measures.RELAY_PAUSED, int(health.paused)),
        Metric(measures.DELIVERED, sum(counts.get(name, 0) for name in _DELIVERED)),
        Metric(measures.SUPERSEDED, counts.get("superseded", 0)),
        Metric(measures.CONFLICTS, counts.get("conflict", 0)),
        Metric(measures.FAILED_DELIVERIES, sum(counts.get(name, 0) for name in _FAILED)),
        *([Metric(measures.DELIVERY_LATENCY, latencies)] if latencies else []),
    ]


def counted(what: str, counts: Mapping[str, int]) -> list[Metric]:
    """Counters of whatever else counts: `counted("DualWrite", {"left_behind": 2})` is DualWriteLeftBehind, 2 more."""
    return [
        Metric(Measure(f"{what}{_camel(name)}", Unit.COUNT, Kind.COUNTER, f"{what}: {name.replace('_', ' ')}."), count)
        for name, count in counts.items()
    ]


def _of_item_types(item_types: Sequence[ItemTypeHealth]) -> Iterator[Metric]:
    """Of each item type, and their sum: an alarm of CloudWatch's cannot add up what it finds."""
    for measure, field in (
        (measures.UNDELIVERED_ITEMS, "undelivered"),
        (measures.LEASED_ITEMS, "leased"),
        (measures.FAILING_ITEMS, "failing"),
        (measures.SET_APART_ITEMS, "set_apart"),
        (measures.REJECTED_ITEMS, "rejected"),
    ):
        counts = {one.item_type: int(getattr(one, field)) for one in item_types}
        yield from (Metric(measure, count, item_type=item_type) for item_type, count in counts.items())
        yield Metric(measure, sum(counts.values()))


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
