"""`crossover capture`: installing, what can go wrong with it afterwards, and removing it without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipelines import cli
from pipelines.capture import capture_status, install_capture, install_script, uninstall_capture, upgrade_capture
from pipelines.errors import SourceError, StageError
from pipelines.migration import Migration
from pipelines.source.ledger import steps
from pipelines.source.ledger.epoch import read_epoch
from tests.captured_shop import MAPPING, SCHEMA, Captured, captured, key, opened

pytestmark = pytest.mark.integration

TRIGGER = '"crossover:small:orders~{}:{}"'
EVERYTHING = """
SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal UNION ALL
SELECT 'function', proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname !~ '^(pg_|info)'
UNION ALL SELECT 'type', typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE nspname !~ '^(pg_|info)'
UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname !~ '^pg_'
"""


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Captured:
    return captured(database_url, tmp_path)


def problems(shop: Captured) -> list[str]:
    return [f"{gap.where}: {gap.problem}" for gap in shop.status().gaps]


def update_trigger(shop: Captured) -> str:
    found = shop.ask("SELECT tgname FROM pg_trigger WHERE tgname LIKE '%:orders~%:update'")
    return f'"{found[0][0]}"'


def test_install_is_idempotent_and_counts_one_epoch(shop: Captured) -> None:
    again = install_capture(shop.migration, shop.url)
    assert (again.changed, again.status.capture, again.status.epoch, again.status.gaps) == (False, "on", 1, ())
    assert read_epoch(shop.migration.folder.root) == 1


def test_uninstall_leaves_no_object(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        before = sorted(connection.execute(EVERYTHING).fetchall())
        migration = opened(tmp_path)
        install_capture(migration, database_url)
        connection.execute("INSERT INTO orders VALUES (1)")
        assert uninstall_capture(migration, database_url)
        assert sorted(connection.execute(EVERYTHING).fetchall()) == before
        assert not uninstall_capture(migration, database_url)


def test_a_reinstall_begins_a_higher_epoch(shop: Captured) -> None:
    """[after a reinstall versions went back: every later write was refused]"""
    uninstall_capture(shop.migration, shop.url)
    assert capture_status(shop.migration, shop.url).capture == "absent"
    assert install_capture(shop.migration, shop.url).status.epoch == 2


def test_a_reinstall_begins_above_what_was_touched(shop: Captured) -> None:
    """[a put of the touched version, late, fell on what the new epoch's smaller one had written]"""
    first, touched = 2**40, 5 * 2**40 + 8
    shop.run(
        "INSERT INTO crossover.item (migration, item_type, source_key, base)"
        f" VALUES ('small', 'order', '{{}}', {touched - first})"
    )
    uninstall_capture(shop.migration, shop.url)
    assert read_epoch(shop.migration.folder.root) == 5
    assert install_capture(shop.migration, shop.url).status.epoch == 6


def test_upgrade_removes_what_an_earlier_crossover_made_writers_pay_for(shop: Captured) -> None:
    """An index of the log, which only readers used."""
    indexes = "SELECT indexname FROM pg_indexes WHERE (schemaname, tablename) = ('crossover', 'log')"
    shop.run("CREATE INDEX log_source_key ON crossover.log (hashtextextended(source_key, 0))")
    shop.run("UPDATE crossover.captured SET definition = 'an earlier one'")
    upgrade_capture(shop.migration, shop.url)
    assert shop.ask(indexes) == []


def test_a_restored_database_is_noticed_by_its_epoch(shop: Captured) -> None:
    shop.run("UPDATE crossover.control SET epoch = 0")
    assert problems(shop) == ["epoch: 0 in the database, 1 in the warehouse: the database was restored"]
    assert upgrade_capture(shop.migration, shop.url).status.epoch == 2


def test_another_timeline_is_noticed(shop: Captured) -> None:
    """A restore to a point in time, or a standby that was promoted."""
    shop.run("UPDATE crossover.control SET lineage = '1/1'")
    assert [problem.split(":")[0] for problem in problems(shop)] == ["database"]


class DiedError(Exception):
    """Stands for a kill: nothing of ours runs after it."""


@pytest.mark.parametrize("done", [0, 1, 2, 5, 8, 9])
def test_a_half_installed_capture_is_completed_or_removed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """[half-installed capture]"""
    migration = opened(tmp_path)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        before = sorted(connection.execute(EVERYTHING).fetchall())
        with dying_after(done, monkeypatch), pytest.raises(DiedError):
            install_capture(migration, database_url)
        status = capture_status(migration, database_url)
        assert status.capture != "on"
        assert status.gaps
        if done % 2:
            change = install_capture(migration, database_url)
            assert (change.status.capture, change.status.gaps) == ("on", ())
            with dying_after(done // 3, monkeypatch), pytest.raises(DiedError):
                uninstall_capture(migration, database_url)
        uninstall_capture(migration, database_url)
        assert sorted(connection.execute(EVERYTHING).fetchall()) == before


def test_an_upgrade_that_died_leaves_capture_off(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("UPDATE crossover.control SET mapping_hash = 'older'")
    with dying_after(3, monkeypatch), pytest.raises(DiedError):
        upgrade_capture(shop.migration, shop.url)
    assert (shop.status().capture, shop.status().epoch) == ("off", 2)
    assert install_capture(shop.migration, shop.url).status.epoch == 3


@contextmanager
def dying_after(transactions: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    left = [transactions]
    whole = steps._attempt

    def attempt(*arguments: Any) -> str | None:
        if left[0] == 0:
            raise DiedError
        left[0] -= 1
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "_attempt", attempt)
        yield


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("ALTER TABLE orders DISABLE TRIGGER {trigger}", "is disabled"),
        ("ALTER TABLE orders ENABLE TRIGGER {trigger}", "session_replication_role = replica"),
        ("ALTER TABLE orders ENABLE REPLICA TRIGGER {trigger}", "nothing of ordinary sessions"),
        ("DROP TRIGGER {trigger} ON orders", "is missing"),
        ("CREATE OR REPLACE TRIGGER {trigger} AFTER UPDATE OF status ON orders FOR EACH ROW"
         " EXECUTE FUNCTION crossover.{function}(); ALTER TABLE orders ENABLE ALWAYS TRIGGER {trigger}",
         "is not what was installed"),
        ("ALTER TABLE orders RENAME COLUMN total TO amount; ALTER TABLE orders ADD COLUMN total numeric",
         "is not what was installed"),
        ("CREATE OR REPLACE FUNCTION crossover.{function}() RETURNS trigger LANGUAGE plpgsql"
         " AS 'BEGIN RETURN NULL; END'",
         "is not this Crossover's"),
        ("ALTER FUNCTION crossover.{function}() SECURITY INVOKER", "is not this Crossover's"),
        ("ALTER FUNCTION crossover.{function}() SET search_path TO public", "is not this Crossover's"),
        ("DO $$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef(oid), E'\\nRETURN ', E'\\nRETURN NULL AND ')"
         " FROM pg_proc WHERE proname LIKE '%orders~%:differ1'); END $$",
         "is not what was installed"),
        ("UPDATE crossover.captured SET definition = 'older' WHERE table_name = 'orders'", "another mapping or by"),
        ("DELETE FROM crossover.captured WHERE table_name = 'orders'", "not captured yet"),
        ("UPDATE crossover.control SET mapping_hash = 'older'", "another one was installed"),
        ("UPDATE crossover.control SET capture = 'off'", "did not come to its end"),
        ("CREATE TABLE heirs () INHERITS (order_labels)", "heirs inherits since"),
    ],
)  # fmt: skip
def test_status_finds_every_gap_and_upgrade_mends_it(shop: Captured, statement: str, problem: str) -> None:
    trigger = update_trigger(shop)
    shop.run(statement.format(trigger=trigger, function=trigger.replace("crossover:", "", 1)))
    found = problems(shop)
    assert found
    assert any(problem in one for one in found)
    upgraded = upgrade_capture(shop.migration, shop.url).status
    assert (upgraded.gaps, upgraded.capture, upgraded.epoch) == ((), "on", 2)
    shop.run("UPDATE orders SET total = 1")


def test_install_does_not_mend_gaps_in_silence(shop: Captured) -> None:
    shop.run(f"ALTER TABLE orders DISABLE TRIGGER {update_trigger(shop)}")
    with pytest.raises(StageError, match=r"upgrade"):
        install_capture(shop.migration, shop.url)
    assert shop.status().epoch == 1


EVENTS = """
migration: e
target: {tables: {events: {partition_key: {name: pk, type: S}}}}
items: {event: {table: events, from: events, key: {pk: "{what}"}}}
"""


@pytest.fixture
def events(database_url: str, tmp_path: Path) -> Captured:
    return captured(
        database_url,
        tmp_path,
        "CREATE TABLE events (id int PRIMARY KEY, what text) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF events FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE high (what text, id int NOT NULL); INSERT INTO high VALUES ('h', 10), ('i', 11)",
        EVENTS,
    )


def test_a_detached_partition_is_a_gap(events: Captured) -> None:
    events.run("ALTER TABLE events DETACH PARTITION low")
    assert "public.low was detached" in problems(events)[0]
    assert upgrade_capture(events.migration, events.url).status.epoch == 2
    assert problems(events) == []
    assert events.ask("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'low'::regclass") == [(0,)]


def test_an_attached_partition_is_taken_in_with_its_rows_in_the_same_epoch(events: Captured) -> None:
    """[attached with its rows: nobody ever heard of them]"""
    events.run("ALTER TABLE events ATTACH PARTITION high FOR VALUES FROM (9) TO (99)")
    events.run("INSERT INTO events VALUES (12, 'new')", "DELETE FROM high WHERE id = 12")
    assert events.log() == [key("event", id=12)] * 2
    assert [problem for problem in problems(events) if "public.high was attached since" in problem] == problems(events)
    adopted = upgrade_capture(events.migration, events.url)
    assert (adopted.changed, adopted.status.epoch, adopted.status.gaps) == (True, 1, ())
    assert events.log() == [key("event", id=10), key("event", id=11), *[key("event", id=12)] * 2]
    events.run("DELETE FROM crossover.log", "SET session_replication_role = replica; TRUNCATE high")
    assert events.log() == [key("event", id=10), key("event", id=11)]
    assert not upgrade_capture(events.migration, events.url).changed


def test_an_adoption_that_died_is_done_again(events: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    events.run("ALTER TABLE events ATTACH PARTITION high DEFAULT")
    with dying_after(1, monkeypatch), pytest.raises(DiedError):
        upgrade_capture(events.migration, events.url)
    assert problems(events)
    assert upgrade_capture(events.migration, events.url).status.gaps == ()
    assert events.log() == [key("event", id=10), key("event", id=11)]


def test_a_mapping_without_a_table_takes_its_triggers_away(shop: Captured, tmp_path: Path) -> None:
    smaller = opened(tmp_path, MAPPING.partition("  customer:\n    table")[0].replace("label_id", "label_id"))
    less = smaller.mapping.model_copy(update={"items": {"order": smaller.mapping.items["order"]}})
    change = upgrade_capture(Migration(less, less.meaning_hash(), smaller.folder), shop.url)
    assert change.changed
    assert change.status.gaps == ()
    shop.run("INSERT INTO customers VALUES (1, 'x')")
    assert shop.log() == []
    assert shop.marks() == [("order", "customer", None, ["1"])]


def test_two_migrations_live_side_by_side(shop: Captured, tmp_path: Path) -> None:
    other = opened(tmp_path / "other", MAPPING.replace("migration: small", "migration: small-2"))
    assert install_capture(other, shop.url).status.epoch == 1
    shop.run("INSERT INTO orders VALUES (1)")
    assert shop.ask("SELECT migration, count(*) FROM crossover.log GROUP BY 1 ORDER BY 1") == [
        ("small", 1),
        ("small-2", 1),
    ]
    uninstall_capture(other, shop.url)
    shop.run("INSERT INTO orders VALUES (2)")
    assert shop.log() == [key("order", order_id=1), key("order", order_id=2)]
    assert shop.status().gaps == ()


def test_the_printed_script_is_what_is_run(database_url: str, tmp_path: Path) -> None:
    migration = opened(tmp_path)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        script = install_script(migration, database_url)
        assert "COMMIT;" in script
        assert connection.execute("SELECT to_regnamespace('crossover')").fetchone() == (None,)
        connection.execute(script.encode())
    assert [gap.where for gap in capture_status(migration, database_url).gaps] == ["epoch"]
    taken_over = install_capture(migration, database_url)
    assert (taken_over.changed, taken_over.status.epoch, taken_over.status.gaps) == (False, 1, ())


def test_an_application_role_needs_no_grant_and_cannot_hijack(shop: Captured) -> None:
    shop.run(
        "DROP ROLE IF EXISTS crossover_app",
        "CREATE ROLE crossover_app",
        "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO crossover_app",
        "CREATE SCHEMA evil AUTHORIZATION crossover_app",
        "SET ROLE crossover_app",
        "CREATE FUNCTION evil.steal(text, text) RETURNS text LANGUAGE sql AS $$SELECT 'stolen'$$",
        "CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.steal)",
        *(
            f"CREATE FUNCTION evil.say({type}, {type}) RETURNS bool LANGUAGE sql AS 'SELECT 1 / 0 = 1'; "
            + "; ".join(
                f"CREATE OPERATOR evil.{name} (LEFTARG = {type}, RIGHTARG = {type}, FUNCTION = evil.say)"
                for name in ("=", "<>")
            )
            for type in ("text", "text[]", "bigint")
        ),
        "CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false)",
        "CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (false)",
        "CREATE FUNCTION evil.concat(text) RETURNS text LANGUAGE sql AS $$SELECT 'stolen'$$",
        "CREATE TEMP TABLE log (migration text, item_type text, source_key text)",
        "SET search_path TO evil, pg_temp, pg_catalog, public",
        "SET standard_conforming_strings TO off",
        "SET TimeZone TO 'Asia/Tokyo'",
        "INSERT INTO public.orders VALUES (1)",
        "UPDATE public.orders SET order_id = 2",
        "INSERT INTO public.products VALUES (7)",
        "UPDATE public.products SET product_id = 8",
        "TRUNCATE public.lines",
    )
    try:
        orders = [key("order", order_id=1), key("order", order_id=1), key("order", order_id=2)]
        products = [key("product", product_id=7), key("product", product_id=7), key("product", product_id=8)]
        assert shop.log() == orders + products
        assert ("order", "lines.product", ["7"], ["8"]) in shop.marks()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.run("SET ROLE crossover_app", "DELETE FROM crossover.log")
    finally:
        shop.run("DROP OWNED BY crossover_app CASCADE", "DROP ROLE crossover_app")


def test_what_pg_dump_prints_of_it_can_be_loaded(shop: Captured) -> None:
    mine = "pronamespace = 'crossover'::regnamespace"
    definitions = [text for (text,) in shop.ask(f"SELECT pg_get_functiondef(oid) FROM pg_proc WHERE {mine}")]
    assert len(definitions) > 20
    shop.run(*definitions)
    assert shop.status().gaps == ()


def test_a_used_column_can_be_renamed_and_not_be_dropped(shop: Captured) -> None:
    """[a renamed key column: every write to the table failed]"""
    shop.run("INSERT INTO orders VALUES (1, NULL)", "INSERT INTO lines VALUES (1, 1)")
    shop.forget()
    shop.run(
        "ALTER TABLE orders RENAME COLUMN order_id TO number",
        "ALTER TABLE orders RENAME COLUMN total TO amount",
        "ALTER TABLE lines RENAME COLUMN order_id TO of",
        "UPDATE orders SET amount = 7",
        "UPDATE orders SET number = 2",
        "DELETE FROM lines",
    )
    one, two = key("order", order_id=1), key("order", order_id=2)
    assert shop.log() == [one] * 3 + [two] * 3  # two of the cascade
    assert shop.ask("SELECT old FROM crossover.log WHERE old IS NOT NULL") == [
        ({"order_id": "1", "customer_id": None},)
    ]
    for statement in ("ALTER TABLE orders DROP COLUMN amount", "ALTER TABLE orders ALTER COLUMN amount TYPE text"):
        with pytest.raises((psycopg.errors.DependentObjectsStillExist, psycopg.errors.FeatureNotSupported)):
            shop.run(statement)
    shop.run("ALTER TABLE orders DROP COLUMN unused", "UPDATE orders SET amount = 8")


def test_a_table_in_use_is_waited_for_in_short_tries(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = opened(tmp_path)
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "0.5")
    with psycopg.connect(database_url) as writer:
        writer.execute(SCHEMA.encode())
        writer.commit()
        writer.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(SourceError, match=r"table public.orders: a lock could not be had in 0.5 seconds"):
            install_capture(migration, database_url)
        assert capture_status(migration, database_url).capture == "off"
        writer.commit()
    assert install_capture(migration, database_url).status.capture == "on"


def test_only_one_capture_command_at_a_time(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "0.2")
    with shop.session() as other:
        other.execute("SELECT pg_advisory_lock(%s)", (0x63726F73736F7665,))
        with pytest.raises(StageError, match=r"another capture command"):
            uninstall_capture(shop.migration, shop.url)


def test_a_role_that_does_not_own_the_tables_is_told_so(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute("CREATE ROLE crossover_other LOGIN PASSWORD 'p'")
        try:
            name = connection.info.dbname
            connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO crossover_other'.encode())
            url = database_url.replace(database_url.split("//")[1].split("@")[0], "crossover_other:p")
            with pytest.raises(SourceError, match=r"owns the mapped tables"):
                install_capture(opened(tmp_path), url)
        finally:
            connection.execute("DROP OWNED BY crossover_other CASCADE")
            connection.execute("DROP ROLE crossover_other")


def test_views_and_unlogged_tables_have_no_ledger(database_url: str, tmp_path: Path) -> None:
    mapping = MAPPING.replace("from: labels", "from: label_view").replace(
        "from: customers\n    key", "from: crm\n    key"
    )
    shop = captured(
        database_url,
        tmp_path,
        SCHEMA + "CREATE VIEW label_view AS SELECT * FROM labels;"
        "CREATE UNLOGGED TABLE crm (customer_id bigint PRIMARY KEY, secret text)",
        mapping,
    )
    modes = {one.item_type: (one.mode, one.reason) for one in shop.status().modes}
    assert modes["product"] == ("ledger", "")
    assert modes["order"][0] == modes["customer"][0] == "none"
    assert "public.label_view is a view" in modes["order"][1]
    assert "unlogged" in modes["customer"][1]
    assert shop.status().tables == ("public.products",)


def test_the_command_line(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    file = tmp_path / "small.yaml"
    file.write_text(MAPPING)
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA.encode())

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        status = cli.run(["capture", str(file), *arguments, "--json"])
        return status, json.loads(capsys.readouterr().out)

    assert run("status")[0] == 1
    assert "CREATE OR REPLACE TRIGGER" in run("install", "--print")[1]["sql"]
    assert run("status", "--print")[0] == 2
    status, document = run("install")
    assert (status, document["capture"], document["epoch"], document["gaps"]) == (0, "on", 1, [])
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE crossover.captured; CREATE TABLE crossover.captured (migration text)")
    assert run("status")[1]["error"]["code"] == "source"
    assert "DROP TRIGGER" in run("uninstall", "--print")[1].get("sql", "DROP TRIGGER")


def test_importing_the_command_imports_no_driver() -> None:
    code = "import sys, pipelines.capture_commands; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
