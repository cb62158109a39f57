"""What a session that follows is told of its own transaction: what the log has of it, no more and no less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.source.ledger.follow import FOLLOW_HERE, FOLLOW_ON, MOST_BYTES, READ_TOUCHED, Touched
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import MAPPING, WRITTEN_SHOP
from tests.shop_writer import SMALL, transactions

pytestmark = pytest.mark.integration

FLOAT_SCHEMA = """
CREATE TABLE scales (weight float8 PRIMARY KEY, note text);
CREATE TABLE pans (weight float8, n int, note text, PRIMARY KEY (weight, n));
"""
FLOAT_MAPPING = """
migration: floats
target: {tables: {scales: {partition_key: {name: pk, type: S}}}}
items:
  scale:
    table: scales
    from: scales
    key: {pk: "S{weight}"}
    embed: {pans: {from: pans, on: {weight: weight}, as: list, exclude: [weight]}}
"""


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "followed") as url:
        yield captured(url, tmp_path_factory.mktemp("followed"), WRITTEN_SHOP, MAPPING)


@pytest.fixture
def shop(installed: Captured) -> Captured:
    installed.run("TRUNCATE orders, lines, products, seats", "INSERT INTO products VALUES (1, 'pen')")
    installed.forget()
    return installed


@contextmanager
def following(shop: Captured) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(FOLLOW_ON)
        yield connection


def told(connection: Connection[TupleRow], migration: str = "small") -> Touched:
    return Touched.of(connection.execute(READ_TOUCHED).fetchone(), migration)


def logged(connection: Connection[TupleRow]) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT DISTINCT item_type, source_key FROM crossover.log").fetchall())


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_is_what_the_log_has(shop: Captured, seed: int) -> None:
    """Savepoints are rolled back, keys move, rows cascade; [savepoints: an item told of that was never changed]"""
    seen = 0
    with following(shop) as connection:
        for transaction in transactions(f"followed {seed}", 60, SMALL):
            try:
                with connection.transaction():
                    for statement, undone in zip(transaction.statements, transaction.undone, strict=True):
                        with connection.transaction(force_rollback=True) if undone else nullcontext():
                            connection.execute(statement.encode())
                    found = told(connection)
                    assert (set(found.items), found.is_cut, found.is_following) == (logged(connection), False, True)
                    assert len(found.items) == len(set(found.items))
                    seen += len(found.items)
            except psycopg.Error as error:
                assert error.sqlstate in ("23503", "23505")
            assert told(connection).items == ()
            connection.execute("DELETE FROM crossover.log")
    assert seen > 30


def test_nobody_is_told_who_does_not_ask(shop: Captured) -> None:
    with psycopg.connect(shop.url) as connection:
        connection.execute("INSERT INTO orders VALUES (1, 1)")
        assert told(connection) == Touched(is_following=False)
    with psycopg.connect(shop.url) as connection:
        connection.execute(FOLLOW_HERE)
        connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        connection.execute("INSERT INTO orders VALUES (2, 1)")
        assert told(connection).items == (("order", '{"id":"2"}'),)
        connection.commit()
        connection.execute("INSERT INTO orders VALUES (3, 1)")
        assert told(connection) == Touched(is_following=False)


def test_what_reaches_items_through_other_rows_is_not_told(shop: Captured) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1)", "INSERT INTO lines VALUES (1, 1, 1)")
    with following(shop) as connection, connection.transaction():
        connection.execute("UPDATE products SET name = 'ink'")
        connection.execute("TRUNCATE seats")
        assert told(connection) == Touched()


def test_there_is_an_end_to_what_is_told(shop: Captured) -> None:
    with following(shop) as connection, connection.transaction():
        connection.execute("INSERT INTO seats SELECT n, 'S' || n FROM generate_series(1, 2000) n")
        connection.execute("INSERT INTO orders VALUES (1, 1)")
        found = told(connection)
        (size,) = connection.execute("SELECT octet_length(current_setting('crossover.touched'))").fetchone() or (0,)
    assert found.is_cut and 300 < len(found.items) < 2000
    assert MOST_BYTES - 100 < size <= MOST_BYTES + 3
    assert {("seat", f'{{"id":"{n}"}}') for n in range(1, len(found.items) + 1)} == set(found.items)


def test_a_row_that_is_changed_often_is_told_of_once(shop: Captured) -> None:
    with following(shop) as connection, connection.transaction():
        connection.execute("INSERT INTO orders VALUES (1, 1)")
        for n in range(1000):
            connection.execute(f"UPDATE orders SET note = '{n}'".encode())
        assert told(connection) == Touched((("order", '{"id":"1"}'),))


def test_copy_is_told_of(shop: Captured) -> None:
    with following(shop) as connection, connection.transaction():
        with connection.cursor().copy("COPY seats (id, place) FROM STDIN") as copy:
            for n in range(20):
                copy.write_row((n, f"S{n}"))
        assert len(told(connection).items) == 20


def test_functions_with_settings_of_their_own_tell_it_too(database_url: str, tmp_path: Path) -> None:
    """A float's text depends on settings, which the function sets until it ends."""
    shop = captured(database_url, tmp_path, FLOAT_SCHEMA, FLOAT_MAPPING)
    with following(shop) as connection, connection.transaction():
        connection.execute("SET extra_float_digits TO -15")
        connection.execute("INSERT INTO scales VALUES (0.30000000000000004, 'a'), (2, 'b')")
        connection.execute("INSERT INTO pans VALUES (7.5, 1, 'c')")
        with connection.transaction(force_rollback=True):
            connection.execute("INSERT INTO pans VALUES (8, 1, 'd')")
        keys = [key for _, key in told(connection, "floats").items]
        assert keys == ['{"weight":"0.30000000000000004"}', '{"weight":"2"}', '{"weight":"7.5"}']
        assert told(connection).items == ()  # of another migration


