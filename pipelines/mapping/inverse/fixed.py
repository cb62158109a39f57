"""What a `where` says of the rows that pass it: columns that can only have one value, and conditions that differ."""

from __future__ import annotations

from pipelines.mapping.predicate import And, Compare, Comparison, IsNull, Predicate


def fixed_columns(where: Predicate | None) -> dict[str, str | None]:
    """Column: the value of every row that passes, as a text that PostgreSQL reads; None for NULL."""
    fixed: dict[str, str | None] = {}
    for condition in _conditions(where):
        if isinstance(condition, Compare) and condition.comparison is Comparison.EQ:
            fixed[condition.column] = condition.literal
        elif isinstance(condition, IsNull):
            fixed[condition.column] = None
    return fixed


def disjoint(one: Predicate | None, other: Predicate | None) -> bool:
    """Whether no row can pass both, as far as columns with one value tell."""
    left, right = fixed_columns(one), fixed_columns(other)
    return any(left[column] != right[column] for column in left.keys() & right.keys())


def within(inner: Predicate | None, outer: Predicate | None) -> bool:
    """Whether a row that passes `inner` passes `outer`, too, as far as equal conditions tell."""
    return set(_conditions(outer)) <= set(_conditions(inner))


def _conditions(where: Predicate | None) -> tuple[Predicate, ...]:
    if where is None:
        return ()
    if isinstance(where, And):
        return tuple(condition for operand in where.operands for condition in _conditions(operand))
    return (where,)
