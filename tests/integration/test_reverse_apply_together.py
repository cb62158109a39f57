"""Applied states among others: in any order, in any batches, told twice; beside relays; and where other items hold
copies of what is written."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.deliver.opened import opened_ledger
from pipelines.items.canonical import canonical_item
from pipelines.reverse.apply.applier import Applier
from pipelines.reverse.apply.image import Image, Outcome
from pipelines.reverse.apply.waiting import due_waiting
from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.steps import connect_writable
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from tests import reversed_shop
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import Delivering
from tests.integration.test_reverse_apply import (
    FIRST,
    LINES,
    apply,
    image,
    ledger,
    left_for_relays,
    outcomes,
    problem,
    tombstone,
    trigger,
)
from tests.reversed_shop import customer_item, key_text, order_item, product_item, source_key, text
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

SEEDS = range(100 if TORTURE else 4)

Item = dict[str, Any]


@pytest.fixture(scope="module")
def filled(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "reverse_together") as url:
        yield reversed_shop.reversed_shop(url, tmp_path_factory.mktemp("reversed"))


@pytest.fixture
def shop(filled: Captured) -> Captured:
    reversed_shop.refill(filled)
    reversed_shop.set_master(filled)
    return filled


class History:
    """Random states of a few rows, as DynamoDB has had them; the last of each is possible in the source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.told: list[Image] = []
        self.last: dict[tuple[str, str], tuple[int, Item | None]] = {}
        names = {n: self.word() for n in range(1, 4)}
        for n in names:
            for _ in range(self.random.randint(0, 3)):
                self.write("customer", source_key(customer_id=n), self.customer(n, self.word()))
            self.write("customer", source_key(customer_id=n), self.customer(n, names[n], f"mail{n}"))
        for n in range(1, 6):
            self.order(n, names)
        for sku in "AB":
            for _ in range(self.random.randint(0, 3)):
                self.write(
                    "product", source_key(sku=sku), product_item(sku, self.word(), str(self.random.randint(1, 9)))
                )
            if self.random.random() < 0.3:
                self.write("product", source_key(sku=sku), None)

    def word(self) -> str:
        return self.random.choice(("ant", "bee", "cat", "dog"))

    def customer(self, n: int, name: str, email: str | None = None) -> Item:
        mail = email or self.random.choice((None, "mail1", "mail2", "mail3"))
        return customer_item(n, name, mail, [self.word() for _ in range(self.random.randint(0, 2))])

    def order(self, n: int, names: dict[int, str]) -> None:
        """Moves from customer to customer, with lines that change places; perhaps it is gone at last."""
        customer = 0
        for _ in range(self.random.randint(1, 4)):
            before, customer = customer, self.random.randint(1, 3)
            places = self.random.sample(range(1, 5), self.random.randint(0, 3))
            lines = [(no, place, self.word(), self.random.randint(1, 9)) for no, place in enumerate(places, start=1)]
            if before not in (0, customer):
                self.write("order", source_key(shop_id=1, order_no=n), None, order_item(n, before, ""))
            self.write("order", source_key(shop_id=1, order_no=n), order_item(n, customer, self.word(), lines))
        if self.random.random() < 0.3:
            self.write("order", source_key(shop_id=1, order_no=n), None)

    def write(self, item_type: str, row: str, item: Item | None, left: Item | None = None) -> None:
        version, before = self.last.get((item_type, row), (FIRST + self.random.randint(0, 3), None))
        place = key_text(item or left or before or {}) if item or left or before else None
        if place is None:
            return
        content = None if item is None else text(item)
        self.told.append(Image("reversed", place, content, version + 1, None))
        self.last[item_type, row] = (version + 1, item if left is None else before)

    def batches(self) -> Iterator[list[Image]]:
        """Those of one key in order; now and then the last ones are told once more, as after a crash."""
        queues: dict[str, list[Image]] = {}
        for one in self.told:
            queues.setdefault(one.key, []).append(one)
        told: list[Image] = []
        while queues:
            key = self.random.choice(sorted(queues))
            told.append(queues[key].pop(0))
            if not queues[key]:
                del queues[key]
            if self.random.random() < 0.1:
                told += told[-self.random.randint(1, 9) :]
        while told:
            size = self.random.randint(1, 9)
            yield told[:size]
            told = told[size:]


