"""What a failure while rows are written means: for one item alone, or for the source as a whole."""

from __future__ import annotations

import psycopg

from pipelines.source.server_error import describe

UNIQUE_VIOLATION = "23505"
_WHOLE_CLASSES = ("08", "25", "53", "58")
_WHOLE = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "42501", "XX001", "XX002"})


class ItemsFailed(Exception):  # noqa: N818 (a step in applying a batch)
    """The transaction is to be rolled back; of one item alone it says what it waits for. `sqlstate`: of the server's
    error, where it was one."""

    def __init__(self, problem: str, final: bool = False, sqlstate: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.final = final
        self.sqlstate = sqlstate


def is_of_the_source(error: psycopg.Error) -> bool:
    """Whether the same would befall every other item: the connection, the disk, a right that is missing, data
    or an index that is corrupted. An internal error (XX000) is the item's: an extension, or a trigger in C, that gives
    its error no code has that one, too."""
    state = error.sqlstate
    return state is None or state.startswith(_WHOLE_CLASSES) or state in _WHOLE


def failed_by(error: psycopg.Error) -> ItemsFailed:
    """Names table and constraint as the server tells them, and no value."""
    state = error.sqlstate or ""
    diagnosis = error.diag
    places = [
        f"table {diagnosis.schema_name}.{diagnosis.table_name}" if diagnosis.table_name else "",
        f"column {diagnosis.column_name}" if diagnosis.column_name else "",
        f"constraint {diagnosis.constraint_name}" if diagnosis.constraint_name else "",
    ]
    where = ", ".join(place for place in places if place)
    return ItemsFailed(f"{_words(state)}{f' ({where})' if where else ''}", sqlstate=state)


def _words(state: str) -> str:
    match state:
        case "23503":
            return "a foreign key: the row that it names is not there yet, or others still name the row that is to go"
        case "23505" | "23P01":
            return "another row has a value that may be there once"
        case "23514" | "44000":
            return "a check of the source does not let it in"
        case "23502":
            return "a column that must not be NULL gets none"
        case "40001":
            return "another session has changed the same rows; it is tried again"
        case _ if state.startswith("22"):
            return f"a value that its column cannot hold: {describe(state)}"
        case _ if state.startswith("P0"):
            return f"a trigger of the source refuses it: {describe(state)}"
    return describe(state)