def test_a_role_without_any_right_to_the_ledger_is_told(shop: Captured) -> None:
    shop.run(
        "DROP ROLE IF EXISTS crossover_follower",
        "CREATE ROLE crossover_follower",
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO crossover_follower",
        "CREATE SCHEMA evil AUTHORIZATION crossover_follower",
    )
    try:
        with following(shop) as connection:
            connection.execute("SET ROLE crossover_follower")
            for name in ("=", ">", "<>", "+"):
                connection.execute(
                    b"CREATE OR REPLACE FUNCTION evil.say(text, text) RETURNS bool LANGUAGE sql AS 'SELECT 1 / 0 = 1'"
                )
                operator = f"CREATE OPERATOR evil.{name} (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.say)"
                connection.execute(operator.encode())
            connection.execute("CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false)")
            connection.execute("SET search_path TO evil, pg_temp, pg_catalog, public")
            connection.execute("SET standard_conforming_strings TO off")
            with connection.transaction():
                connection.execute("INSERT INTO public.orders VALUES (1, 1)")
                assert told(connection).items == (("order", '{"id":"1"}'),)
    finally:
        shop.run("DROP OWNED BY crossover_follower CASCADE", "DROP ROLE crossover_follower")


def test_a_role_can_follow_by_a_setting_of_its_own(shop: Captured) -> None:
    """For poolers that share connections by the transaction; a superuser, or who may set the parameter, can make it."""
    shop.run(
        "DROP ROLE IF EXISTS crossover_pooled",
        "CREATE ROLE crossover_pooled LOGIN PASSWORD 'x'",
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO crossover_pooled",
        "GRANT SET ON PARAMETER crossover.follow TO crossover_pooled",
        "SET ROLE crossover_pooled",
        "ALTER ROLE crossover_pooled SET crossover.follow TO on",
    )
    user = shop.url.split("//")[1].split("@")[0]
    try:
        with psycopg.connect(shop.url.replace(user, "crossover_pooled:x")) as connection:
            connection.execute("INSERT INTO orders VALUES (1, 1)")
            assert told(connection) == Touched((("order", '{"id":"1"}'),))
    finally:
        shop.run(
            "REVOKE SET ON PARAMETER crossover.follow FROM crossover_pooled",
            "DROP OWNED BY crossover_pooled",
            "DROP ROLE crossover_pooled",
        )