def in_source(shop: Captured) -> dict[tuple[str, str], Any]:
    """Every row, with what belongs to it, in words of its own."""
    queries = {
        "customer": "SELECT json_build_object('customer_id', customer_id::text)::text, name, email,"
        " (SELECT array_agg(street ORDER BY address_no) FROM addresses a WHERE a.customer_id = c.customer_id)"
        " FROM customers c",
        "order": "SELECT json_build_object('shop_id', shop_id::text, 'order_no', order_no::text)::text, customer_id,"
        " (SELECT array_agg(ROW(line_no, position, sku, quantity)::text ORDER BY line_no) FROM lines l"
        " WHERE l.shop_id = o.shop_id AND l.order_no = o.order_no) FROM orders o",
        "product": "SELECT json_build_object('sku', sku)::text, name, price::text FROM products",
    }
    return {
        (item_type, row.replace(" ", "")): tuple(content)
        for item_type, query in queries.items()
        for row, *content in shop.ask(query)
    }


def expected(item_type: str, item: Item) -> tuple[Any, ...]:
    def value(name: str) -> Any:
        return next(iter(item[name].values())) if name in item else None

    if item_type == "customer":
        streets = [one["M"]["street"]["S"] for one in item["addresses"]["L"]]
        return value("name"), value("email"), streets or None
    if item_type == "product":
        return value("name"), value("price")
    found = []
    for one in item["lines"]["L"]:
        found.append(
            "({line_no},{position},{sku},{quantity})".format(**{k: next(iter(v.values())) for k, v in one["M"].items()})
        )
    return int(value("customer_id")), found or None


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_order_the_newest_states_are_there_in_the_end(shop: Captured, seed: int) -> None:
    shop.run("DELETE FROM lines", "DELETE FROM orders", "DELETE FROM addresses", "DELETE FROM customers")
    shop.run("DELETE FROM products", "DELETE FROM crossover.log", "DELETE FROM crossover.mark")
    history = History(seed)
    with opened_ledger(shop.migration, shop.url) as opened:
        applier = Applier(opened.session, opened.plan)
        for batch in history.batches():
            applier.apply(batch, all_is_read=history.random.random() < 0.5)
        latest = {one.key: one for one in sorted(history.told, key=lambda one: one.version)}
        for _ in range(6):
            shop.run("UPDATE crossover.reverse SET due = now() - interval '1 second'")
            waiting = due_waiting(opened.session.connection, "reversed", 1_000)
            applier.apply([latest[one.key] for one in waiting], all_is_read=True)
    assert shop.ask("SELECT key, last_error FROM crossover.reverse") == []
    assert in_source(shop) == {
        (item_type, row): expected(item_type, item)
        for (item_type, row), (_, item) in history.last.items()
        if item is not None
    }
    assert ledger(shop) == {place: (version - FIRST,) * 2 for place, (version, _) in history.last.items()}
    assert left_for_relays(shop) == (0, 0, 0)


def test_a_relay_finds_nothing_to_deliver(shop: Captured, dynamodb_environment: str) -> None:
    create_tables(shop.migration.mapping, dynamodb_client())
    Delivering(shop).drain()
    found = outcomes(
        shop,
        image(customer_item(1, "Anna", None, ["Elm Street"]), 7),
        image(order_item(1, 2, "Bob", LINES), 8),
        tombstone(order_item(1, 1, "Ann"), 7),
        tombstone(product_item("B", "Bread"), 9),
    )
    assert found == ["applied", "applied", "older", "applied"]
    reversed_shop.set_master(shop, "rds_first")
    assert not any(Delivering(shop).drain().counts.values())
    shop.run("UPDATE products SET stock = 3 WHERE sku = 'A'")
    assert Delivering(shop).drain().counts["written"] == 1


def test_a_compaction_at_the_same_time_is_no_matter(shop: Captured) -> None:
    """It holds the log rows of the item, and waits for its row."""
    shop.run("UPDATE products SET stock = 1 WHERE sku = 'A'")
    with connect_writable(shop.url) as other, other.transaction():
        other.execute("SELECT FROM crossover.log FOR UPDATE")
        why, final = problem(shop, image(product_item("A", "new"), 5))
        assert "at the same time" in why and not final
    with connect_writable(shop.url) as other:
        compact(other, "reversed")
    assert outcomes(shop, image(product_item("A", "new"), 5)) == ["applied"]
    assert ledger(shop)["product", source_key(sku="A")] == (5, 5)


