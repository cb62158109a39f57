"""The elements of a list in the order in which the mapping puts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.items.source_type import RAW_SUFFIX
from pipelines.mapping.plan import EmbedPlan
from pipelines.mapping.source_row import SourceRow, in_order
from pipelines.masters.column import NotShownError

if TYPE_CHECKING:
    from pipelines.masters.row_form import RowForm

_PLACE = "::place"
Element = tuple[Mapping[str, Any], str]
"""What is given, and its path for messages."""


def in_mapping_order(form: RowForm, elements: Sequence[Element], embed: EmbedPlan) -> list[Element]:
    """By the embed's `order_by`; as they are where an element does not show a column of it. Raises MisfitError."""
    joined = {own for own, _ in embed.on}  # the same in all of them
    terms = [term for term in embed.order_by if term.column not in joined]
    rows: list[SourceRow] = []
    try:
        for place, (given, path) in enumerate(elements):
            physical: dict[str, object] = {_PLACE: place}
            for term in terms:
                physical[term.column], physical[term.column + RAW_SUFFIX] = form.physical(given, term.column, path)
            rows.append(SourceRow(physical))
    except NotShownError:
        return list(elements)
    return [elements[row.value(_PLACE)] for row in in_order(rows, terms)]
