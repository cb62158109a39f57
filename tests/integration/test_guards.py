"""The guards: while a group is fenced, or DynamoDB is its master, its tables take no write but the reverse relay's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pipelines.capture import install_capture, uninstall_capture, upgrade_capture
from pipelines.errors import SourceError, StageError
from pipelines.mapping.groups import Group, groups_of
from pipelines.source.connect import connect
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.guards import FENCED, Guards, guards_of, read_guards
from pipelines.source.ledger.relations import read_relations
from pipelines.source.ledger.state import read_state
from pipelines.source.ledger.steps import connect_writable, run_steps
from tests.captured_shop import Captured, captured, database

pytestmark = pytest.mark.integration

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int, year int, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    PRIMARY KEY (id, year)) PARTITION BY LIST (year);
CREATE TABLE orders_25 PARTITION OF orders FOR VALUES IN (2025);
CREATE TABLE orders_26 PARTITION OF orders FOR VALUES IN (2026) PARTITION BY RANGE (id);
CREATE TABLE orders_26_low PARTITION OF orders_26 FOR VALUES FROM (0) TO (100);
CREATE TABLE seats (id int PRIMARY KEY, guest text);
CREATE VIEW named AS SELECT id, name FROM customers;
"""

MAPPING = """
migration: small
target:
  tables: {small: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}
items:
  customer: {table: small, from: customers, key: {pk: "C{id}", sk: "P"}}
  order:
    table: small
    from: orders
    key: {pk: "O{id}", sk: "Y{year}"}
    embed: {who: {from: customers, on: {id: customer}, as: map, include: [name]}}
  seat: {table: small, from: seats, key: {pk: "S{id}", sk: "S"}}
"""

REFUSED = [
    "INSERT INTO customers VALUES (3, 'Cy')",
    "INSERT INTO customers VALUES (1, 'Cy') ON CONFLICT (id) DO UPDATE SET name = 'Cy'",
    "UPDATE customers SET name = 'Cy' WHERE id = 99",
    "DELETE FROM customers WHERE id = 1",
    "TRUNCATE orders",
    "TRUNCATE customers CASCADE",
    "TRUNCATE orders_26_low",
    "COPY customers FROM PROGRAM 'echo 3'",
    "INSERT INTO orders VALUES (3, 2025, 1)",
    "UPDATE orders SET year = 2026 WHERE id = 1",
    "INSERT INTO orders_25 VALUES (3, 2025, 1)",
    "DELETE FROM orders_26",
    "DELETE FROM orders_26_low",
    "UPDATE named SET name = 'Cy'",
    "MERGE INTO customers c USING (SELECT 1 AS id) s ON c.id = s.id WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone",
]


@pytest.fixture(scope="module")
def whole(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "guarded") as url:
        yield captured(url, tmp_path_factory.mktemp("guarded"), SCHEMA, MAPPING)


@pytest.fixture
def shop(whole: Captured) -> Captured:
    """Without a guard, and never switched."""
    drop(whole, guards(whole))
    whole.run(
        "DELETE FROM crossover.master",
        "TRUNCATE customers, orders, seats",
        "INSERT INTO customers VALUES (1, 'Ada'), (2, 'Ben')",
        "INSERT INTO orders VALUES (1, 2025, 1), (2, 2026, 2)",
    )
    return whole


def guards(shop: Captured, item_type: str = "customer") -> Guards:
    plan = shop.plan()
    group = next(one for one in groups_of(plan) if item_type in one.item_types)
    with closing(connect_writable(shop.url)) as connection:
        relations = read_relations(connection, group.tables)
    return guards_of(plan.name, group, relations)


@pytest.fixture
def up(shop: Captured) -> Iterator[Guards]:
    one = guards(shop)
    with closing(connect_writable(shop.url)) as connection:
        run_steps(connection, one.up_steps())
    yield one


def down(shop: Captured, one: Guards) -> None:
    with closing(connect_writable(shop.url)) as connection:
        run_steps(connection, one.down_steps(one.mine(read_guards(connection, "small"))))


def drop(shop: Captured, one: Guards) -> None:
    with closing(connect_writable(shop.url)) as connection:
        run_steps(connection, one.drop_steps(one.mine(read_guards(connection, "small"))))


def refusal(shop: Captured, statement: str, *before: str) -> psycopg.Error | None:
    with shop.session() as connection:
        for one in before:
            connection.execute(one.encode())
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            return error
    return None


def test_every_way_to_write_is_refused_and_nothing_else(shop: Captured, up: Guards) -> None:
    for statement in REFUSED:
        error = refusal(shop, statement)
        assert error is not None and error.sqlstate == FENCED, statement
    assert refusal(shop, "INSERT INTO seats VALUES (1, 'Ada')") is None  # another group's
    assert refusal(shop, "SELECT * FROM customers, orders FOR UPDATE") is None
    assert refusal(shop, "SELECT nextval('counted')", "CREATE SEQUENCE counted") is None


