"""The cases of `tests/rental/workload.sql`."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from tests.design_cases import Case, each, moment, on, together
from tests.design_reads import Bounds

AWKWARD = Path(__file__).parent / "awkward.sql"
LESS = Path(__file__).parent / "less.sql"

CASES: dict[int, Case] = {
    5: Case(
        {"film": 17},
        {"17": "film"},
        "SELECT film_id AS film FROM film WHERE film_id > 2999 UNION SELECT 424242",
        known=lambda v: [{"film_id": v["film"]}],
    ),
    7: Case(
        {"film": 17},
        {"17": "film"},
        "SELECT film_id AS film FROM film WHERE film_id > 2999",
        known=lambda v: [{"film_id": v["film"]}],
        rows=on("language"),
        out=(
            "film_id",
            "title",
            "description",
            "release_year",
            "language_id",
            "original_language_id",
            "rental_rate",
            "length",
            "rating",
            "special_features",
            "fulltext",
            "language.name",
        ),
    ),
    9: Case(
        {"film": 17},
        {"17": "film"},
        "SELECT unnest('{3,3001,3006}'::int[]) AS film",
        known=lambda v: [{"film_id": v["film"]}],
        rows=on("film_actor", "actor"),
        out=("title", "film_actor.actor.first_name", "film_actor.actor.last_name"),
    ),
    12: Case(
        {"films": [1, 2, 3]},
        {"IN (1, 2, 3)": "= ANY(:films)"},
        "SELECT '{3001,3001,424242}'::int[] AS films",
        known=each("films", "film_id"),
    ),
    14: Case(
        {"film": 4},
        {"4": "film"},
        "SELECT unnest('{3007,3001,424242}'::int[]) AS film",
        known=lambda v: [{"film_id": v["film"]}],
        rows=lambda came: [
            {**item, "names": [one["category"]["name"] for one in item["film_category"]] or [None]} for item in came[0]
        ],
        out=("film_id", "title", "names"),
    ),
    18: Case(
        {"customer": 41},
        {"41": "customer"},
        "SELECT unnest('{3,1001,424242}'::int[]) AS customer",
        known=lambda v: [{"customer_id": v["customer"]}],
        rows=lambda came: [
            {
                "name": f"{one['first_name']} {one['last_name']}",
                "address": one["address"]["address"],
                "city": one["address"]["city"]["city"],
            }
            for one in came[0]
        ],
    ),
    20: Case(
        {"rental": 7},
        {"7": "rental"},
        "SELECT unnest('{50,20101,424242}'::int[]) AS rental",
        known=lambda v: [{"rental_id": v["rental"]}],
        tests={"return_date": lambda row, v: row.get("return_date") is None},
        finish=lambda rows: [{"exists": bool(rows)}],
    ),
    22: Case(
        {"actor": 3, "film": 5},
        {"3": "actor", "5": "film"},
        "SELECT actor_id AS actor, film_id AS film FROM film_actor ORDER BY (actor_id * 7919 + film_id) % 101 LIMIT 3",
        none="film 5 has other actors",
        known=lambda v: [{"actor_id": v["actor"], "film_id": v["film"]}],
        finish=lambda rows: [{"?column?": 1} for _ in rows],
    ),
    24: Case(
        {"rental": 9},
        {"9": "rental"},
        "SELECT unnest('{50,20101,424242}'::int[]) AS rental",
        known=lambda v: [{"rental_id": v["rental"]}],
        rows=on("inventory", "film"),
        out=(
            "rental_id",
            "rental_date",
            "inventory_id",
            "customer_id",
            "return_date",
            "staff_id",
            "inventory.film_id",
            "inventory.film.title",
        ),
    ),
    28: Case(
        {"customer": 17},
        {"17": "customer"},
        "SELECT unnest('{9,5,1001}'::int[]) AS customer",
        known=lambda v: [{"customer_id": v["customer"]}],
        order=("-rental_date",),
        limit=20,
    ),
    30: Case(
        {"actor": 3},
        {"3": "actor"},
        "SELECT unnest('{1002,1006,424242}'::int[]) AS actor",
        known=lambda v: [{"actor_id": v["actor"]}],
        rows=on("film"),
        out=("film.title",),
    ),
    32: Case(
        {"film": 12},
        {"12": "film"},
        "SELECT unnest('{1,3006,424242}'::int[]) AS film",
        known=lambda v: [{"film_id": v["film"]}],
        rows=on("actor"),
        out=("actor_id", "actor.first_name", "actor.last_name"),
    ),
    34: Case(
        {"film": 1, "store": 2},
        {"film_id = 1 ": "film_id = :film ", "store_id = 2": "store_id = :store"},
        "SELECT film, store FROM unnest('{1,18,17,424242}'::int[]) film, unnest('{1,2}'::int[]) store",
        none="the second shop has not that film",
        known=lambda v: [{"film_id": v["film"]}],
        tests={
            "store_id": lambda row, v: row["store_id"] == v["store"],
            "rental.return_date": lambda row, v: all(one.get("return_date") for one in row["rental"]),
        },
    ),
    37: Case(
        {"customer": 9},
        {"9": "customer"},
        "SELECT unnest('{17,3,1001}'::int[]) AS customer",
        known=lambda v: [{"customer_id": v["customer"]}],
        finish=lambda rows: [{"max": rows[-1]["payment_date"] if rows else None}],
    ),
    39: Case({}, order=("name",)),
    41: Case(
        {"customer": 5},
        {"5": "customer"},
        "SELECT unnest('{9,3,1001}'::int[]) AS customer",
        known=lambda v: [{"customer_id": v["customer"]}],
        rows=on("inventory", "film"),
        order=("-rental_date",),
        limit=3,
        out=("rental_id", "inventory.film.title"),
    ),
    44: Case(
        {"rental": 16},
        {"rental_id = 16": "rental_id = :rental"},
        "SELECT (SELECT min(rental_id) FROM payment WHERE payment_date > '2026-02-03') AS rental",
        known=lambda v: [{"rental_id": v["rental"]}],
        tests={"payment_2026_01": lambda row, v: row["payment_date"] < "2026-02-01"},
    ),
    46: Case(
        {"categories": [1, 2]},
        {"'{1,2}'": "categories"},
        "SELECT '{3,99,3}'::int[] AS categories",
        known=each("categories", "category_id"),
    ),
    49: Case(
        {"customer": 17, "low": moment("2026-01-01"), "high": moment("2026-02-01")},
        {"17": "customer", "'2026-01-01'": "low", "'2026-02-01'": "high"},
        "SELECT 17 AS customer, '2026-01-01 00:00:00.000001+00'::timestamptz AS low, '2026-02-28'::timestamptz AS high",
        known=lambda v: [{"customer_id": v["customer"]}],
        bounds=lambda v: Bounds(v["low"], v["high"]),
    ),
    51: Case(
        {"customer": 3, "date": moment("2026-01-20"), "rental": 99},
        {"= 3 ": "= :customer ", "'2026-01-20'": "date", "99": "rental"},
        "SELECT 3 AS customer, '2026-01-20'::timestamptz AS date, unnest('{20001,20005,20009}'::int[]) AS rental",
        known=lambda v: [{"customer_id": v["customer"]}],
        bounds=lambda v: Bounds(high=v["date"], with_high=True),
        tests={
            "rental_id": lambda row, v: (
                (row["rental_date"], row["rental_id"]) < ("2026-01-20T00:00:00.000000Z", v["rental"])
            )
        },
        order=("-rental_date", "-rental_id"),
        limit=10,
    ),
    54: Case(
        {"actor": 7, "film": 100},
        {"7": "actor", "100": "film"},
        "SELECT 1002 AS actor, unnest('{0,107,2000,9999}'::int[]) AS film",
        known=lambda v: [{"actor_id": v["actor"]}],
        bounds=lambda v: Bounds(v["film"], with_low=False),
        order=("film_id",),
    ),
    56: Case(
        {"customer": 3, "day": date(2026, 1, 5)},
        {"= 3 ": "= :customer ", "'2026-01-05'": "day"},
        "SELECT 3 AS customer, unnest('{2026-01-04,2026-01-06,2026-01-20}'::date[]) AS day",
        known=lambda v: [{"customer_id": v["customer"]}],
        bounds=lambda v: Bounds(moment(f"{v['day']}"), moment(f"{v['day'] + timedelta(days=1)}")),
        tests={"day(rental_date)": lambda row, v: row["rental_date"].startswith(f"{v['day']}")},
    ),
    59: Case(
        {"email": "c1@example.com"},
        {"'c1@example.com'": "email"},
        "SELECT unnest('{C1@Example.com,\"\",x}'::text[]) AS email",
        known=lambda v: [v],
    ),
    61: Case(
        {"email": "c1@example.com"},
        {"'c1@example.com'": "email"},
        "SELECT unnest('{c9@example.com,\"\",C1@Example.com}'::text[]) AS email",
        known=lambda v: [{"lower(email)": v["email"]}],
    ),
    63: Case(
        {"name": "Category 3", "rate": 1},
        {"'Category 3'": "name", "< 1 ": "< :rate "},
        "SELECT name, rate FROM unnest('{Category 2,Category 1,Empty}'::text[]) name, unnest('{1,3}'::int[]) rate",
        rows=on("film_category", "film"),
        tests={"film.rental_rate": lambda row, v: row["film_category.film.rental_rate"] < v["rate"]},
        order=("film_category.film.title",),
        limit=20,
        out=("film_category.film.title",),
    ),
    66: Case(
        {"name": "user1"},
        {"'user1'": "name"},
        "SELECT unnest('{user2,user3}'::text[]) AS name",
        known=lambda v: [{"username": v["name"]}],
        tests={"active": lambda row, v: row["active"]},
    ),
    68: Case(
        {"name": "Last 3"},
        {"'Last 3'": "name"},
        "SELECT unnest('{Last 3#,Last 4,x}'::text[]) AS name",
        known=lambda v: [{"last_name": v["name"]}],
        order=("first_name",),
    ),
    70: Case(
        {"start": "Film 1%"},
        {"'Film 1%'": "start"},
        "SELECT unnest('{Film 1#%,F%,film%,%}'::text[]) AS start",
        bounds=lambda v: Bounds(starts=v["start"].removesuffix("%")),
        order=("title",),
        limit=10,
    ),
    74: Case({}, order=("-rental_date",), limit=50),
    76: Case(
        {"email": "c1@example.com", "customer": 4},
        {"'c1@example.com'": "email", "4": "customer"},
        "SELECT 'c4@example.com' AS email, 4 AS customer UNION SELECT 'x', 4 UNION SELECT 'x', 0",
        known=lambda v: [{"email": v["email"], "customer_id": v["customer"]}],
        rows=together,
    ),
    120: Case(
        {"rental": 5},
        {"rental_id = 5": "rental_id = :rental"},
        "SELECT 20103 AS rental",
        none="rental 5 was returned",
        finds="SELECT rental_id FROM rental",
        known=lambda v: [{"rental_id": v["rental"]}],
        tests={"return_date": lambda row, v: row.get("return_date") is None},
    ),
    122: Case(
        {"film": 3},
        {"film_id = 3": "film_id = :film"},
        "SELECT 3001 AS film",
        finds="SELECT film_id FROM film",
        known=lambda v: [{"film_id": v["film"]}],
    ),
    127: Case(
        {"staff": 2},
        {"manager_staff_id = 2": "manager_staff_id = :staff"},
        "SELECT 1 AS staff",
        finds="SELECT customer_id FROM customer, store s",
        known=lambda v: [{"manager_staff_id": v["staff"]}],
        rows=lambda came: came[1],
    ),
    129: Case(
        {"film": 3},
        {"film_id = 3": "film_id = :film"},
        "SELECT 3001 AS film",
        finds="SELECT actor_id, film_id FROM film_actor",
        known=lambda v: [{"film_id": v["film"]}],
    ),
}

UNSERVED = {
    72: "IS NULL: only a generated column could carry it",
    78: "visit has no key",
    133: "visit has no key",
}
