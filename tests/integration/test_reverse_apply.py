"""States of items applied to the source's rows, on a real PostgreSQL: content, versions, what is left of it for relays,
and what must not be applied. What the tables hold is read by SQL that shares nothing with the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipelines.deliver.opened import opened_ledger
from pipelines.errors import SourceError
from pipelines.reverse.apply.applier import Applier
from pipelines.reverse.apply.image import Applied, Image, Outcome
from pipelines.reverse.apply.waiting import all_waiting, due_waiting
from tests import reversed_shop
from tests.captured_shop import Captured, captured, database
from tests.reversed_shop import customer_item, key_text, order_item, product_item, source_key, text, voucher_item

pytestmark = pytest.mark.integration

EPOCH = 1
FIRST = EPOCH * 2**40
ANN, BOB = source_key(customer_id=1), source_key(customer_id=2)
ORDER = source_key(shop_id=1, order_no=1)
LINES = ((1, 1, "A", 2), (2, 2, "B", 1))


@pytest.fixture(scope="module")
def filled(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "reverse_apply") as url:
        yield reversed_shop.reversed_shop(url, tmp_path_factory.mktemp("reversed"))


@pytest.fixture
def shop(filled: Captured) -> Captured:
    reversed_shop.refill(filled)
    reversed_shop.set_master(filled)
    return filled


@contextmanager
def applier(shop: Captured) -> Iterator[Applier]:
    with opened_ledger(shop.migration, shop.url) as ledger:
        yield Applier(ledger.session, ledger.plan)


def apply(shop: Captured, *images: Image) -> list[Applied]:
    with applier(shop) as one:
        return one.apply(images)


def outcomes(shop: Captured, *images: Image) -> list[str]:
    return [one.outcome.value for one in apply(shop, *images)]


def image(item: dict[str, Any], version: int, owner: str | None = None) -> Image:
    return Image("reversed", key_text(item), text(item), FIRST + version, owner)


def tombstone(item: dict[str, Any], version: int, owner: str | None = None) -> Image:
    return Image("reversed", key_text(item), None, FIRST + version, owner)


def ledger(shop: Captured) -> dict[tuple[str, str], tuple[int, int | None]]:
    """Version and delivered of what the ledger knows, above the epoch's first."""
    return {
        (item_type, key): (base, None if delivered is None else delivered - FIRST)
        for item_type, key, base, delivered in shop.ask(
            "SELECT i.item_type, i.source_key, i.base + (SELECT count(*) FROM crossover.log l"
            " WHERE l.item_type = i.item_type AND l.source_key = i.source_key), i.delivered FROM crossover.item i"
        )
    }


def left_for_relays(shop: Captured) -> tuple[int, int, int]:
    """Log rows, marks, items that are due."""
    ((found),) = shop.ask(
        "SELECT (SELECT count(*) FROM crossover.log), (SELECT count(*) FROM crossover.mark),"
        " (SELECT count(*) FROM crossover.item WHERE due IS NOT NULL OR since IS NOT NULL)"
    )
    return found


def orders(shop: Captured) -> list[tuple[Any, ...]]:
    return shop.ask("SELECT order_no, customer_id, status, total::text, note, clerk FROM orders ORDER BY 1")


def lines(shop: Captured, order: int = 1) -> list[tuple[Any, ...]]:
    return shop.ask(
        f"SELECT line_no, position, sku, quantity, packed FROM lines WHERE order_no = {order} ORDER BY line_no"
    )


def customers(shop: Captured) -> list[tuple[Any, ...]]:
    return shop.ask("SELECT customer_id, name, email, initial, secret FROM customers ORDER BY 1")


def streets(shop: Captured, customer: int = 1) -> list[str]:
    found = shop.ask(f"SELECT street FROM addresses WHERE customer_id = {customer} ORDER BY address_no")
    return [street for (street,) in found]


def problem(shop: Captured, *images: Image) -> tuple[str, bool]:
    """Of the one that waits: in a line, and whether that is final."""
    (found,) = [one for one in apply(shop, *images) if one.outcome is Outcome.WAITS]
    assert found.problem is not None
    return found.problem, found.final


