"""Transactions and what their triggers leave (rules 1 to 3), and the expansion of marks after commit (rule 2).

A transaction is one step, its commit, since nothing of it is visible before and it is blind to others. In scenarios
that say so it is two, statements and commit, for triggers that look around (the shorter protocols).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.rules import Rules
from tests.model.source import Tables, Touched, Transaction, replaced
from tests.model.state import DONE, PENDING, Captured, Log, State, with_log

Step = tuple[str, State]


def transaction_steps(rules: Rules, script: tuple[Transaction, ...], split: bool, state: State) -> Iterator[Step]:
    for number, transaction in enumerate(script):
        progress = state.transactions[number]
        if progress == PENDING and _is_possible(state, transaction):
            captured = _captured(rules, state, transaction)
            if not split:
                yield f"{transaction.name}: committed", committed(state, number, transaction, captured)
            elif not any(captured.locks & other.locks for other in state.transactions):
                yield (
                    f"{transaction.name}: statements executed, not committed",
                    state._replace(transactions=replaced(state.transactions, number, captured)),
                )
        elif progress not in (PENDING, DONE):
            yield f"{transaction.name}: committed", committed(state, number, transaction, progress)


def _is_possible(state: State, transaction: Transaction) -> bool:
    """Two live rows with one key are rejects, both: not modelled."""
    keys = [row.key for row in _after(state, transaction, 0).rows if row]
    return len(set(keys)) == len(keys)


def _after(state: State, transaction: Transaction, stamp: int) -> Tables:
    tables = state.tables
    for operation in transaction.operations:
        tables = operation.apply(tables, stamp)
    return tables


def committed(state: State, number: int, transaction: Transaction, captured: Captured) -> State:
    state = state._replace(
        tables=_after(state, transaction, number + 1),
        marks=tuple(sorted((*state.marks, *captured.marks))),
        transactions=replaced(state.transactions, number, DONE),
    )
    for subject, old_key in captured.log:
        state = logged(state, subject, old_key)
    return state


def logged(state: State, subject: int, old_key: int | None = None) -> State:
    log = state.log[subject]
    old_keys = log.old_keys if old_key is None else log.old_keys | {old_key}
    return with_log(state, subject, Log(log.appended + 1, old_keys))


def _captured(rules: Rules, state: State, transaction: Transaction) -> Captured:
    tables, log, marks, locks = state.tables, [], [], frozenset[str]()
    for operation in transaction.operations:
        touched = operation.touches(tables)
        following = operation.apply(tables, 0)
        log += list(_log_rows(rules, tables, following, touched))
        marks += [parent for parent in touched.parents if rules.expand_after_commit]
        locks |= touched.locks
        tables = following
    if not state.control.capture or (transaction.replica and not rules.capture_always):
        return Captured(locks=locks)
    return Captured(tuple(log), tuple(marks), locks)


def _log_rows(rules: Rules, before: Tables, after: Tables, touched: Touched) -> Iterator[tuple[int, int | None]]:
    """With rule 2 out the trigger looks for the parent's items itself, in the snapshot of its statement."""
    old_keys = dict(touched.old_keys) if rules.old_keys_in_log else {}
    for root in touched.roots:
        if rules.both_roots or root not in touched.left:
            for subject in _subjects(rules, before, after, root):
                yield subject, old_keys.get(root)
    if not rules.expand_after_commit:
        for parent in touched.parents:
            yield from ((root, None) for root in _embedding(before, parent))


def _subjects(rules: Rules, before: Tables, after: Tables, root: int) -> tuple[int, ...]:
    """What a log row names: the source row. With rule 8 out: the item's keys, as the statement sees them."""
    if rules.key_at_delivery:
        return (root,)
    images = (before.rows[root], after.rows[root])
    return tuple(sorted({image.key for image in images if image}))


def _embedding(tables: Tables, parent: int) -> tuple[int, ...]:
    return tuple(at for at, row in enumerate(tables.rows) if row and row.parent == parent)


def expansion_steps(rules: Rules, state: State) -> Iterator[Step]:
    """In a snapshot that sees the mark: log rows for the items found, and the mark deleted, in one transaction."""
    for parent in dict.fromkeys(state.marks):
        rest = list(state.marks)
        rest.remove(parent)
        if rules.expand_in_one_transaction:
            yield f"mark of parent {parent} expanded", _expanded(rules, state._replace(marks=tuple(rest)), parent)
        else:
            half = state._replace(marks=tuple(rest), half_expanded=(*state.half_expanded, parent))
            yield f"mark of parent {parent} deleted, and committed", half
    for parent in state.half_expanded:
        found = _expanded(rules, state._replace(half_expanded=()), parent)
        yield f"log rows for the mark of parent {parent} appended", found


def _expanded(rules: Rules, state: State, parent: int) -> State:
    for row in _embedding(state.tables, parent):
        image = state.tables.rows[row]
        state = logged(state, row if rules.key_at_delivery or image is None else image.key)
    return state
