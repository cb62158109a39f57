"""Which columns' texts PostgreSQL sorts otherwise than by their bytes: from the catalogue alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.assess.evidence import Collation

_BUILT_IN, _LIBC = "b", "c"
_BYTES = frozenset({"c", "posix", "c.utf8", "c.utf-8"})

# By jsonb, since what a collation is has other columns in other versions: PostgreSQL 11 knows no deterministic ones, 14
# no provider of a database, 16 calls an ICU locale `colliculocale`, before 15 it was `collcollate`.
_COLLATIONS: LiteralString = """
SELECT a.attrelid, a.attname::text,
       CASE WHEN l.collprovider = 'd' THEN NULL ELSE l.collname::text END,
       CASE WHEN l.collprovider = 'd' THEN coalesce(b.of ->> 'datlocprovider', 'c') ELSE l.collprovider::text END,
       CASE WHEN l.collprovider = 'd'
            THEN coalesce(b.of ->> 'datlocale', b.of ->> 'daticulocale', b.of ->> 'datcollate')
            ELSE coalesce(c.of ->> 'colllocale', c.of ->> 'colliculocale', c.of ->> 'collcollate') END,
       coalesce((c.of ->> 'collisdeterministic')::bool, true)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(l)) AS c(of)
CROSS JOIN (
    SELECT pg_catalog.to_jsonb(d) FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
) AS b(of)
WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""


def read_collations(connection: Connection[TupleRow], tables: Sequence[int]) -> dict[int, dict[str, Collation]]:
    """Per table's oid and column, without those that are in the order of their bytes. A partition's are its root's."""
    found: dict[int, dict[str, Collation]] = defaultdict(dict)
    for table, column, name, provider, locale, deterministic in connection.execute(_COLLATIONS, (list(tables),)):
        if not sorts_by_bytes(provider, locale):  # as all are that are not deterministic: only ICU makes such
            found[table][column] = Collation(name=name or locale, deterministic=deterministic)
    return found


def sorts_by_bytes(provider: str, locale: str | None) -> bool:
    """`provider`: pg_collation's collprovider. All built-in locales are in the order of code points, as UTF-8 is."""
    return provider == _BUILT_IN or (provider == _LIBC and (locale or "").lower() in _BYTES)