@contextmanager
def altered(shop: Captured, statement: str, back: str) -> Iterator[None]:
    shop.run(statement)
    try:
        yield
    finally:
        shop.run(back)


@contextmanager
def trigger(shop: Captured, body: str, table: str = "orders", when: str = "BEFORE INSERT OR UPDATE") -> Iterator[None]:
    """One of the application's; its function has no search path of its own."""
    shop.run(
        f"CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} RETURN NEW; END$$",
        f"CREATE TRIGGER meddle {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.meddle()",
    )
    try:
        yield
    finally:
        shop.run(f"DROP TRIGGER meddle ON {table}", "DROP FUNCTION public.meddle()")


class TestAnItemIsWritten:
    def test_a_changed_item_changes_its_row_and_keeps_what_it_does_not_hold(self, shop: Captured) -> None:
        found = apply(shop, image(order_item(1, 1, "Ann", LINES, status="paid", total="99.9", note="now"), 1))
        assert [(one.outcome, one.problem) for one in found] == [(Outcome.APPLIED, None)]
        assert orders(shop)[0] == (1, 1, "paid", "99.90", "now", "Cleo")
        assert lines(shop) == [(1, 1, "A", 2, True), (2, 2, "B", 1, True)]

    def test_an_attribute_that_is_gone_is_null(self, shop: Captured) -> None:
        assert outcomes(shop, image(order_item(1, 1, "Ann", LINES), 1)) == ["applied"]
        assert orders(shop)[0] == (1, 1, "placed", None, None, "Cleo")

    def test_a_new_item_is_a_new_row_with_its_identity_and_defaults(self, shop: Captured) -> None:
        images = image(customer_item(7, "Eve", "eve@example.com", ["Long Lane"]), 1)
        assert outcomes(shop, images) == ["applied"]
        assert customers(shop)[-1] == (7, "Eve", "eve@example.com", "E", "none")
        assert streets(shop, 7) == ["Long Lane"]

    def test_children_come_and_go_with_the_item(self, shop: Captured) -> None:
        changed = ((2, 2, "C", 4), (3, 3, "D", 9))
        assert outcomes(shop, image(order_item(1, 1, "Ann", changed), 1)) == ["applied"]
        assert lines(shop) == [(2, 2, "C", 4, True), (3, 3, "D", 9, False)]
        assert lines(shop, 2) == [(1, 1, "A", 5, False)]

    def test_a_tombstone_takes_the_row_and_its_children(self, shop: Captured) -> None:
        gone = [tombstone(order_item(1, 1, "Ann"), 1), tombstone(customer_item(1, "Ann"), 1)]
        with no_pause():
            assert outcomes(shop, *reversed(gone)) == ["applied", "applied"]
        assert [row[0] for row in orders(shop)] == [2]
        assert lines(shop) == []
        assert [row[0] for row in customers(shop)] == [2]
        assert streets(shop) == []

    def test_a_row_that_was_never_there_can_be_gone(self, shop: Captured) -> None:
        assert outcomes(shop, tombstone(product_item("Z", "none"), 1)) == ["applied"]
        assert outcomes(shop, image(product_item("Z", "late"), 1)) == ["older"]

    def test_texts_are_what_they_are(self, shop: Captured) -> None:
        sku, name = 'a"b\\c{d},e', "%s $1 ' \\ \" \u00e9 \U0001f600 NULL"
        assert outcomes(shop, image(product_item(sku, name), 1)) == ["applied"]
        assert outcomes(shop, image(product_item(sku, name + "!"), 2)) == ["applied"]
        assert shop.ask("SELECT sku, name FROM products WHERE sku LIKE 'a\"%'") == [(sku, name + "!")]
        assert ledger(shop) == {("product", source_key(sku=sku)): (2, 2)}
        assert outcomes(shop, tombstone(product_item(sku, name), 3)) == ["applied"]

    def test_a_key_that_does_not_name_its_row_goes_by_its_owner(self, shop: Captured) -> None:
        owner = source_key(code="spring")
        assert outcomes(shop, image(voucher_item("spring", 25), 1, owner)) == ["applied"]
        assert shop.ask("SELECT code, percent FROM vouchers") == [("spring", 25)]
        assert outcomes(shop, tombstone(voucher_item("spring", 25), 2, owner)) == ["applied"]
        assert shop.ask("SELECT code FROM vouchers") == []

    def test_an_owner_that_the_item_contradicts_is_not_believed(self, shop: Captured) -> None:
        why, final = problem(shop, image(voucher_item("spring", 25), 1, source_key(code="Spring")))
        assert "code" in why and final
        assert shop.ask("SELECT code, percent FROM vouchers") == [("spring", 10)]

    def test_what_does_not_differ_is_not_written(self, shop: Captured) -> None:
        same = order_item(1, 1, "Ann", LINES, total="12.5")
        rows = "SELECT xmin::text, ctid::text FROM {} WHERE order_no = 1"
        before = shop.ask(rows.format("orders")) + shop.ask(rows.format("lines"))
        assert outcomes(shop, image(same, 1)) == ["applied"]
        assert shop.ask(rows.format("orders")) + shop.ask(rows.format("lines")) == before

    def test_two_children_change_places_under_a_unique_constraint(self, shop: Captured) -> None:
        swapped = ((1, 2, "A", 2), (2, 1, "B", 1), (3, 3, "C", 1))
        assert outcomes(shop, image(order_item(1, 1, "Ann", swapped), 1)) == ["applied"]
        assert lines(shop) == [(1, 2, "A", 2, True), (2, 1, "B", 1, True), (3, 3, "C", 1, False)]

    def test_they_stay_where_taking_them_away_would_take_others(self, shop: Captured) -> None:
        more = (
            "CREATE TABLE parcels (shop_id int, order_no int, line_no int,"
            " FOREIGN KEY (shop_id, order_no, line_no) REFERENCES lines ON DELETE CASCADE);"
            " INSERT INTO parcels VALUES (1, 1, 1)"
        )
        with altered(shop, more, "DROP TABLE parcels"):
            why, final = problem(shop, image(order_item(1, 1, "Ann", ((1, 2, "A", 2), (2, 1, "B", 1))), 1))
            assert shop.ask("SELECT line_no FROM parcels") == [(1,)]
        assert "lines_shop_id_order_no_position_key" in why and not final

    def test_a_deferrable_key_can_be_written(self, shop: Captured) -> None:
        deferrable = "ALTER TABLE products DROP CONSTRAINT products_pkey, ADD PRIMARY KEY (sku) DEFERRABLE"
        with altered(shop, deferrable, "ALTER TABLE products DROP CONSTRAINT products_pkey, ADD PRIMARY KEY (sku)"):
            assert outcomes(shop, image(product_item("A", "Ananas"), 1)) == ["applied"]
        assert shop.ask("SELECT name FROM products WHERE sku = 'A'") == [("Ananas",)]


