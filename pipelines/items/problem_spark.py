"""Why a value cannot be represented, in Spark: cases in order, each with its condition.

As a column it is `struct<reason, attribute, detail>`, null where all is well. It becomes one only where it is needed
as one: a struct that is looked into and built again on the way outwards would be worked out once for each field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.reject import RejectReason
from pipelines.items.sql_text import Column

PROBLEM_DDL = "struct<reason:string,attribute:string,detail:string>"


@dataclass(frozen=True)
class Cause:
    """`attribute` is a path below the map that the value stands in; None for the value itself."""

    condition: Column
    reason: Column
    detail: Column
    attribute: Column | None = None

    @property
    def column(self) -> Column:
        where = F.lit(None).cast("string") if self.attribute is None else self.attribute
        return F.struct(self.reason.alias("reason"), where.alias("attribute"), self.detail.alias("detail"))


@dataclass(frozen=True)
class Problem:
    """The first cause whose condition holds; `causes` has one at least."""

    causes: tuple[Cause, ...]

    @property
    def column(self) -> Column:
        first, *others = self.causes
        whole = F.when(first.condition, first.column)
        for cause in others:
            whole = whole.when(cause.condition, cause.column)
        return whole

    @property
    def found(self) -> Column:
        """Whether there is one; never null."""
        return F.any_of([cause.condition for cause in self.causes])


def problem_when(condition: Column, reason: RejectReason, detail: Column) -> Problem:
    return Problem((Cause(condition, F.lit(str(reason)), detail),))


def problem_in(column: Column) -> Problem:
    """What a column holds that was made from a Problem."""
    return Problem((Cause(column.isNotNull(), column["reason"], column["detail"], column["attribute"]),))


def at(prefix: str | Column, found: Problem, joint: str = ".") -> Problem:
    """The same problem seen from one level further out: its path begins with `prefix`."""
    head = F.lit(prefix) if isinstance(prefix, str) else prefix
    return Problem(tuple(_further_out(head, cause, joint) for cause in found.causes))


def _further_out(head: Column, cause: Cause, joint: str) -> Cause:
    path = head if cause.attribute is None else F.concat_ws(joint, head, cause.attribute)
    return Cause(cause.condition, cause.reason, cause.detail, path)


def first_problem(problems: Sequence[Problem | None]) -> Problem | None:
    """The first in the order given; None where none can happen."""
    causes = tuple(cause for found in problems if found is not None for cause in found.causes)
    return Problem(causes) if causes else None


def no_problem() -> Column:
    return F.lit(None).cast(PROBLEM_DDL)
