"""Writers meet no error, no wait and no deadlock that they would not meet without capture.

The same schedule of several writers is played on two databases, one with capture and relays beside, statement by
statement from one thread: a statement that waits for another writer can only end by its `lock_timeout`, which is an
outcome like any other. The outcomes of all statements must be the same.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.deliver.opened import OpenedLedger, opened_ledger
from pipelines.deliver.reading import Reading, read
from pipelines.errors import SourceError
from pipelines.source.ledger.claim import Lease, claim
from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.mark_delivered import Receipt, mark_delivered
from pipelines.source.ledger.marks import expand_marks, open_marks
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.touch import touch
from pipelines.source.ledger.undelivered import undelivered_after
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import MAPPING, WRITTEN_SHOP, Delivering, source_key, tables
from tests.shop_writer import SMALL, Transaction, transactions
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

SEEDS = 60 if TORTURE else 3
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
WRITERS, TRANSACTIONS = 3, 8

# Statistics that come at another moment would change plans, and with them what SERIALIZABLE locks.
STILL = "".join(
    f"ALTER TABLE {table} SET (autovacuum_enabled = false);" for table in ("orders", "lines", "products", "seats")
)
ROWS = (
    "TRUNCATE orders, lines, products, seats",
    "INSERT INTO products SELECT n, 'p' FROM generate_series(1, 2) n",
    "INSERT INTO orders SELECT n, 1, 'o' FROM generate_series(1, 4) n",
    "INSERT INTO lines SELECT n, 1, 1 FROM generate_series(1, 4) n",
    "INSERT INTO seats SELECT n, 'S' || n, 'g' FROM generate_series(1, 3) n",
)

COUNTER = """
CREATE TABLE public.counter (item_type text, source_key text, n int, PRIMARY KEY (item_type, source_key));
CREATE FUNCTION public.count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.counter VALUES (NEW.item_type, NEW.source_key, 1)
        ON CONFLICT (item_type, source_key) DO UPDATE SET n = public.counter.n + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER count_up BEFORE INSERT ON crossover.log FOR EACH ROW EXECUTE FUNCTION public.count_up()"""

Outcome = tuple[int, str]
"""Which writer's statement; the number of rows, or an SQLSTATE."""


class Relay:
    """Does what relays do, a step now and then between those of writers, and leaves its transactions open meanwhile."""

    def __init__(self, writing: OpenedLedger, reading: OpenedLedger) -> None:
        self.failures = 0
        self.reading_level = "REPEATABLE READ"
        self._plan = writing.plan
        self._writing, self._reading = writing.session, reading.session
        self._claimed: dict[str, list[str]] = {}
        self._read: dict[str, list[Reading]] = {}

    def step(self, dice: random.Random) -> None:
        steps = (self._gather, self._claim, self._read_items, self._mark, self._touch, self._end_reading, self.commit)
        if dice.random() < 0.5:
            return
        try:
            dice.choice(steps)()
        except (psycopg.Error, SourceError):
            self.failures += 1
            for session in (self._writing, self._reading):
                session.connection.execute("ROLLBACK")

    def commit(self) -> None:
        self._writing.connection.execute("COMMIT")
        self._end_reading()

    def _end_reading(self) -> None:
        self._reading.connection.execute("COMMIT")

    def _open(self, session: LedgerSession, level: str) -> Connection[TupleRow]:
        if session.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            session.connection.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        return session.connection

    def _gather(self) -> None:
        connection = self._open(self._writing, "READ COMMITTED")
        expand_marks(connection, self._plan)
        compact(connection, self._plan.name)

    def _claim(self) -> None:
        self._open(self._writing, "READ COMMITTED")
        for item in self._plan.items:
            waiting = undelivered_after(self._writing, [item.name], ("", ""), 9)
            keys = [one.source_key for one in waiting]
            self._claimed[item.name] = claim(self._writing, item, keys, Lease("relay", 0.0))

    def _read_items(self) -> None:
        connection = self._open(self._reading, self.reading_level)
        for item in self._plan.items:
            self._read[item.name] = read(self._reading, item, self._claimed.get(item.name, []))
        open_marks(connection, self._plan)

    def _mark(self) -> None:
        self._open(self._writing, "READ COMMITTED")
        for item_type, readings in self._read.items():
            receipts = [Receipt(one.source_key, one.version, one.kept) for one in readings]
            mark_delivered(self._writing, item_type, receipts, "relay")

    def _touch(self) -> None:
        self._open(self._writing, "READ COMMITTED")
        for item_type, keys in self._claimed.items():
            for key in keys:
                touch(self._writing, item_type, key, 0)


@dataclass(frozen=True)
class Two:
    """The same tables, without and with capture."""

    without: str
    shop: Captured
    relay: Relay


@contextmanager
def relaying(shop: Captured) -> Iterator[Relay]:
    with (
        pytest.MonkeyPatch.context() as patch,
        opened_ledger(shop.migration, shop.url) as writing,
        opened_ledger(shop.migration, shop.url) as reading,
    ):
        patch.setattr(LedgerSession, "_at", lambda session, level: nullcontext())  # transactions are begun by hand
        yield Relay(writing, reading)


@pytest.fixture(scope="module")
def alone(postgres_server: str) -> Iterator[str]:
    with database(postgres_server, "writers_alone") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((WRITTEN_SHOP + STILL).encode())
        yield url


@pytest.fixture
def two(alone: str, database_url: str, tmp_path: Path) -> Iterator[Two]:
    shop = captured(database_url, tmp_path, WRITTEN_SHOP + STILL, MAPPING)
    with relaying(shop) as relay:
        yield Two(alone, shop, relay)