class TestNewerWins:
    def test_what_the_ledger_has_or_is_above_is_older(self, shop: Captured) -> None:
        assert outcomes(shop, image(product_item("A", "five"), 5)) == ["applied"]
        assert outcomes(shop, image(product_item("A", "five again"), 5)) == ["older"]
        assert outcomes(shop, image(product_item("A", "four"), 4)) == ["older"]
        assert outcomes(shop, tombstone(product_item("A", "four"), 4)) == ["older"]
        assert shop.ask("SELECT name FROM products WHERE sku = 'A'") == [("five",)]

    def test_log_rows_that_wait_count(self, shop: Captured) -> None:
        shop.run("UPDATE products SET stock = 1 WHERE sku = 'A'", "UPDATE products SET stock = 2 WHERE sku = 'A'")
        assert outcomes(shop, image(product_item("A", "two"), 2)) == ["older"]
        assert outcomes(shop, image(product_item("A", "three"), 3)) == ["applied"]
        assert ledger(shop)["product", source_key(sku="A")] == (3, 3)

    def test_of_several_states_of_a_row_the_newest_is_applied(self, shop: Captured) -> None:
        states = [product_item("A", f"v{n}") for n in range(4)]
        found = outcomes(shop, *(image(states[n], n) for n in (1, 3, 2)))
        assert found == ["older", "applied", "older"]
        assert shop.ask("SELECT name FROM products WHERE sku = 'A'") == [("v3",)]

    def test_a_version_of_an_epoch_to_come_waits(self, shop: Captured) -> None:
        why, final = problem(shop, image(product_item("A", "later"), 2**40))
        assert "epoch" in why and final


