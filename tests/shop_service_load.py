"""Clients of examples/shop_service: each request must be answered as it should be, whatever happens to the stores.

A client owns its customers, and so knows what it has written. Where reads and writes go to the same store it sees its
own writes at once; a store that follows is asked for what was written a while ago.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from examples.shop_service.seed import DAYS, FIRST_DAY

CUSTOMERS, PRODUCTS, ORDERS = 60, 20, 120
QUIET = CUSTOMERS * 4 // 5
"""Customers up to this one are read alone."""
REST_SECONDS = 3.0
SOON_SECONDS = 15.0
"""What was written at least that long ago must be seen by everybody; a fence may hold a write up longer."""
ANSWER_SECONDS = 60.0
MOST_ORDERS = 8
"""Of a customer: then some are deleted."""


@dataclass
class Known:
    """Of one order, as the client has written it. `at`: when, by the monotonic clock."""

    customer: int
    lines: dict[int, int]
    status: str
    at: float


@dataclass
class Failure:
    what: str
    seen: object


@dataclass
class Load:
    """`per_second`: of each client. `writing`: how many writes there are, of the ordinary share. `sees_own_writes`:
    whether reads and writes go to the same store, just now."""

    port: int
    clients: int = 3
    per_second: float = 10.0
    writing: float = 1.0
    sees_own_writes: bool = False
    failures: list[Failure] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    def __post_init__(self) -> None:
        self._stop, self._go = threading.Event(), threading.Event()
        self._go.set()
        self._own = [_Client(self, number) for number in range(self.clients)]

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=client.run, name=f"client-{client.number}") for client in self._own]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._go.set()
            for thread in threads:
                thread.join(2 * ANSWER_SECONDS)
            assert not any(thread.is_alive() for thread in threads)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No request is under way inside."""
        self._go.clear()
        for client in self._own:
            assert client.idle.wait(2 * ANSWER_SECONDS)
        try:
            yield
        finally:
            self._go.set()

    @property
    def forgotten(self) -> int:
        """Pieces that were shipped, of orders that are deleted."""
        return sum(client.forgotten for client in self._own)

    def assert_well(self) -> None:
        assert not self.failures, self.failures[:5]

    def assert_kept(self, store: dict[tuple[str, str], dict[str, Any]]) -> None:
        """Every write that was answered is in the store: nothing lost, nothing back. While paused."""
        for client in self._own:
            for customer in client.customers:
                item = store[f"CUSTOMER#{customer}", "PROFILE"]
                assert (item["name"], int(item["orders_placed"])) == (client.names[customer], client.placed[customer])
            orders = {
                int(item["order_id"]): item
                for (pk, sk), item in store.items()
                if sk.startswith("ORDER#") and int(pk.partition("#")[2]) in client.customers
            }
            assert orders.keys() == client.orders.keys()
            for order_id, known in client.orders.items():
                item = orders[order_id]
                assert item["status"] == known.status
                assert item["customer"] == {"name": client.names[known.customer]}
                lines = {int(line["product_id"]): int(line["quantity"]) for line in item["lines"]}
                assert lines == known.lines


