"""PostgreSQL's refusal is found in whatever drivers and libraries wrap around it, and nowhere else."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from pipelines.masters.fence import is_fenced

pytestmark = pytest.mark.unit


class _Fenced(psycopg.errors.RaiseException):
    sqlstate = "XV001"


class _Psycopg2Error(Exception):
    pgcode = "XV001"


class _AsyncpgError(Exception):
    sqlstate = "XV001"


def raised(error: BaseException, cause: BaseException | None = None, context: BaseException | None = None) -> Exception:
    """An error of the application's, with these behind it."""
    try:
        try:
            if context is not None:
                raise context
        finally:
            if cause is not None:
                raise error from cause
            raise error
    except Exception as found:
        return found


@pytest.mark.parametrize(
    "error",
    [
        _Fenced(),
        _Psycopg2Error(),
        _AsyncpgError(),
        Exception({"S": "ERROR", "C": "XV001"}),  # pg8000
        DBAPIError("INSERT", {}, _Fenced()),
        DBAPIError("INSERT", {}, _Psycopg2Error()),
        DBAPIError("INSERT", {}, raised(RuntimeError("adapted"), cause=_AsyncpgError())),  # SQLAlchemy on asyncpg
        raised(RuntimeError("mine"), cause=DBAPIError("INSERT", {}, _Fenced())),
        raised(RuntimeError("mine"), context=_Fenced()),
        ExceptionGroup("tasks", [ValueError(), _Fenced()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_is_found(error: BaseException) -> None:
    assert is_fenced(error)


def test_another_error_is_none() -> None:
    loop = RuntimeError("loop")
    loop.__cause__ = raised(ValueError(), cause=loop)
    for error in (psycopg.errors.UniqueViolation(), RuntimeError("XV001"), DBAPIError("XV001", {}, ValueError()), loop):
        assert not is_fenced(error)


def test_what_was_being_handled_before_the_write_began_does_not_count() -> None:
    before = raised(RuntimeError("the write before"), cause=_Fenced())
    error = raised(ZeroDivisionError(), context=before)
    assert is_fenced(error) and not is_fenced(error, before)
