"""What can be wrong in two stores, each planted at a key of its own, by the names of what-a-green-check-proves.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.captured_shop import Captured
from tests.delivered_shop import EPOCH, MAPPING, source_key, stored
from tests.integration.test_judging import change, of_order, put, remove

COLUMNS = "ALTER TABLE orders ADD unused text, ADD seen text, ADD expires bigint;"
PROVEN = (
    MAPPING.replace("sort_key: {name: sk, type: S}}", "sort_key: {name: sk, type: S}, ttl: expires}").replace(
        'sk: "O{id}"}\n',
        'sk: "O{id}"}\n    exclude: [unused]\n    compare: {ignore: [seen], unordered: [lines]}\n',
    )
    + "checks: {settle_seconds: 0}\n"
)
ROWS = (
    "INSERT INTO products VALUES (7, 'pen')",
    "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 40) n",
    "INSERT INTO lines SELECT o, n, 7 FROM generate_series(1, 40) o, generate_series(1, 2) n",
    "INSERT INTO seats SELECT n, chr(64 + n), 'guest' FROM generate_series(1, 4) n",
    "UPDATE orders SET expires = 1 WHERE id = 18",
)


@dataclass(frozen=True)
class Stores:
    """Equal, until something is planted. `mode`: of MODES. `former`: what order 12 was before its last change."""

    shop: Captured
    mode: str
    former: dict[str, Any]

    @property
    def has_ledger(self) -> bool:
        return self.mode == "ledger"

    @property
    def first_version(self) -> dict[str, str]:
        return {"N": str(EPOCH if self.has_ledger else 0)}

    def run(self, *statements: str) -> None:
        self.shop.run(*statements)

    def order(self, id: int) -> dict[str, Any]:
        return stored("orders")[f"C1/O{id}"]


Plant = Callable[[Stores], str | None]
"""Returns the key, or None where the mode has no such thing."""
PLANTS: dict[str, Plant] = {}


def plants(name: str) -> Callable[[Plant], Plant]:
    def keep(plant: Plant) -> Plant:
        PLANTS[name] = plant
        return plant

    return keep


@plants("an attribute has another value")
def _(_: Stores) -> str:
    change("orders", of_order(1), customer={"N": "999"})
    return "C1O1"


@plants("a value has another type")
def _(_: Stores) -> str:
    change("orders", of_order(2), customer={"S": "1"})
    return "C1O2"


@plants("an attribute is lost")
def _(_: Stores) -> str:
    change("orders", of_order(3), note=None)
    return "C1O3"


@plants("an attribute is there that the mapping does not make")
def _(_: Stores) -> str:
    change("orders", of_order(4), added={"S": "1"})
    return "C1O4"


@plants("a value differs deep inside a list or a map")
def _(stores: Stores) -> str:
    lines = stores.order(5)["lines"]
    lines["L"][1]["M"]["what"]["M"]["name"] = {"S": "ink"}
    change("orders", of_order(5), lines=lines)
    return "C1O5"


@plants("an item is lost")
def _(_: Stores) -> str:
    remove("orders", of_order(6))
    return "C1O6"


@plants("a tombstone stands where an item belongs")
def _(stores: Stores) -> str:
    put("orders", {**of_order(7), "_v": stores.order(7)["_v"], "_deleted": {"BOOL": True}})
    return "C1O7"


@plants("an item is there that no row makes")
def _(stores: Stores) -> str:
    put("orders", {**of_order(777), "_v": stores.first_version})
    return "C1O777"


@plants("an item has a key that no template makes")
def _(stores: Stores) -> str:
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "unknown"}, "_v": stores.first_version})
    return "C1unknown"


@plants("an item was written by somebody who knows nothing of Crossover: it has no `_v`")
def _(_: Stores) -> str:
    change("orders", of_order(8), _v=None)
    return "C1O8"


@plants("an item's `_v` is above every version that was given, whatever the content")
def _(stores: Stores) -> str:
    change("orders", of_order(9), _v={"N": str(int(stores.order(9)["_v"]["N"]) + 1)})
    return "C1O9"


@plants("an item of an earlier time is back: a lost write, a table that was restored")
def _(stores: Stores) -> str:
    put("orders", stores.former)
    return "C1O12"


@plants("a change is not delivered yet")
def _(stores: Stores) -> str:
    stores.run("UPDATE orders SET note = 'new' WHERE id = 13")
    return "C1O13"


@plants("a change of an embedded row, which leaves its root's row alone, is not delivered yet")
def _(stores: Stores) -> str:
    stores.run("INSERT INTO lines VALUES (25, 3, 7)")
    return "C1O25"


@plants("a row was deleted, and its item is still there")
def _(stores: Stores) -> str:
    stores.run("DELETE FROM orders WHERE id = 14")
    return "C1O14"


@plants("two items have each other's content")
def _(stores: Stores) -> str:
    one, other = stores.order(15), stores.order(19)
    put("orders", {**other, **of_order(15)})
    put("orders", {**one, **of_order(19)})
    return "C1O15"


@plants("an item says that it is another row's (`_s`), and its content is right")
def _(stores: Stores) -> str | None:
    if stores.mode == "no_ledger":
        return None
    change("seats", {"pk": {"S": "A"}}, _s={"S": source_key(2)})
    return "A"


@plants("a row that can be no item (a reject)")
def _(stores: Stores) -> str:
    stores.run("UPDATE orders SET note = repeat('x', 500000) WHERE id = 16")
    return "C1O16"


@plants("a row was changed while capture's triggers were disabled")
def _(stores: Stores) -> str | None:
    if not stores.has_ledger:
        return None
    names = stores.shop.ask("SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal")
    enable = ", ".join(f'ENABLE ALWAYS TRIGGER "{name}"' for (name,) in names)
    stores.run(
        "ALTER TABLE orders DISABLE TRIGGER USER",
        "UPDATE orders SET note = 'unseen' WHERE id = 17",
        f"ALTER TABLE orders {enable}",
    )
    return "C1O17"


@plants("an item is gone, and its TTL is past")
def _(_: Stores) -> str:
    remove("orders", of_order(18))
    return "C1O18"


@plants("an attribute differs that `compare` ignores")
def _(_: Stores) -> str:
    change("orders", of_order(20), seen={"S": "today"})
    return "C1O20"


@plants("the order of a list differs that `compare` calls unordered")
def _(stores: Stores) -> str:
    change("orders", of_order(21), lines={"L": stores.order(21)["lines"]["L"][::-1]})
    return "C1O21"


@plants("the content is right, at an older version")
def _(stores: Stores) -> str | None:
    if stores.mode == "no_ledger":
        return None
    change("orders", of_order(22), _v=stores.first_version)
    return "C1O22"


@plants("a column differs that the mapping does not use")
def _(stores: Stores) -> str:
    stores.run("UPDATE orders SET unused = 'y' WHERE id = 23")
    return "C1O23"


@plants("the row itself is wrong, and its item is the same")
def _(stores: Stores) -> str:
    change("orders", of_order(24), note={"S": "wrong"})
    if stores.has_ledger:
        stores.run("UPDATE orders SET note = 'wrong' WHERE id = 24")
        change("orders", of_order(24), _v={"N": str(EPOCH + 1)})
        stores.run(
            'UPDATE crossover.item SET delivered = (1::bigint << 40) + base + 1 WHERE source_key = \'{"id":"24"}\''
        )
    else:
        stores.run("UPDATE orders SET note = 'wrong' WHERE id = 24")
    return "C1O24"