class TestNothingIsLeftForRelays:
    def test_version_and_delivered_are_the_items(self, shop: Captured) -> None:
        images = [
            image(customer_item(1, "Anna", "ann@example.com", ["High Street"]), 3),
            image(order_item(1, 1, "Anna", LINES), 9),
            image(order_item(5, 2, "Bob", LINES), 2),
            tombstone(product_item("B", "Bread"), 4),
        ]
        assert outcomes(shop, *images) == ["applied"] * 4
        assert left_for_relays(shop) == (0, 0, 0)
        assert ledger(shop) == {
            ("customer", ANN): (3, 3),
            ("order", ORDER): (9, 9),
            ("order", source_key(shop_id=1, order_no=5)): (2, 2),
            ("product", source_key(sku="B")): (4, 4),
        }

    def test_items_that_hold_a_copy_keep_their_versions(self, shop: Captured) -> None:
        assert outcomes(shop, image(customer_item(1, "Anna", None), 1)) == ["applied"]
        assert left_for_relays(shop) == (0, 0, 0)
        assert ("order", ORDER) not in ledger(shop)
        assert outcomes(shop, image(order_item(1, 1, "Ann", LINES, status="paid"), 1)) == ["applied"]
        assert customers(shop)[0][1] == "Anna"

    def test_not_even_of_what_a_trigger_does_in_a_subtransaction(self, shop: Captured) -> None:
        body = (
            "IF pg_trigger_depth() = 1 THEN BEGIN UPDATE orders SET note = 'x' WHERE order_no = NEW.order_no;"
            " UPDATE orders SET note = NEW.note WHERE order_no = NEW.order_no;"
            " EXCEPTION WHEN division_by_zero THEN NULL; END; END IF;"
        )
        with trigger(shop, body, when="AFTER UPDATE"):
            assert outcomes(shop, image(order_item(1, 1, "Ann", LINES, status="paid", note="n"), 1)) == ["applied"]
        assert left_for_relays(shop) == (0, 0, 0)
        assert ledger(shop)["order", ORDER] == (1, 1)

    def test_what_a_trigger_does_to_items_of_the_source_is_theirs(self, shop: Captured) -> None:
        reversed_shop.set_master(shop, "rds_first", "product")
        with trigger(shop, "UPDATE products SET stock = stock - 1 WHERE sku = 'A';", when="AFTER UPDATE"):
            assert outcomes(shop, image(order_item(1, 1, "Ann", LINES, status="paid"), 1)) == ["applied"]
        assert shop.log() == [("product", source_key(sku="A"))]
        assert ledger(shop) == {("order", ORDER): (1, 1)}

    def test_what_is_not_applied_leaves_nothing_that_would_be_delivered(self, shop: Captured) -> None:
        """An item row that was never delivered counts as undelivered."""
        images = [
            image(product_item("A", "as it was filled"), 0),
            image(order_item(9, 99, "Nobody", LINES), 1),
            image(product_item("B", "bad") | {"price": {"S": "x"}}, 1),
            tombstone(order_item(1, 1, "Ann"), 1),
        ]
        assert outcomes(shop, *images) == ["older", "waits", "waits", "waits"]
        assert ledger(shop) == {}


