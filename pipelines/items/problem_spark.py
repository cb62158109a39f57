"""Why a value cannot be represented, as a Spark column: `struct<reason, attribute, detail>`, null where all is well."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from pipelines.items.reject import RejectReason

PROBLEM_DDL = "struct<reason:string,attribute:string,detail:string>"


def problem(reason: Column, detail: Column, attribute: Column | None = None) -> Column:
    """`attribute` is a path below the map that the value stands in; null for the value itself."""
    where = F.lit(None).cast("string") if attribute is None else attribute
    return F.struct(reason.alias("reason"), where.alias("attribute"), detail.alias("detail"))


def problem_when(condition: Column, reason: RejectReason, detail: Column) -> Column:
    return F.when(condition, problem(F.lit(str(reason)), detail))


def at(prefix: str | Column, found: Column, joint: str = ".") -> Column:
    """The same problem seen from one level further out: its path begins with `prefix`."""
    head = F.lit(prefix) if isinstance(prefix, str) else prefix
    path = F.concat_ws(joint, head, found["attribute"])
    return F.when(found.isNotNull(), problem(found["reason"], found["detail"], path))


def first_problem(problems: Sequence[Column | None]) -> Column | None:
    """The first in the order given; None where none can happen."""
    possible = [found for found in problems if found is not None]
    return F.coalesce(*possible) if possible else None


def no_problem() -> Column:
    return F.lit(None).cast(PROBLEM_DDL)