def test_the_message_names_the_group_and_what_to_do(shop: Captured, up: Guards) -> None:
    error = refusal(shop, "DELETE FROM orders")
    assert error is not None
    assert error.diag.message_primary == (
        "crossover: customer+order of migration small takes no writes here: DynamoDB is its master, or becomes it now; "
        "use pipelines.masters, or write to DynamoDB"
    )
    assert "\n" not in (error.diag.message_primary or "")


def test_neither_replica_mode_nor_a_hostile_path_passes(shop: Captured, up: Guards) -> None:
    for before in (
        "SET session_replication_role TO replica",
        "CREATE SCHEMA evil; CREATE FUNCTION evil.differ(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        " CREATE OPERATOR evil.<> (leftarg = text, rightarg = text, function = evil.differ);"
        " SET search_path TO evil, pg_catalog, public",
        "SET crossover.applying TO off",
    ):
        error = refusal(shop, "DELETE FROM public.orders", before)
        assert error is not None and error.sqlstate == FENCED, before


def test_what_the_reverse_relay_writes_passes_with_all_its_cascades(shop: Captured, up: Guards) -> None:
    with shop.session() as connection:
        with connection.transaction():
            connection.execute("SET LOCAL crossover.applying TO on")
            connection.execute("UPDATE customers SET id = 9 WHERE id = 1")
            connection.execute("DELETE FROM customers WHERE id = 2")
            connection.execute("INSERT INTO orders_25 VALUES (7, 2025, 9)")
        with pytest.raises(psycopg.Error) as refused:  # the setting went with the transaction
            connection.execute("DELETE FROM customers")
    assert refused.value.sqlstate == FENCED
    assert shop.ask("SELECT id, customer FROM orders ORDER BY id") == [(1, 9), (7, 9)]


def test_guards_go_without_a_trace(shop: Captured, up: Guards) -> None:
    down(shop, up)
    assert refusal(shop, "INSERT INTO orders_25 VALUES (3, 2025, 1)") is None
    drop(shop, up)
    drop(shop, up)  # repeated
    traces = "SELECT tgname::text FROM pg_trigger WHERE tgname ~ 'guard' UNION ALL SELECT proname FROM pg_proc"
    assert [name for (name,) in shop.ask(traces) if "guard" in name] == []


def test_disabled_guards_are_made_again(shop: Captured, up: Guards) -> None:
    down(shop, up)
    with closing(connect_writable(shop.url)) as connection:
        run_steps(connection, up.up_steps())
    assert all(getattr(refusal(shop, one), "sqlstate", None) == FENCED for one in REFUSED)


def test_a_guard_waits_for_the_writers_under_way_and_holds_up_none_for_long(shop: Captured) -> None:
    """A long transaction keeps the guard from its table; others write meanwhile, and are refused once it is there."""
    one, waits, made = guards(shop), [0.0], threading.Event()

    def make() -> None:
        with closing(connect_writable(shop.url)) as connection:
            run_steps(connection, one.up_steps())
        made.set()

    with shop.session() as long, shop.session() as other:
        long.execute("BEGIN")
        long.execute("UPDATE customers SET name = 'long' WHERE id = 1")
        maker = threading.Thread(target=make)
        maker.start()
        until = time.monotonic() + 1
        while time.monotonic() < until:
            began = time.monotonic()
            other.execute("UPDATE customers SET name = 'other' WHERE id = 2")
            waits.append(time.monotonic() - began)
        assert not made.is_set()
        long.execute("UPDATE customers SET name = 'longer' WHERE id = 1")
        long.execute("COMMIT")
        maker.join(10)
        assert made.is_set()
        with pytest.raises(psycopg.Error) as refused:
            long.execute("UPDATE customers SET name = 'late' WHERE id = 1")
    assert refused.value.sqlstate == FENCED
    assert max(waits) < 0.5, max(waits)
    assert shop.ask("SELECT name FROM customers WHERE id = 1") == [("longer",)]


def test_a_repeatable_read_transaction_from_before_is_refused_too(shop: Captured) -> None:
    """Triggers do not obey snapshots: what has read before the guard came cannot write after it."""
    with shop.session("repeatable read") as early:
        early.execute("BEGIN")
        early.execute("SELECT count(*) FROM customers")
        one = guards(shop)
        with closing(connect_writable(shop.url)) as connection:
            run_steps(connection, one.up_steps())
        with pytest.raises(psycopg.Error) as refused:
            early.execute("UPDATE customers SET name = 'late'")
    assert refused.value.sqlstate == FENCED


def test_a_writer_that_never_ends_stops_the_guard_with_one_line(
    shop: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "0.5")
    one = guards(shop)
    with shop.session() as long, closing(connect_writable(shop.url)) as connection:
        long.execute("BEGIN")
        long.execute("UPDATE customers SET name = 'long'")
        with pytest.raises(SourceError, match=r"^table public\.customers: a lock could not be had in 0\.5 seconds"):
            run_steps(connection, one.up_steps())


