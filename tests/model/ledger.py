"""Compaction, the touch that raises a version, and what a relay marks as delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.model.rules import Rules
from tests.model.state import EPOCH, Delivery, Item, LeftKey, Log, State, Stored, version_of, with_item, with_log

Step = tuple[str, State]


def compaction_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Log rows become `base`, the keys left with them become `keys`, in one transaction: the version stays the same."""
    for subject, log in enumerate(state.log):
        if not log.appended:
            continue
        emptied = with_log(state, subject, Log())
        if rules.compact_in_one_transaction:
            yield f"log of row {subject} folded into base", folded(emptied, subject, log)
        elif not state.half_folded:
            yield f"log rows of row {subject} deleted, and committed", emptied._replace(half_folded=((subject, log),))
    for subject, log in state.half_folded:
        yield f"base of row {subject} raised for them", folded(state._replace(half_folded=()), subject, log)


def folded(state: State, subject: int, log: Log) -> State:
    item = state.items[subject] or Item()
    base = item.base + log.appended
    left = {LeftKey(key, state.control.epoch * EPOCH + base) for key in log.old_keys}
    return with_item(state, subject, item._replace(base=base, keys=merged(item.keys, left)))


def merged(known: frozenset[LeftKey], new: Iterable[LeftKey]) -> frozenset[LeftKey]:
    """One entry for a key, the latest."""
    latest = {left.key: left for left in sorted({*known, *new})}
    return frozenset(latest.values())


def touched(state: State, subject: int, above: int, key: int | None = None) -> State:
    """The version is over `above` from now on; the content does not change. Repeated, it changes nothing. It needs no
    count of the log, which a fold may move meanwhile: `base = greatest(base, above + 1 - epoch * 2^40)`."""
    item = state.items[subject] or Item()
    base = max(item.base, above + 1 - state.control.epoch * EPOCH)
    left = () if key is None else (LeftKey(key, state.control.epoch * EPOCH + base),)
    return with_item(state, subject, item._replace(base=base, keys=merged(item.keys, left)))


def asked_to_leave(state: State, key: int, stored: Stored, above: int) -> State:
    """The row whose live item is met at another row's key is touched with this key: its delivery puts a tombstone
    there, or its item again if it does have the key, at a version over `above` and over what is there."""
    item = state.items[stored.owner] or Item()
    least = max(above, stored.version)
    if any(left.key == key and left.version > least for left in item.keys):
        return state
    return touched(state, stored.owner, max(version_of(state, stored.owner), least), key)


def touch_steps(rules: Rules, plan: tuple[tuple[int, int], ...], state: State) -> Iterator[Step]:
    """Repair's touch of a row, over a `_v` that was found. With its rule out: a base computed from a count that was
    read before."""
    for number, (subject, above) in enumerate(plan):
        if number != state.touches:
            continue
        if rules.touch_relative:
            done = touched(state, subject, above)._replace(touches=number + 1)
            yield f"row {subject} touched over version {above}", done
        elif state.touching is None:
            base = (
                max(version_of(state, subject), above) + 1 - state.control.epoch * EPOCH - state.log[subject].appended
            )
            yield f"repair computed base {base} for row {subject}", state._replace(touching=(subject, base))
        else:
            item = state.items[subject] or Item()
            written = with_item(state, subject, item._replace(base=state.touching[1]))
            yield f"repair wrote that base of row {subject}", written._replace(touching=None, touches=number + 1)


def struck_off(state: State, delivery: Delivery) -> State:
    """What was refused waits; the left keys whose tombstones stand are done with, or two rows that wait would raise
    their tombstones over each other's for ever."""
    item = state.items[delivery.row] or Item()
    return with_item(state, delivery.row, item._replace(keys=item.keys - delivery.left))


def marked(rules: Rules, state: State, delivery: Delivery) -> State:
    """`delivered = greatest(delivered, v_read)`, if the epoch is the same. Of `keys` goes what
    was read, if it is still the same: a key left once more has a later version."""
    item = state.items[delivery.row] or Item()
    if rules.delivered_same_epoch and state.control.epoch != delivery.epoch:
        return state
    version = delivery.version if rules.mark_what_was_read else version_of(state, delivery.row)
    keys = item.keys - delivery.left if rules.keys_dropped_if_same else frozenset()
    return with_item(state, delivery.row, item._replace(delivered=max(item.delivered, version), keys=keys))