class TestWhatIsNotApplied:
    def test_where_the_source_is_the_master_nothing_is_written(self, shop: Captured) -> None:
        reversed_shop.set_master(shop, "rds_first", "product")
        assert outcomes(shop, image(product_item("A", "no"), 1)) == ["ignored"]
        assert shop.ask("SELECT name FROM products WHERE sku = 'A'") == [("Apple",)]
        assert ledger(shop) == {}

    def test_a_key_of_no_item_type_is_ignored(self, shop: Captured) -> None:
        stranger = Image("reversed", '{"pk":{"S":"X"},"sk":{"S":"Y"}}', None, FIRST + 1)
        assert outcomes(shop, stranger) == ["ignored"]

    def test_an_item_that_is_not_what_the_mapping_makes_waits(self, shop: Captured) -> None:
        why, final = problem(shop, image(product_item("A", "no") | {"price": {"S": "much"}}, 1))
        assert "price" in why and "much" not in why and final

    def test_a_row_that_becomes_another_item_is_rolled_back(self, shop: Captured) -> None:
        with trigger(shop, "NEW.note := 'changed by a trigger';"):
            why, final = problem(shop, image(order_item(1, 1, "Ann", LINES, status="paid"), 1))
        assert "at note:" in why and "trigger" in why and "crossover.applying" in why and final
        assert orders(shop)[0][2] == "placed"
        assert ledger(shop) == {}

    def test_a_trigger_that_stands_back_is_no_obstacle(self, shop: Captured) -> None:
        body = "IF current_setting('crossover.applying', true) IS DISTINCT FROM 'on' THEN NEW.note := 'x'; END IF;"
        with trigger(shop, body):
            assert outcomes(shop, image(order_item(1, 1, "Ann", LINES, status="paid"), 1)) == ["applied"]
        shop.run("UPDATE orders SET status = 'free'")
        assert orders(shop)[0][4] is None

    def test_a_generated_column_that_says_something_else_is_told(self, shop: Captured) -> None:
        why, final = problem(shop, image(customer_item(1, "Ann", "a@b") | {"initial": {"S": "X"}}, 1))
        assert "at initial:" in why and final

    def test_a_value_is_never_told(self, shop: Captured) -> None:
        bad = order_item(1, 1, "Ann", ((1, 1, "SECRET", -5),))
        why, final = problem(shop, image(bad, 1))
        assert "lines_quantity_check" in why and not final
        assert "SECRET" not in why and "-5" not in why

    def test_a_cascade_does_not_take_other_items_along(self, shop: Captured) -> None:
        key = "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey, ADD CONSTRAINT orders_customer_id_fkey"
        lines_key = "ALTER TABLE lines DROP CONSTRAINT lines_shop_id_order_no_fkey, ADD CONSTRAINT"
        lines_key += " lines_shop_id_order_no_fkey FOREIGN KEY (shop_id, order_no) REFERENCES orders"
        cascading = (
            f"{key} FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE; {lines_key} ON DELETE CASCADE"
        )
        back = f"{key} FOREIGN KEY (customer_id) REFERENCES customers; {lines_key}"
        gone = tombstone(customer_item(1, "Ann"), 1)
        with altered(shop, cascading, back):
            why, _ = problem(shop, gone)
            assert "1 of order" in why and "cascades" in why
            assert [row[0] for row in orders(shop)] == [1, 2]
            assert left_for_relays(shop) == (0, 0, 0)
            with no_pause():
                assert outcomes(shop, gone, tombstone(order_item(1, 1, "Ann"), 1)) == ["applied", "applied"]


