"""The shop of `tests.delivered_shop` without a ledger, its rows counting their own changes."""

from __future__ import annotations

import psycopg

from tests.delivered_shop import Items, expected

COUNTERS = """
CREATE FUNCTION raise_rev() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.rev := OLD.rev + 1; RETURN NEW; END';
ALTER TABLE orders ADD rev int NOT NULL DEFAULT 1;
ALTER TABLE seats ADD rev int NOT NULL DEFAULT 1;
CREATE TRIGGER raise_rev BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION raise_rev();
CREATE TRIGGER raise_rev BEFORE UPDATE ON seats FOR EACH ROW EXECUTE FUNCTION raise_rev();
"""
"""An inserted row is at 1. Lines and products leave their order's counter alone."""

_ORDER, _SEAT = 'sk: "O{id}"}\n', 'key: {pk: "{place}"}'


def with_versions(mapping: str) -> str:
    """`mapping`: of `tests.delivered_shop`, or one with more in it."""
    excluded = "    exclude: [unused" if "    exclude: [unused" in mapping else ""
    counted = mapping.replace(excluded, f"{excluded}, rev") if excluded else mapping
    own = "    version: rev\n" if excluded else "    version: rev\n    exclude: [rev]\n"
    return counted.replace(_ORDER, _ORDER + own).replace(_SEAT, f"{_SEAT}, version: rev, exclude: [rev]")


def expected_with_versions(url: str) -> Items:
    """What DynamoDB must hold, `_v` included."""
    items = expected(url)
    with psycopg.connect(url) as connection:
        for table, found in items.items():
            rows = connection.execute(f"SELECT id, rev FROM {table}".encode())
            revs = {str(id): str(rev) for id, rev in rows}
            for item in found.values():
                item["_v"] = {"N": revs[item["id"]["N"]]}
    return items
