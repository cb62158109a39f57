"""Every measure that Crossover emits, beside the counters that `counted` names."""

from __future__ import annotations

from pipelines.monitoring.metric import Kind, Measure, Unit


def _count(name: str, meaning: str) -> Measure:
    return Measure(name, Unit.COUNT, Kind.COUNTER, meaning)


def _gauge(name: str, meaning: str, unit: Unit = Unit.COUNT) -> Measure:
    return Measure(name, unit, Kind.GAUGE, meaning)


UNDELIVERED_ITEMS = _gauge("UndeliveredItems", "Items that have changed and are not delivered yet.")
LEASED_ITEMS = _gauge("LeasedItems", "Undelivered items that a relay is at.")
FAILING_ITEMS = _gauge("FailingItems", "Undelivered items that were tried in vain.")
SET_APART_ITEMS = _gauge(
    "SetApartItems", "Dead letters: tried in vain ten times, or nothing can deliver them as they are."
)
REJECTED_ITEMS = _gauge("RejectedItems", "Rows that cannot be items.")
OLDEST_UNDELIVERED = _gauge(
    "OldestUndeliveredSeconds",
    "The lag: for how long the oldest undelivered item has been so; 0 without any.",
    Unit.SECONDS,
)
OPEN_MARKS = _gauge("OpenMarks", "Changes that reach items through other rows, and are not expanded yet.")
RELAYS_ALIVE = _gauge("RelaysAlive", "Relays that have shown themselves in the ledger lately.")
RELAY_PAUSED = _gauge("RelayPaused", "1 while deliveries are paused, else 0.", Unit.NONE)

DELIVERED = _count("Delivered", "Writes that DynamoDB took, or had taken before.")
SUPERSEDED = _count("Superseded", "Writes that were refused because something newer is there.")
CONFLICTS = _count("Conflicts", "Writes that met what nobody of ours has written.")
FAILED_DELIVERIES = _count("FailedDeliveries", "Writes without an answer, not sent, in conflict, or impossible.")
DELIVERY_LATENCY = Measure(
    "DeliveryLatency",
    Unit.SECONDS,
    Kind.DISTRIBUTION,
    "From when an item became undelivered to when it was marked delivered.",
)

VERIFIED_ITEMS = _gauge("VerifiedItems", "Items of the last verification, by verdict.")
CONSISTENT = _gauge("Consistent", "1 where the last verification found both stores equal, else 0.", Unit.NONE)
VERIFICATION_FAILED = _gauge(
    "VerificationFailed", "1 where the last verification came to no verdict, else 0.", Unit.NONE
)