class TestARowThatMoves:
    """To another customer, whose key has the order then."""

    OLD, NEW = order_item(1, 1, "Ann"), order_item(1, 2, "Bob", LINES)

    def test_keeps_what_its_item_does_not_hold(self, shop: Captured) -> None:
        assert outcomes(shop, tombstone(self.OLD, 1), image(self.NEW, 2)) == ["older", "applied"]
        assert orders(shop)[0] == (1, 2, "placed", None, None, "Cleo")
        assert lines(shop)[0][-1] is True

    def test_its_tombstone_may_come_first(self, shop: Captured) -> None:
        assert outcomes(shop, tombstone(self.OLD, 1)) == ["waits"]
        assert orders(shop)[0][1] == 1
        assert outcomes(shop, image(self.NEW, 2)) == ["applied"]
        assert outcomes(shop, tombstone(self.OLD, 1)) == ["older"]
        assert orders(shop)[0] == (1, 2, "placed", None, None, "Cleo")
        with opened_ledger(shop.migration, shop.url) as found:
            assert all_waiting(found.session.connection, "reversed") == []

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            ("caught_up_at = NULL", "waits"),
            ("caught_up_at = since - interval '1 minute'", "waits"),  # a relay that is far behind
            ("caught_up_at = since + interval '1.9 seconds'", "waits"),
            ("caught_up_at = since + interval '2 seconds'", "applied"),
            ("caught_up_at = since + interval '1 hour', resync = 'shards were removed'", "waits"),
        ],
    )
    def test_its_tombstone_waits_until_the_streams_are_read(self, shop: Captured, told: str, expected: str) -> None:
        """However long that is: the row's item may be in what is not."""
        assert outcomes(shop, tombstone(self.OLD, 1)) == ["waits"]
        shop.run(
            "UPDATE crossover.reverse SET since = now() - interval '1 hour'",
            "INSERT INTO crossover.reverse_relay (migration) VALUES ('reversed')",
            f"UPDATE crossover.reverse_relay AS w SET {told} FROM crossover.reverse AS r",
        )
        try:
            assert outcomes(shop, tombstone(self.OLD, 1)) == [expected]
        finally:
            shop.run("DELETE FROM crossover.reverse_relay")

    def test_a_newer_tombstone_counts_wherever_the_row_is(self, shop: Captured) -> None:
        """It was at that key again, and is gone; what told of its way there is in another shard."""
        assert outcomes(shop, image(self.NEW, 2)) == ["applied"]
        with applier(shop) as one:
            (found,) = one.apply([tombstone(self.OLD, 5)], all_is_read=True)
        assert found.outcome is Outcome.APPLIED
        assert [row[0] for row in orders(shop)] == [2]
        assert ledger(shop)["order", ORDER] == (5, 5)

    def test_one_that_does_not_is_gone_after_a_moment(self, shop: Captured) -> None:
        gone = tombstone(self.OLD, 1)
        assert outcomes(shop, gone, gone) == ["waits", "waits"]
        shop.run(
            "INSERT INTO crossover.reverse_relay (migration, caught_up_at)"
            " VALUES ('reversed', now() + interval '3 seconds')"
        )
        try:
            assert outcomes(shop, gone) == ["applied"]
        finally:
            shop.run("DELETE FROM crossover.reverse_relay")
        assert [row[0] for row in orders(shop)] == [2]
        assert shop.ask("SELECT * FROM crossover.reverse") == []