@pytest.mark.parametrize("level", LEVELS)
def test_writers_meet_nothing_that_they_would_not_meet_alone(two: Two, level: str) -> None:
    met: set[str] = set()
    for seed in range(SEEDS):
        alone, beside = played_on_both(two, seed, level)
        assert beside == alone, f"seed {seed}"
        met |= {outcome for _, outcome in alone}
    assert "55P03" in met
    assert level == "READ COMMITTED" or "40001" in met
    assert two.relay.failures == 0


@pytest.mark.skipif(not TORTURE, reason="make torture")
def test_an_upserted_counter_would_be_noticed(two: Two) -> None:
    """Writers of other rows of one item would wait for each other."""
    two.shop.run(COUNTER)
    assert any(alone != beside for alone, beside in (played_on_both(two, seed, "READ COMMITTED") for seed in range(9)))


@pytest.mark.skipif(not TORTURE, reason="make torture")
def test_a_serializable_relay_would_be_noticed(two: Two) -> None:
    """Who reads the tables and the log that way aborts those that write there."""
    two.relay.reading_level = "SERIALIZABLE"
    assert any(alone != beside for alone, beside in (played_on_both(two, seed, "SERIALIZABLE") for seed in range(99)))


def test_a_truncate_of_two_tables_does_not_die_of_a_reading(database_url: str, tmp_path: Path) -> None:
    """Who reads has locked the second table, and waits for the first: a deadlock, if it waited for long."""
    shop = captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING)
    with shop.session() as writer, opened_ledger(shop.migration, shop.url) as ledger:
        writer.execute("SET deadlock_timeout = '500ms'")
        writer.execute("BEGIN; TRUNCATE lines")
        item = ledger.plan.item("order")
        reading = threading.Thread(target=read, args=(ledger.session, item, [source_key(1)]))
        reading.start()
        while not shop.ask("SELECT FROM pg_locks WHERE NOT granted AND relation = 'lines'::regclass"):
            pass
        writer.execute("TRUNCATE orders CASCADE")
        writer.execute("COMMIT")
        reading.join()


def played_on_both(two: Two, seed: int, level: str) -> tuple[list[Outcome], list[Outcome]]:
    dice = random.Random(seed)
    for url in (two.without, two.shop.url):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in ROWS:
                connection.execute(statement.encode())
    two.shop.forget()
    alone = played(two.without, seed, level, "20ms", lambda: None)
    beside = played(two.shop.url, seed, level, "100ms", lambda: two.relay.step(dice))
    two.relay.commit()
    return alone, beside


def played(url: str, seed: int, level: str, lock_timeout: str, beside: Callable[[], None]) -> list[Outcome]:
    """All statements of all writers, in an order that the seed gives."""
    dice = random.Random(seed)
    waiting = [
        [statements(one, level) for one in transactions(f"{seed}.{writer}", TRANSACTIONS, SMALL)]
        for writer in range(WRITERS)
    ]
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        sessions = [stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in waiting]
        for session in sessions:
            session.execute(f"SET lock_timeout TO '{lock_timeout}'".encode())
        while any(waiting):
            writer = dice.choice([number for number, left in enumerate(waiting) if left])
            outcome = tried(sessions[writer], waiting[writer])
            outcomes.append((writer, outcome))
            beside()
    return outcomes


def statements(transaction: Transaction, level: str) -> list[str]:
    """TRUNCATE waits for whoever reads the table, as it always has."""
    found = [f"BEGIN ISOLATION LEVEL {level}"]
    for statement, undone in zip(transaction.statements, transaction.undone, strict=True):
        if not statement.startswith("TRUNCATE"):
            found += ["SAVEPOINT s", statement, "ROLLBACK TO s"] if undone else [statement]
    return [*found, "ROLLBACK" if transaction.rolled_back else "COMMIT"]


def tried(session: Connection[TupleRow], waiting: list[list[str]]) -> str:
    """The next statement; after an error the next one is of the next transaction."""
    try:
        outcome = str(session.execute(waiting[0].pop(0).encode()).rowcount)
    except psycopg.Error as error:
        session.execute("ROLLBACK")
        outcome, waiting[0] = error.sqlstate or "lost", []
    if not waiting[0]:
        waiting.pop(0)
    return outcome


@pytest.mark.parametrize("level", LEVELS)
def test_writers_in_opposite_orders_beside_a_drain(
    database_url: str, tmp_path: Path, dynamodb_environment: str, level: str
) -> None:
    """Each has rows of its own in the same items; truly at once, while all of it is delivered."""
    shop = tables(captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING))
    shop.run(
        "INSERT INTO orders SELECT n, 1 FROM generate_series(1, 5) n",
        "INSERT INTO products SELECT n, 'p' FROM generate_series(1, 4) n",
        "INSERT INTO lines SELECT o, n, n FROM generate_series(1, 5) o, generate_series(1, 4) n",
    )
    problems: list[str] = []
    writers = [threading.Thread(target=_write_own_rows, args=(shop, level, number, problems)) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        shop.drain()
    assert problems == []


def _write_own_rows(shop: Delivering, level: str, number: int, problems: list[str]) -> None:
    """Half of the writers go through the orders forwards, the others backwards."""
    orders = (1, 5) if number % 2 else (5, 1)
    with shop.shop.session(level.lower()) as connection:
        connection.execute("SET deadlock_timeout = '50ms'; SET lock_timeout = '2s'; SET enable_seqscan = off")
        for turn in range(20):
            try:
                with connection.transaction():
                    for order in orders:
                        connection.execute(
                            "UPDATE lines SET product = %s WHERE order_id = %s AND n = %s",
                            (turn % 4 + 1, order, number),
                        )
                with connection.transaction():
                    connection.execute("UPDATE products SET name = name || 'x' WHERE id = %s", (number,))
            except psycopg.Error as error:
                problems.append(error.sqlstate or "lost")
