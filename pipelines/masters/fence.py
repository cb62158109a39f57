"""Whether PostgreSQL refused a write because it is not the master: SQLSTATE XV001, raised by the guard's trigger."""

from __future__ import annotations

from collections.abc import Iterator

FENCED = "XV001"


def is_fenced(error: BaseException, before: BaseException | None = None) -> bool:
    """Looks through what drivers and libraries wrap around it: SQLAlchemy's `orig`, causes, contexts, groups; psycopg
    and asyncpg have `sqlstate`, psycopg2 `pgcode`, pg8000 a dictionary. `before`: what was being handled already when
    the write began."""
    return any(_state(one) == FENCED for one in _all(error, before))


def _all(error: BaseException, before: BaseException | None) -> Iterator[BaseException]:
    seen = {id(before)}
    left: list[object] = [error]
    while left:
        one = left.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [getattr(one, "orig", None), one.__cause__, one.__context__]
        left += getattr(one, "exceptions", ())


def _state(error: BaseException) -> object:
    for name in ("sqlstate", "pgcode"):
        state = getattr(error, name, None)
        if state is not None:
            return state
    first = error.args[0] if error.args else None
    return first.get("C") if isinstance(first, dict) else None