def master(shop: Captured, phase: str = "dynamodb_first", fenced: bool = False) -> None:
    shop.run(
        "INSERT INTO crossover.master (migration, group_name, item_types, phase, fenced)"
        f" VALUES ('small', 'customer+order', '{{customer,order}}', '{phase}', {fenced})"
        " ON CONFLICT (migration, group_name) DO UPDATE SET phase = EXCLUDED.phase, fenced = EXCLUDED.fenced"
    )


def gaps(shop: Captured) -> list[str]:
    return [f"{gap.where}: {gap.problem}" for gap in shop.status().gaps]


def verified_gap(shop: Captured) -> str | None:
    """What a verification reads of the ledger."""
    with closing(connect(shop.url)) as connection:
        return read_state(connection, shop.plan(), read_epoch(shop.migration.folder.root)).gap


def test_a_guard_that_is_missing_while_dynamodb_is_master_is_a_gap(shop: Captured, up: Guards) -> None:
    assert gaps(shop) == []  # guards are no left-over triggers of capture
    master(shop)
    assert gaps(shop) == [] and verified_gap(shop) is None
    ways = {
        "ALTER TABLE customers DISABLE TRIGGER {}": "is disabled",
        "ALTER TABLE customers ENABLE TRIGGER {}": "is not ENABLE ALWAYS",
        "ALTER TABLE customers ENABLE REPLICA TRIGGER {}": "is ENABLE REPLICA",
        "DROP TRIGGER {} ON customers": "is missing",
        "DROP TRIGGER {} ON orders_26_low": "is missing",
        "CREATE OR REPLACE TRIGGER {} BEFORE INSERT ON customers EXECUTE FUNCTION crossover."
        f'"{up.function}"(); ALTER TABLE customers ENABLE ALWAYS TRIGGER {{}}': "is not what was installed",
        f'CREATE OR REPLACE FUNCTION crossover."{up.function}"() RETURNS trigger LANGUAGE plpgsql'
        " AS 'BEGIN RETURN NULL; END'": "is not what was installed",
    }
    for way, problem in ways.items():
        shop.run(way.replace("{}", f'"{up.trigger}"'))
        (found, *_) = gaps(shop)
        assert problem in found and "guard of customer+order" in found, way
        assert problem in (verified_gap(shop) or ""), way
        with closing(connect_writable(shop.url)) as connection:
            run_steps(connection, up.up_steps())
        assert gaps(shop) == [], way


def test_a_partition_that_was_attached_meanwhile_is_a_gap(shop: Captured, up: Guards) -> None:
    master(shop)
    shop.run("CREATE TABLE orders_27 PARTITION OF orders FOR VALUES IN (2027)")
    found = gaps(shop)
    shop.run("DROP TABLE orders_27")
    assert any("orders_27: the guard of customer+order is missing" in gap for gap in found)


def test_a_mapping_without_the_group_is_a_gap(shop: Captured, up: Guards) -> None:
    shop.run(
        "INSERT INTO crossover.master (migration, group_name, item_types, phase) VALUES"
        " ('small', 'order', '{order}', 'dynamodb_first')"
    )
    assert gaps(shop) == ["group order: is DynamoDB's, and the mapping has no such group"]


def test_capture_is_neither_upgraded_nor_taken_away_meanwhile(database_url: str, tmp_path: Path) -> None:
    """Once the migration is over it is, and the guards stay; else disabled guards go along."""
    shop = captured(database_url, tmp_path, SCHEMA, MAPPING)
    up = guards(shop)
    with closing(connect_writable(shop.url)) as connection:
        run_steps(connection, up.up_steps())
    for phase, fenced in (("rds_first", True), ("dynamodb_only", False)):
        master(shop, phase, fenced)
        shop.run("UPDATE crossover.control SET capture = 'off'")
        what = "a switch of customer[+]order is under way" if fenced else "DynamoDB is the master of customer[+]order"
        for refused in (upgrade_capture, uninstall_capture, install_capture):
            with pytest.raises(StageError, match=f"^small: {what}.*crossover writes … customer"):
                refused(shop.migration, shop.url)
    assert uninstall_capture(shop.migration, shop.url, for_good=True)
    assert shop.ask("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'crossover:%'") == []
    assert all(getattr(refusal(shop, one), "sqlstate", None) == FENCED for one in REFUSED)
    install_capture(shop.migration, shop.url)
    master(shop, "rds_first")
    down(shop, up)
    assert uninstall_capture(shop.migration, shop.url)
    assert shop.ask("SELECT FROM pg_namespace WHERE nspname = 'crossover'") == []
    assert shop.ask("SELECT FROM pg_trigger WHERE NOT tgisinternal") == []


def test_names_of_one_migration_are_no_others() -> None:
    group, other = Group(("a",), ()), Group(("b",), ())
    names = {Guards(name, one, ()).function for name in ("m", "m" * 40, "m" * 41) for one in (group, other)}
    assert len(names) == 6
    assert len({Guards(name, group, ()).trigger for name in ("m", "m" * 40, "m" * 41)}) == 3
    assert all(":" not in name and len(name) <= 63 for name in names)