class TestABatch:
    def test_rows_that_need_each_other_may_come_in_any_order(self, shop: Captured) -> None:
        images = [image(order_item(9, 9, "Zoe", LINES), 1), image(customer_item(9, "Zoe"), 1)]
        assert outcomes(shop, *images) == ["applied", "applied"]

    def test_one_that_fails_holds_nobody_up(self, shop: Captured) -> None:
        images = [image(product_item(f"P{n}", "new"), 1) for n in range(20)]
        images[7:7] = [image(order_item(9, 99, "Nobody", LINES), 1)]
        images[12:12] = [image(product_item("A", "bad") | {"price": {"S": "x"}}, 1)]
        seen: list[int] = []
        with applier(shop) as one:
            found = one.apply(images, lambda connection: seen.append(connection.info.backend_pid))
        assert len(seen) == 1 or seen[0] == seen[-1]
        assert [one.image for one in found] == images
        assert [n for n, one in enumerate(found) if one.outcome is Outcome.WAITS] == [7, 12]
        assert shop.ask("SELECT count(*) FROM products WHERE name = 'new'") == [(20,)]
        assert left_for_relays(shop) == (0, 0, 0)

    def test_what_fails_alone_is_tried_again_when_the_others_are_there(self, shop: Captured) -> None:
        bad = image(product_item("A", "bad") | {"price": {"N": "1"}, "stock": {"N": "99999999999"}}, 1)
        images = [image(order_item(9, 9, "Zoe", LINES), 1), bad, image(customer_item(9, "Zoe"), 1)]
        assert outcomes(shop, *images) == ["applied", "waits", "applied"]

    def test_what_waits_is_tried_again_and_forgotten_once_it_is_applied(self, shop: Captured) -> None:
        order = image(order_item(9, 9, "Zoe", LINES), 1)
        why, final = problem(shop, order)
        assert "foreign key" in why and "orders_customer_id_fkey" in why and not final
        assert problem(shop, order)[0] == why
        with opened_ledger(shop.migration, shop.url) as found:
            connection = found.session.connection
            assert due_waiting(connection, "reversed", 10) == []
            assert [one.set_apart for one in all_waiting(connection, "reversed")] == [False]
            shop.run("UPDATE crossover.reverse SET due = now() - interval '1 second'")
            ((waiting),) = due_waiting(connection, "reversed", 10)
            assert (waiting.key, waiting.attempts, waiting.problem) == (order.key, 2, why)
        assert outcomes(shop, image(customer_item(9, "Zoe"), 1)) == ["applied"]
        assert outcomes(shop, order) == ["applied"]
        assert shop.ask("SELECT * FROM crossover.reverse") == []

    def test_the_checkpoint_stands_or_falls_with_the_rows(self, shop: Captured) -> None:
        shop.run("CREATE TABLE public.checkpoint (n int UNIQUE)")

        def fail(connection: psycopg.Connection[Any]) -> None:
            connection.execute("INSERT INTO public.checkpoint VALUES (1), (1)")

        with applier(shop) as one, pytest.raises(SourceError):
            one.apply([image(order_item(9, 99, "Nobody", LINES), 1)], fail)
        assert shop.ask("SELECT * FROM crossover.reverse") == []
        with applier(shop) as one:
            one.apply(
                [image(product_item("A", "x"), 1)],
                lambda c: void(c.execute("INSERT INTO public.checkpoint VALUES (1)")),
            )
        assert shop.ask("SELECT n FROM public.checkpoint") == [(1,)]
        shop.run("DROP TABLE public.checkpoint")

    def test_a_lost_connection_is_no_matter_of_an_item(self, shop: Captured) -> None:
        def kill(connection: psycopg.Connection[Any]) -> None:
            shop.run(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
            connection.execute("SELECT 1")

        with applier(shop) as one, pytest.raises(SourceError, match="connection was lost"):
            one.apply([image(product_item("A", "x"), 1)], kill)
        assert shop.ask("SELECT name FROM products WHERE sku = 'A'") == [("Apple",)]


def void(_: object) -> None:
    """A lambda's result that nobody wants."""


@contextmanager
def no_pause() -> Iterator[None]:
    """Tombstones of rows that may have moved do not wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.reverse.apply.moving.MOVE_SECONDS", 0.0)
        yield


def test_children_joined_by_a_column_of_another_type_go_with_their_owner(postgres_server: str, tmp_path: Path) -> None:
    """PostgreSQL has no `=` of a text and a uuid."""
    carts_table = "CREATE TABLE carts (id uuid PRIMARY KEY, n int);"
    schema = f"{carts_table} CREATE TABLE rows (cart text, no int, PRIMARY KEY (cart, no));"
    mapping = """
migration: reversed
target: {tables: {reversed: {partition_key: {name: pk, type: S}}}}
items:
  cart:
    table: reversed
    from: carts
    key: {pk: "CART#{id}"}
    embed: {rows: {from: rows, on: {cart: id}, as: list, order_by: [no], include: [no]}}
"""
    id = "0b7f0f0e-0000-4000-8000-000000000001"
    with database(postgres_server, "reverse_types") as url:
        carts = captured(url, tmp_path, schema, mapping)
        carts.run(
            f"INSERT INTO carts VALUES ('{id}', 1)",
            f"INSERT INTO rows VALUES ('{id}', 1), ('{id}', 2), ('other', 1)",
            "INSERT INTO crossover.master (migration, group_name, item_types, phase)"
            " VALUES ('reversed', 'cart', ARRAY['cart'], 'dynamodb_first')",
        )
        carts.forget()
        item = {"pk": {"S": f"CART#{id}"}, "id": {"S": id}, "n": {"N": "2"}, "rows": {"L": [{"M": {"no": {"N": "2"}}}]}}
        key = f'{{"pk":{{"S":"CART#{id}"}}}}'
        assert outcomes(carts, Image("reversed", key, text(item), FIRST + 1, None)) == ["applied"]
        assert carts.ask("SELECT cart, no FROM rows ORDER BY 2, 1") == [("other", 1), (id, 2)]
        assert outcomes(carts, Image("reversed", key, None, FIRST + 2, None)) == ["applied"]
        assert carts.ask("SELECT cart, no FROM rows") == [("other", 1)] and carts.ask("SELECT n FROM carts") == []
