"""Rows of source tables as an item gives them: what a writer of the source is handed. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipelines.mapping.catalog import Table
from pipelines.mapping.predicate import Predicate


class NotInvertible(ValueError):  # noqa: N818 (says of an item what it is)
    """An item that is not what the mapping makes of rows. `path`: `lines[2].price`; no value is in `why`."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class Keep(StrEnum):
    """How the attribute is coarser than the column. Where a row is there already and its value would give the same
    attribute, the value stays as it is, finer than the item knows it; `kept_sql.assigned` is the expression."""

    EQUAL = "equal"  # a number without its zeros at the end, or the sign of 0
    SECONDS = "seconds"  # whole seconds of a timestamp
    MILLISECONDS = "milliseconds"
    NUMBER = "number"  # the number that a text holds: `007`
    DOCUMENT = "document"  # json without its white space and the form of its numbers
    LIST = "list"  # an array without its lower bounds, and what its elements lose
    MEMBERS = "members"  # an array without its order; an empty one is no attribute
    EMPTY = "empty"  # an index's key: an empty text is no attribute


@dataclass(frozen=True)
class Owned:
    """An embed whose rows go with the enclosing row: `on` is (column of `table`, column of the enclosing table), all
    equal. Only rows that pass `where`."""

    table: Table
    on: tuple[tuple[str, str], ...]
    where: Predicate | None
    owned: tuple[Owned, ...]


@dataclass(frozen=True)
class TableRows:
    """The rows of one table that one enclosing row has, or the root's one row.

    `columns`: those that each of `rows` gives, in the table's order, the primary key's always among them; all others
    keep what they have, or get their default. `rows`: texts that the input function of the column's type reads in
    a session of `pipelines.source.session` (so ISO dates, UTC); None is NULL. Of `money` it is the plain number:
    cast it by way of numeric, since money's own input depends on lc_monetary (`kept_sql.cast`).

    `owner`: (column, value): the enclosing row's. A row of the table with these values that passes `where` and whose
    primary key is not in `rows` is to go. Of the root it is the source key: then `rows` is the one row, or none.

    `owned`: before a row of this table goes, the rows of these that are its own go, theirs first. They are told by
    their join, since the item does not name them any more.
    """

    table: Table
    columns: tuple[str, ...]
    owner: tuple[tuple[str, str], ...]
    where: Predicate | None
    rows: tuple[tuple[str | None, ...], ...]
    owned: tuple[Owned, ...] = ()
    keep: tuple[tuple[str, Keep], ...] = ()
