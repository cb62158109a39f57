"""The rules of a mapping's `compare`: which difference of two values is accepted, and by which rule.

Pure functions of DynamoDB JSON values, `{"<type>": content}`, and the attribute names that lead to them.
"""

from __future__ import annotations

import json
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any

from pipelines.items.number import MAX_DIGITS, MAX_EXPONENT, MIN_EXPONENT, canonical_number
from pipelines.items.reject import Unrepresentable
from pipelines.mapping.plan import AttributeNames, Equivalences

_EXACT = Context(prec=MAX_EXPONENT - MIN_EXPONENT + MAX_DIGITS + 1)
"""The difference of any two of DynamoDB's numbers has no more digits."""

_NULL = {"NULL": True}


class Rule(StrEnum):
    """The keys of `compare`; they stand in the differences dataset and are part of its format."""

    IGNORE = "ignore"
    NULL_IS_ABSENT = "null_is_absent"
    TOLERANCE = "tolerance"
    UNORDERED = "unordered"


def rule_for(
    equivalences: Equivalences, names: AttributeNames, is_attribute: bool, source: Any, target: Any
) -> Rule | None:
    """The rule that accepts the difference of two unequal values, each None where absent, as a whole.

    `is_attribute`: they are the attribute that the names lead to, not elements of a list in it.
    """
    if is_attribute and names in equivalences.ignore:
        return Rule.IGNORE
    if is_attribute and names in equivalences.null_is_absent and _is_nothing(source) and _is_nothing(target):
        return Rule.NULL_IS_ABSENT
    most = equivalences.tolerance.get(names)
    return Rule.TOLERANCE if most is not None and _are_within(most, source, target) else None


def normal_form(equivalences: Equivalences, value: Any, names: AttributeNames, is_attribute: bool = False) -> str:
    """One text for all values that are equal by the equivalences, a tolerance excepted; any other has another one."""
    ((kind, content),) = value.items()
    if kind == "M":
        members = [
            f"{json.dumps(name)}:{normal_form(equivalences, member, (*names, name), True)}"
            for name, member in sorted(content.items())
            if not _is_left_out(equivalences, member, (*names, name))
        ]
        return f"M{{{','.join(members)}}}"
    if kind == "L":
        elements = [normal_form(equivalences, element, names) for element in content]
        if is_attribute and names in equivalences.unordered:
            elements.sort()
        return f"L[{','.join(elements)}]"
    return json.dumps(value)


def _is_left_out(equivalences: Equivalences, value: Any, names: AttributeNames) -> bool:
    return names in equivalences.ignore or (names in equivalences.null_is_absent and _is_nothing(value))


def _is_nothing(value: Any) -> bool:
    return value is None or value == _NULL


def _are_within(most: Decimal, source: Any, target: Any) -> bool:
    numbers = [_number(side) for side in (source, target)]
    if numbers[0] is None or numbers[1] is None:
        return False
    return _EXACT.subtract(numbers[0], numbers[1]).copy_abs() <= most


def _number(value: Any) -> Decimal | None:
    """None for what is no number, or one that DynamoDB could not hold: some endpoints store those."""
    text = value.get("N") if value is not None else None
    try:
        return Decimal(canonical_number(text)) if isinstance(text, str) else None
    except Unrepresentable:
        return None
