"""Versions in a snapshot; marks that a snapshot sees; what compaction leaves as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.source.connect import connect
from pipelines.source.ledger.compaction import Compaction, compact
from pipelines.source.ledger.left_keys import left_keys
from pipelines.source.ledger.marks import open_marks
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.ledger.version import EPOCH_STEP, first_version, read_versions, versions_known
from tests.captured_shop import Captured, captured

pytestmark = pytest.mark.integration

SIX, SEVEN, NINE = (f'{{"order_id":"{n}"}}' for n in (6, 7, 9))


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Captured:
    shop = captured(database_url, tmp_path)
    shop.run("INSERT INTO orders VALUES (6), (7)", "UPDATE orders SET total = 1 WHERE order_id = 6")
    return shop


def versions(shop: Captured) -> dict[str, int]:
    with shop.session() as connection:
        return read_versions(connection, "small", "order", [SIX, SEVEN, NINE, SIX])


def known(shop: Captured) -> dict[tuple[str, str], int]:
    with shop.session() as connection:
        found = connection.execute(versions_known("small")).fetchall()
    return {(item_type, source_key): version for item_type, source_key, version, _ in found}


def test_the_epoch_the_base_and_the_log_add_up(shop: Captured) -> None:
    assert versions(shop) == {SIX: EPOCH_STEP + 2, SEVEN: EPOCH_STEP + 1, NINE: first_version(1)}
    shop.run("UPDATE crossover.control SET epoch = 3")
    assert versions(shop)[SIX] == 3 * EPOCH_STEP + 2
    assert known(shop) == {("order", SIX): 3 * EPOCH_STEP + 2, ("order", SEVEN): 3 * EPOCH_STEP + 1}


def test_compaction_changes_no_version_before_and_after_its_end(shop: Captured) -> None:
    before = versions(shop)
    with shop.session("repeatable read") as reader, connect_writable(shop.url) as relay:
        reader.execute("BEGIN")
        assert read_versions(reader, "small", "order", [SIX])[SIX] == before[SIX]
        assert compact(relay, "small") == Compaction(3, 2)
        assert read_versions(reader, "small", "order", [SIX])[SIX] == before[SIX]
        assert compact(relay, "small") == Compaction(0, 0)
    assert versions(shop) == before
    assert known(shop) == {("order", SIX): before[SIX], ("order", SEVEN): before[SEVEN]}
    shop.run("UPDATE orders SET total = 2 WHERE order_id = 6")
    assert versions(shop)[SIX] == before[SIX] + 1


def test_compaction_keeps_what_relays_know_and_other_migrations_rows(shop: Captured) -> None:
    shop.run(
        "INSERT INTO crossover.item (migration, item_type, source_key, base, delivered)"
        f" VALUES ('small', 'order', '{SIX}', 5, 9), ('other', 'order', '{SIX}', 1, NULL)",
        f"INSERT INTO crossover.log VALUES ('other', 'order', '{SIX}')",
    )
    with connect_writable(shop.url) as relay:
        assert compact(relay, "small", 1) == Compaction(1, 1)
        assert compact(relay, "small", 9) == Compaction(2, 2)
    rows = shop.ask("SELECT migration, source_key, base, delivered FROM crossover.item ORDER BY 1, 2")
    assert rows == [("other", SIX, 1, None), ("small", SIX, 7, 9), ("small", SEVEN, 1, None)]
    assert shop.ask("SELECT migration FROM crossover.log") == [("other",)]


def test_two_compactions_take_different_rows(shop: Captured) -> None:
    with connect_writable(shop.url) as one, connect_writable(shop.url) as other:
        one.execute("BEGIN")
        assert compact(one, "small", 2).rows == 2
        other.execute("SET lock_timeout = '2s'")
        left = compact(other, "small", 0)
        assert left.rows == 0
        one.execute("ROLLBACK")
    assert versions(shop)[SIX] == EPOCH_STEP + 2


def test_a_key_of_any_length_is_logged_folded_and_found(database_url: str, tmp_path: Path) -> None:
    """An index row has a largest size; a writer must not fail at it."""
    shop = captured(
        database_url,
        tmp_path,
        "CREATE TABLE notes (a text, b text, c text, body text, PRIMARY KEY (a, b, c))",
        "migration: small\ntarget: {tables: {notes: {partition_key: {name: pk, type: S}}}}\n"
        'items: {order: {table: notes, from: notes, key: {pk: "{a}"}}}\n',
    )
    shop.run("INSERT INTO notes SELECT repeat(md5('1'), 60), string_agg(chr(1 + n % 31), ''), repeat('x', 2000)"
             " FROM generate_series(1, 1500) n")  # fmt: skip
    ((key,),) = shop.ask("SELECT source_key FROM crossover.log")
    assert len(key) > 8000
    with connect_writable(shop.url) as relay:
        compact(relay, "small")
        assert read_versions(relay, "small", "order", [key]) == {key: EPOCH_STEP + 1}


def test_open_marks_reach_what_their_expansion_will_touch(shop: Captured) -> None:
    shop.run(
        "INSERT INTO products VALUES (7, 'old')",
        "INSERT INTO employees VALUES (1, 'Rae', 2), (2, 'Boss', NULL)",
        "INSERT INTO lines VALUES (6, 1, 7, 0)",
        "UPDATE orders SET rep_id = 1 WHERE order_id = 7",
    )
    shop.expand()
    shop.forget()
    plan = shop.plan()
    shop.run("UPDATE products SET name = 'new'", "UPDATE employees SET name = 'B' WHERE employee_id = 2")
    with shop.session("repeatable read") as connection, connection.transaction():
        connection.execute("SET LOCAL search_path TO ''")
        assert open_marks(connection, plan) == {"order": frozenset({SIX, SEVEN})}
    shop.expand()
    with shop.session("repeatable read") as connection, connection.transaction():
        assert open_marks(connection, plan) == {}


def test_a_left_key_is_the_key_that_the_row_had(database_url: str, tmp_path: Path) -> None:
    shop = captured(
        database_url,
        tmp_path,
        "CREATE TABLE visits (id int PRIMARY KEY, n numeric, at timestamptz, code char(4), day date, f float8)",
        "migration: small\ntarget: {tables: {visits: {partition_key: {name: pk, type: S}}}}\n"
        "items: {order: {table: visits, from: visits, key:"
        ' {pk: "{id:04}#{n}#{at:%Y-%m-%dT%H}#{code:esc}#{day}#{f}"}}}\n',
    )
    shop.run(
        "SET TimeZone TO 'Asia/Tokyo'; SET DateStyle TO 'German'; SET extra_float_digits TO -15",
        "INSERT INTO visits VALUES (7, 1.50, '2026-11-24 08:00+09', 'é#', '2026-02-03', 0.30000000000000004)",
        "UPDATE visits SET n = 2",
        "INSERT INTO visits VALUES (8, 'NaN', now(), 'x', now(), 1)",
        "DELETE FROM visits",
    )
    olds = [old for (old,) in shop.ask("SELECT old::text FROM crossover.log WHERE old IS NOT NULL")]
    with connect(database_url) as connection:
        keys = left_keys(connection, shop.plan().item("order"), olds)
    assert keys == [
        '{"pk":{"S":"0007#1.5#2026-11-23T23#é%23  #2026-02-03#0.30000000000000004"}}',
        '{"pk":{"S":"0007#2#2026-11-23T23#é%23  #2026-02-03#0.30000000000000004"}}',
        None,
    ]