COPIED = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, orders int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, status text, at timestamptz, doc json,
    touched text);
CREATE TABLE notes (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, body text, colour text DEFAULT 'none');
CREATE TABLE words (note_id int REFERENCES notes, n int, word text, PRIMARY KEY (note_id, n));
"""
COPYING = """
migration: copied
target: {tables: {copied: {partition_key: {name: pk, type: S}}}}
items:
  customer:
    table: copied
    from: customers
    key: {pk: "C{id}"}
    embed:
      recent: {from: orders, on: {customer_id: id}, as: list, include: [id, status]}
  order:
    table: copied
    from: orders
    key: {pk: "O{id}"}
    types: {at: epoch_seconds, doc: json}
    compare: {ignore: [touched]}
    embed:
      notes:
        from: notes
        on: {order_id: id}
        as: list
        exclude: [order_id, colour]
        embed: {words: {from: words, on: {note_id: id}, as: list, exclude: [note_id]}}
"""


class TestWhereOthersHoldACopy:
    """A customer shows its orders, which it does not own."""

    @pytest.fixture(scope="class")
    @staticmethod
    def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
        with database(postgres_server, "reverse_copied") as url:
            yield captured(url, tmp_path_factory.mktemp("copied"), COPIED, COPYING)

    @pytest.fixture
    def copied(self, installed: Captured) -> Captured:
        installed.run(
            "TRUNCATE customers, orders, notes, words",
            "INSERT INTO customers VALUES (1, 'Ann', 1), (2, 'Bob', 0)",
            "INSERT INTO orders VALUES (1, 1, 'new', '2026-11-29 10:00:00.25+00', '{\"a\":  1.0}')",
            "INSERT INTO crossover.master (migration, group_name, item_types, phase)"
            " VALUES ('copied', 'customer+order', '{customer,order}', 'dynamodb_first') ON CONFLICT DO NOTHING",
        )
        installed.forget()
        return installed

    def order(
        self, status: str, version: int = 1, customer: int = 1, id: int = 1, notes: dict[int, list[str]] | None = None
    ) -> Image:
        item: Item = {
            "pk": {"S": f"O{id}"},
            "id": {"N": str(id)},
            "customer_id": {"N": str(customer)},
            "status": {"S": status},
            "at": {"N": "1795946400"},
            "doc": {"M": {"a": {"N": "1"}}},
            "notes": {"L": [self.note(id, words) for id, words in (notes or {}).items()]},
        }
        return Image("copied", canonical_item({"pk": item["pk"]}), canonical_item(item), FIRST + version)

    def note(self, id: int, words: list[str]) -> Item:
        listed = [{"M": {"n": {"N": str(n)}, "word": {"S": word}}} for n, word in enumerate(words)]
        return {"M": {"id": {"N": str(id)}, "body": {"S": f"note {id}"}, "words": {"L": listed}}}

    def notes(self, copied: Captured) -> list[tuple[Any, ...]]:
        return copied.ask(
            "SELECT order_id, id, colour, array(SELECT word FROM words w WHERE w.note_id = n.id ORDER BY w.n)"
            " FROM notes n ORDER BY id"
        )

    def statuses(self, copied: Captured) -> list[tuple[Any, ...]]:
        return copied.ask("SELECT customer_id, status FROM orders")

    def test_it_is_left_to_the_application(self, copied: Captured) -> None:
        assert outcomes(copied, self.order("paid", customer=2)) == ["applied"]
        assert self.statuses(copied) == [(2, "paid")]
        assert left_for_relays(copied) == (0, 0, 0)
        assert set(ledger(copied)) == {("order", source_key(id=1))}

    def test_what_the_item_tells_less_of_stays_as_fine_as_it_is(self, copied: Captured) -> None:
        assert outcomes(copied, self.order("paid")) == ["applied"]
        assert copied.ask("SELECT extract(milliseconds FROM at)::int, doc::text FROM orders") == [(250, '{"a":  1.0}')]

    def test_children_of_children_come_and_go(self, copied: Captured) -> None:
        assert outcomes(copied, self.order("new", notes={7: ["a", "b"], 8: ["c"]})) == ["applied"]
        copied.run("UPDATE notes SET colour = 'red'")
        assert outcomes(copied, self.order("new", 2, notes={7: ["b"], 9: []})) == ["applied"]
        assert self.notes(copied) == [(1, 7, "red", ["b"]), (1, 9, "none", [])]
        assert left_for_relays(copied) == (0, 0, 0)
        gone = Image("copied", canonical_item({"pk": {"S": "O1"}}), None, FIRST + 3)
        assert outcomes(copied, gone) == ["applied"]
        assert copied.ask("SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM words)") == [(0, 0)]
        assert left_for_relays(copied) == (0, 0, 0)

    def test_a_child_that_moves_within_a_batch_stays_what_it_is(self, copied: Captured) -> None:
        images = [self.order("new", notes={7: ["a"], 8: []}), self.order("new", id=2)]
        assert outcomes(copied, *images) == ["applied", "applied"]
        copied.run("UPDATE notes SET colour = 'red'")
        copied.forget()
        images = [self.order("new", 5), self.order("new", 5, id=2, notes={7: ["a"]})]
        assert outcomes(copied, *images) == ["applied", "applied"]
        assert self.notes(copied) == [(2, 7, "red", ["a"])]
        assert left_for_relays(copied) == (0, 0, 0)

    def test_one_that_is_still_another_items_waits_for_that(self, copied: Captured) -> None:
        images = [self.order("new", notes={7: ["a"]}), self.order("new", id=2)]
        assert outcomes(copied, *images) == ["applied", "applied"]
        moved = self.order("new", 5, id=2, notes={7: ["a"]})
        why, final = problem(copied, moved)
        assert "1 of order" in why and not final
        assert outcomes(copied, self.order("new", 5)) == ["applied"]
        assert outcomes(copied, moved) == ["applied"]
        assert self.notes(copied) == [(2, 7, "none", ["a"])]

    def test_a_trigger_that_does_no_harm_does_none(self, copied: Captured) -> None:
        with trigger(copied, "NEW.status := lower(NEW.status);"):
            assert outcomes(copied, self.order("paid")) == ["applied"]
        assert left_for_relays(copied) == (0, 0, 0)

    def test_one_that_changes_what_the_mapping_ignores_may(self, copied: Captured) -> None:
        with trigger(copied, "NEW.touched := 'by a trigger';"):
            assert outcomes(copied, self.order("paid")) == ["applied"]
        assert copied.ask("SELECT status, touched FROM orders") == [("paid", "by a trigger")]

    def test_one_that_changes_the_other_item_does(self, copied: Captured) -> None:
        with trigger(copied, "UPDATE customers SET orders = orders + 1 WHERE id = NEW.customer_id;"):
            why, _ = problem(copied, self.order("paid"))
        assert "1 of customer" in why and "trigger" in why
        assert self.statuses(copied) == [(1, "new")]
        assert copied.ask("SELECT orders FROM customers WHERE id = 1") == [(1,)]
        assert ledger(copied) == {}


def test_a_table_in_parts_is_written_as_one(database_url: str, tmp_path: Path) -> None:
    shop = captured(
        database_url,
        tmp_path,
        "CREATE TABLE events (day date, n int, \"50% $1\" text, secret text DEFAULT 's', PRIMARY KEY (day, n))"
        " PARTITION BY RANGE (day);"
        " CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');"
        " CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');"
        " INSERT INTO events VALUES ('2026-01-02', 1, 'old', 'kept')",
        "migration: parts\ntarget: {tables: {events: {partition_key: {name: pk, type: S}}}}\n"
        'items:\n  event: {table: events, from: events, key: {pk: "{day}#{n}"}, exclude: [secret]}\n',
    )
    shop.run(
        "INSERT INTO crossover.master (migration, group_name, item_types, phase)"
        " VALUES ('parts', 'event', '{event}', 'dynamodb_first')"
    )
    shop.forget()

    def event(day: str, note: str) -> Image:
        item = {"pk": {"S": f"{day}#1"}, "day": {"S": day}, "n": {"N": "1"}, "50% $1": {"S": note}}
        return Image("events", canonical_item({"pk": item["pk"]}), canonical_item(item), FIRST + 1)

    found = apply(shop, event("2026-01-02", "new"), event("2026-08-02", "other"))
    assert [one.outcome for one in found] == [Outcome.APPLIED, Outcome.APPLIED], found
    assert shop.ask('SELECT tableoid::regclass::text, "50% $1", secret FROM events ORDER BY 1 DESC') == [
        ("events_old", "new", "kept"),
        ("events_new", "other", "s"),
    ]
    assert left_for_relays(shop) == (0, 0, 0)