class _Client:
    def __init__(self, load: Load, number: int) -> None:
        self.number, self._load = number, load
        self._dice = random.Random(number)
        self.customers = [one for one in range(QUIET + 1, CUSTOMERS + 1) if one % load.clients == number]
        self.names = {one: f"Customer {one}" for one in self.customers}
        self.placed = dict.fromkeys(self.customers, 0)
        self.orders: dict[int, Known] = {}
        self.forgotten = 0
        self._written = dict.fromkeys(self.customers, 0.0)
        self.idle = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", load.port, timeout=ANSWER_SECONDS)

    def run(self) -> None:
        due = time.monotonic()
        while not self._load._stop.is_set():
            if not self._load._go.is_set():
                self._connection.close()  # the service closes it after some seconds
                self.idle.set()
                self._load._go.wait()
                self.idle.clear()
                due = time.monotonic()
                continue
            try:
                self._one()
            except Exception as error:
                self._load.failures.append(Failure("a request without an answer", repr(error)))
                self._connection.close()
            due = max(due + 1 / self._load.per_second, time.monotonic() - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))
        self.idle.set()
        self._connection.close()

    def _one(self) -> None:
        writing = self._load.writing
        does: tuple[tuple[Callable[[], None], float], ...] = (
            (self._read_customer, 20),
            (self._read_order, 20),
            (self._list_orders, 20),
            (self._list_status, 20),
            (self._place, 6 * writing),
            (self._pay_or_ship, 6 * writing),
            (self._rename, 2 * writing),
            (self._delete, 2 * writing),
        )
        self._dice.choices([one for one, _ in does], [weight for _, weight in does])[0]()

    def _read_customer(self) -> None:
        customer = self._a_customer()
        found = self._get(f"/customers/{customer}")
        self._expect("name", found.get("name"), self.names.get(customer, f"Customer {customer}"), customer)

    def _read_order(self) -> None:
        if self.orders and self._dice.random() < 0.5:
            order_id = self._dice.choice([*self.orders])
            if self._rests(self.orders[order_id].customer):
                self._see_order(order_id)
                return
        number = self._dice.randint(1, ORDERS)
        customer = 1 + number % QUIET
        found = self._get(f"/customers/{customer}/orders/{number}")
        self._expect("order", found.get("status"), ("placed", "paid", "shipped")[number % 3])

    def _list_orders(self) -> None:
        customer = self._a_customer()
        found = self._get(f"/customers/{customer}/orders")
        if customer > QUIET:
            newest = sorted((one for one, known in self.orders.items() if known.customer == customer), reverse=True)[
                :20
            ]
            self._expect("orders", [one["order_id"] for one in found], newest, customer)

    def _list_status(self) -> None:
        """Of a day in which nothing changes any more."""
        status, day = self._dice.choice(("placed", "paid", "shipped")), self._dice.randrange(DAYS)
        found = self._get(f"/orders/{status}?day={FIRST_DAY + timedelta(days=day):%Y-%m-%d}")
        self._expect("by status", {one["status"] for one in found}, {status})

    def _place(self) -> None:
        customer = self._dice.choice(self.customers)
        if sum(known.customer == customer for known in self.orders.values()) >= MOST_ORDERS:
            self._delete()
            return
        products = self._dice.sample(range(1, PRODUCTS + 1), self._dice.randint(1, 3))
        lines = {product: self._dice.randint(1, 5) for product in products}
        body = {"lines": [{"product_id": product, "quantity": quantity} for product, quantity in lines.items()]}
        found = self._asked("POST", f"/customers/{customer}/orders", body, 201)
        if found is not None:
            self.orders[found["order_id"]] = Known(customer, lines, "placed", time.monotonic())
            self.placed[customer] += 1
            self._wrote(customer, found["order_id"])

    def _pay_or_ship(self) -> None:
        open_orders = [one for one, known in self.orders.items() if known.status != "shipped"]
        if not open_orders:
            return
        order_id = self._dice.choice(open_orders)
        known = self.orders[order_id]
        step, status = ("pay", "paid") if known.status == "placed" else ("ship", "shipped")
        if self._asked("POST", f"/customers/{known.customer}/orders/{order_id}/{step}", None, 200) is not None:
            known.status = status
            self._wrote(known.customer, order_id)

    def _rename(self) -> None:
        customer = self._dice.choice(self.customers)
        name = f"Ünï {self._dice.randrange(10**6)}"
        if self._asked("PATCH", f"/customers/{customer}", {"name": name}, 200) is not None:
            self.names[customer] = name
            of_them = [one for one, known in self.orders.items() if known.customer == customer]
            self._wrote(customer, *of_them[:1])

    def _delete(self) -> None:
        """One that is placed is cancelled; one that is shipped, and has left the stock, is forgotten."""
        gone = [one for one, known in self.orders.items() if known.status != "paid"]
        if not gone:
            return
        order_id = self._dice.choice(gone)
        known = self.orders[order_id]
        customer = known.customer
        if self._asked("DELETE", f"/customers/{customer}/orders/{order_id}", None, 200) is not None:
            del self.orders[order_id]
            if known.status == "shipped":
                self.forgotten += sum(known.lines.values())
            self._wrote(customer)
            if self._load.sees_own_writes:
                self._asked("GET", f"/customers/{customer}/orders/{order_id}", None, 404)

    def _wrote(self, customer: int, *orders: int) -> None:
        self._written[customer] = time.monotonic()
        if not self._load.sees_own_writes:
            return
        for order_id in orders:
            known = self.orders[order_id]
            found = self._asked("GET", f"/customers/{customer}/orders/{order_id}", None, 200)
            if found is not None and self._load.sees_own_writes:
                self._same("own write", [found["status"], found["customer"]], [known.status, self.names[customer]])
                self._load.answered["own writes seen"] += 1

    def _see_order(self, order_id: int) -> None:
        known = self.orders[order_id]
        found = self._get(f"/customers/{known.customer}/orders/{order_id}")
        self._expect("own order", found.get("status"), known.status, known.customer)

    def _a_customer(self) -> int:
        own = self._dice.choice(self.customers)
        return own if self._rests(own) and self._dice.random() < 0.3 else self._dice.randint(1, QUIET)

    def _rests(self, customer: int) -> bool:
        return time.monotonic() - self._written[customer] > REST_SECONDS

    def _expect(self, what: str, seen: object, wanted: object, customer: int = 0) -> None:
        """A store that follows may be late, but not for ever. What is not there is none of its answers."""
        if seen == wanted:
            return
        if customer > QUIET and time.monotonic() - self._written[customer] < SOON_SECONDS:
            self._load.answered["not seen yet"] += 1
            return
        self._same(what, seen, wanted)

    def _same(self, what: str, seen: object, wanted: object) -> None:
        if seen != wanted:
            self._load.failures.append(Failure(what, (seen, wanted)))

    def _get(self, path: str) -> Any:
        """Of what was there a while ago, so that it must be found; a store that follows has some seconds for that."""
        deadline = time.monotonic() + SOON_SECONDS
        while True:
            status, found = self._sent("GET", path, None)
            if status == 200:
                self._load.answered["GET"] += 1
                return found
            if status != 404 or time.monotonic() > deadline:
                self._load.failures.append(Failure(f"GET {path}: {status}", found))
                return {}
            self._load.answered["not there yet"] += 1
            time.sleep(0.2)

    def _asked(self, method: str, path: str, body: object, wanted: int) -> Any:
        """None where it failed."""
        status, found = self._sent(method, path, body)
        if status != wanted:
            self._load.failures.append(Failure(f"{method} {path}: {status}", found))
            return None
        self._load.answered[method] += 1
        return found

    def _sent(self, method: str, path: str, body: object) -> tuple[int, Any]:
        began = time.monotonic()
        self._connection.request(method, path, None if body is None else json.dumps(body))
        answer = self._connection.getresponse()
        found = json.loads(answer.read())
        self._load.longest = max(self._load.longest, time.monotonic() - began)
        return answer.status, found
