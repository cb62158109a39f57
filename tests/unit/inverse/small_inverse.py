"""A small schema with every way in which a table can hang on another, and inverses of mappings of it."""

from __future__ import annotations

import json
from typing import Any

from pipelines.items.canonical import canonical_item
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.inverse import ItemInverse, TableRows, inverse_of
from pipelines.mapping.load import parse_mapping

INTEGER = SourceType(name="integer", kind=Kind.INTEGER)
TEXT = SourceType(name="text", kind=Kind.TEXT)
NUMERIC = SourceType(name="numeric", kind=Kind.NUMERIC)
TIME = SourceType(name="timestamp with time zone", kind=Kind.TIMESTAMPTZ)
SECOND = SourceType(name="timestamp(0) without time zone", kind=Kind.TIMESTAMP)
DATE = SourceType(name="date", kind=Kind.DATE)
JSON = SourceType(name="jsonb", kind=Kind.JSON)
BYTES = SourceType(name="bytea", kind=Kind.BYTES)
TEXTS = SourceType(name="text[]", kind=Kind.ARRAY, element=TEXT)

KEYS = {
    "orders": ("order_id",),
    "lines": ("order_id", "line_no"),
    "notes": ("note_id",),
    "marks": ("order_id", "mark"),
    "details": ("order_id",),
    "addresses": ("address_id",),
    "customers": ("customer_id",),
    "events": (),
    "named": ("name", "at", "n"),
    "timed": ("order_id", "at"),
}
COLUMNS: dict[str, dict[str, tuple[SourceType, str]]] = {
    # "": NOT NULL, "n": nullable, "d": NOT NULL with a default, "g": generated
    "orders": {
        "order_id": (INTEGER, ""), "customer_id": (INTEGER, "n"), "status": (TEXT, ""), "note": (TEXT, "n"),
        "total": (NUMERIC, "n"), "placed": (TIME, "n"), "due": (DATE, "n"), "rounded": (SECOND, "n"),
        "doc": (JSON, "n"), "scan": (BYTES, "n"), "tags": (TEXTS, "n"), "words": (TEXTS, ""), "serial": (INTEGER, "d"),
        "double": (NUMERIC, "g"),
    },
    "lines": {"order_id": (INTEGER, ""), "line_no": (INTEGER, ""), "sku": (TEXT, ""), "gone": (TIME, "n")},
    "notes": {"note_id": (INTEGER, ""), "order_id": (INTEGER, ""), "line_no": (INTEGER, ""), "text": (TEXT, "n")},
    "marks": {"order_id": (INTEGER, ""), "mark": (TEXT, "")},
    "details": {"order_id": (INTEGER, ""), "gift": (TEXT, "n"), "code": (INTEGER, "n")},
    "addresses": {"address_id": (INTEGER, ""), "order_id": (INTEGER, ""), "kind": (TEXT, ""), "city": (TEXT, "n")},
    "customers": {"customer_id": (INTEGER, ""), "name": (TEXT, "n"), "email": (TEXT, "n")},
    "events": {"order_id": (INTEGER, "n"), "what": (TEXT, "n")},
    "timed": {"order_id": (INTEGER, ""), "at": (TIME, ""), "what": (TEXT, "n")},
    "named": {"name": (TEXT, ""), "at": (DATE, ""), "n": (INTEGER, ""), "moment": (TIME, "n"), "more": (TEXT, "n")},
}  # fmt: skip


def catalog(relation: Relation = Relation.TABLE, inherited: bool = False) -> Catalog:
    """`relation`, `inherited`: of `details`."""
    tables = tuple(
        Table(
            ref=TableRef(schema_name="public", table=name),
            relation=relation if name == "details" else Relation.TABLE,
            columns=tuple(
                Column(name=c, type=type, nullable=kind in ("n", "g"), defaulted=kind == "d", generated=kind == "g")
                for c, (type, kind) in columns.items()
            ),
            primary_key=KEYS[name],
            inherited=inherited and name == "details",
        )
        for name, columns in COLUMNS.items()
    )
    return Catalog(server_version=180000, tables=tables)


HEAD = """\
migration: small
target:
  tables:
    ttt:
      partition_key: {name: pk, type: S}
      indexes: {byname: {partition_key: {name: iname, type: S}}}
items:
"""
ORDER = '  order:\n    table: ttt\n    from: orders\n    key: {pk: "O#{order_id:05}"}\n'


def inverses(items: str, known: Catalog | None = None) -> dict[str, ItemInverse]:
    """By item type, of `items` that are indented by two."""
    plan = compile_mapping(parse_mapping(HEAD + items, "m.yaml"), known or catalog())
    return {item.name: inverse_of(item, plan) for item in plan.items}


def order(rest: str = "", more: str = "", known: Catalog | None = None) -> ItemInverse:
    """Of the item `order` and the given lines of it, indented by four; `more`: items behind it."""
    return inverses(ORDER + rest + more, known)["order"]


def item(**attributes: Any) -> str:
    """Canonical; `pk` is order 6's unless given, its NOT NULL columns are there; None leaves an attribute out."""
    whole: dict[str, Any] = {
        "pk": {"S": "O#00006"},
        "order_id": {"N": "6"},
        "status": {"S": "open"},
        "words": {"L": []},
        "serial": {"N": "1"},
    }
    whole |= attributes
    return canonical_item({name: value for name, value in whole.items() if value is not None})


def values(rows: TableRows) -> list[dict[str, str | None]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def table_names(rows: tuple[TableRows, ...]) -> list[str]:
    return [one.table.ref.table for one in rows]


def source_key(**columns: str) -> str:
    return json.dumps(columns, separators=(",", ":"))
