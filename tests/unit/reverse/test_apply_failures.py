"""What a failure means, and the order in which tables are written."""

from __future__ import annotations

import psycopg
import pytest

from pipelines.mapping.catalog import TableRef
from pipelines.reverse.apply.failure import failed_by, is_of_the_source
from pipelines.reverse.apply.written_tables import rank_of

pytestmark = pytest.mark.unit

OF_AN_ITEM = (
    "22001 22003 22007 22P02 22P05 23502 23503 23505 23514 23P01 40001 40P01 42P01 42883 44000 55P03 57014 P0001 XV001"
    " XX000"
)
OF_THE_SOURCE = "08000 08006 25P02 25P03 42501 53100 53200 53300 57P01 57P02 57P03 58030 XX001 XX002"


class Told(psycopg.DatabaseError):
    """As the server reports one, whatever its class."""

    def __init__(self, state: str) -> None:
        super().__init__("secret value")
        self.sqlstate = state


@pytest.mark.parametrize("state", OF_AN_ITEM.split())
def test_what_befalls_one_item(state: str) -> None:
    assert not is_of_the_source(Told(state))
    failure = failed_by(Told(state))
    assert failure.problem and "secret" not in failure.problem
    assert (failure.final, failure.sqlstate) == (False, state)


@pytest.mark.parametrize("state", OF_THE_SOURCE.split())
def test_what_would_befall_all(state: str) -> None:
    assert is_of_the_source(Told(state))


def test_a_connection_that_is_lost_without_a_word() -> None:
    assert is_of_the_source(psycopg.OperationalError("server closed the connection unexpectedly"))


def ref(name: str) -> TableRef:
    return TableRef(schema_name="public", table=name)


def order(tables: str, *keys: str) -> str:
    """`ab`: a names b."""
    ranks = rank_of([ref(name) for name in tables], [(ref(key[0]), ref(key[1])) for key in keys])
    return "".join(sorted(tables, key=lambda name: ranks[ref(name)]))


def test_a_table_comes_after_those_that_its_keys_name() -> None:
    assert order("abc", "ab", "bc") == "cba"
    assert order("cab", "bc", "ab") == "cba"
    assert order("ab", "aa", "ax", "xb") in ("ab", "ba")  # itself, and tables that are not written


def test_a_ring_has_some_order() -> None:
    assert sorted(order("abc", "ab", "bc", "ca")) == ["a", "b", "c"]
    assert order("abcd", "ab", "ba", "cb", "dc").index("d") == 3
