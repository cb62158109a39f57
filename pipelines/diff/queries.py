"""The statements of a bucket's join (`kernel`), in DuckDB's SQL."""

from __future__ import annotations

KEYS_AT_ONCE = 50_000

FILES = "CREATE TEMP VIEW {side}_files AS SELECT * FROM read_parquet([{paths}], hive_partitioning = false)"

NO_FILES = {
    side: f"""
CREATE TEMP VIEW {side}_files AS
SELECT NULL::VARCHAR AS item_type, NULL::VARCHAR AS "table", NULL::VARCHAR AS key, NULL::VARCHAR AS source_key,
       NULL::BLOB AS digest, NULL::BIGINT AS version, NULL::BIGINT AS size, NULL::VARCHAR AS item
WHERE false
"""
    for side in ("source", "target")
}

CLAIMS = """
CREATE TEMP TABLE claims AS
SELECT r.item_type, r."table", r.key,
       CASE WHEN s.key IS NULL
             AND row_number() OVER (PARTITION BY r."table", r.key ORDER BY r.item_type, r.source_key) = 1
            THEN r.key END AS claimed,
       r.source_key, NULL::BLOB AS digest, 0::BIGINT AS version, r.size
FROM rejects r LEFT JOIN (
    SELECT DISTINCT "table", key FROM source_files WHERE key IN (SELECT key FROM rejects)
) s ON s."table" = r."table" AND s.key = r.key
"""

RECORDS_ONLY = """
SELECT item_type, "table", key, key AS claimed, source_key, digest, version, size FROM source_files
"""

RECORDS_AND_CLAIMS = f"{RECORDS_ONLY} UNION ALL SELECT * FROM claims"  # noqa: S608

JOIN = """
CREATE TEMP TABLE joined AS
WITH source AS ({source}),
     target AS (SELECT item_type, "table", key, {owner} AS owner, digest, version, size FROM target_files)
SELECT coalesce(s.digest = t.digest AND t.item_type IS NOT NULL AND t.version <= s.version
                AND (t.owner IS NULL OR t.owner = s.source_key), false) AS settled,
       coalesce(s.item_type, t.item_type) AS item_type,
       CASE WHEN NOT settled THEN coalesce(s."table", t."table") END AS "table",
       CASE WHEN NOT settled THEN coalesce(s.key, t.key) END AS key,
       CASE WHEN NOT settled THEN s.source_key END AS source_key,
       CASE WHEN NOT settled THEN t.owner END AS owner,
       s."table" IS NOT NULL AS in_source,
       CASE WHEN NOT settled THEN s.digest END AS source_digest,
       s.version AS source_version,
       s.size AS source_size,
       t."table" IS NOT NULL AS in_target,
       CASE WHEN NOT settled THEN t.digest END AS target_digest,
       t.version AS target_version,
       t.item_type IS NOT NULL AS target_mapped,
       t.size AS target_size,
       CASE WHEN s.digest <> t.digest THEN t.key END AS differing_key
FROM source s FULL OUTER JOIN target t ON s."table" = t."table" AND s.claimed = t.key
"""
"""A row of either side that meets several of the other stands here several times: `TOTALS` tells."""

TOTALS = """
SELECT item_type, count(*) FILTER (settled), count(*) FILTER (in_source), count(*) FILTER (in_target),
       coalesce(sum(source_size + target_size) FILTER (differing_key IS NOT NULL), 0)::BIGINT,
       count(differing_key)
FROM joined GROUP BY item_type
"""

ALONE_TWICE = """
SELECT count(*) FROM (
    SELECT 1 FROM joined WHERE NOT settled AND (source_digest IS NOT NULL OR NOT in_source)
    GROUP BY "table", key, in_source HAVING count(*) > 1
)
"""

TWICE = {
    side: f'SELECT count(*) FROM (SELECT 1 FROM {side}_files GROUP BY "table", key HAVING count(*) > 1)'  # noqa: S608
    for side in ("source", "target")
}

READ_ITEMS = {
    side: f"""
CREATE TEMP TABLE {side}_items AS
SELECT "table", key, item FROM {side}_files
WHERE key IN (SELECT differing_key FROM joined WHERE differing_key IS NOT NULL)
"""  # noqa: S608
    for side in ("source", "target")
}

NO_ITEMS = {
    side: f'CREATE TEMP TABLE {side}_items ("table" VARCHAR, key VARCHAR, item VARCHAR)'
    for side in ("source", "target")
}

LEDGER_TABLES = """
CREATE TEMP TABLE tombstones ("table" VARCHAR, key VARCHAR, owner VARCHAR, version BIGINT);
CREATE TEMP TABLE told_rows ("table" VARCHAR, key VARCHAR, source_key VARCHAR);
CREATE TEMP TABLE known (item_type VARCHAR, source_key VARCHAR, version BIGINT, undelivered BOOLEAN);
"""

ALONE = f"""
SELECT rowid, item_type, "table", key FROM joined
WHERE rowid > ? AND NOT settled AND NOT in_source AND owner IS NULL AND item_type IS NOT NULL
ORDER BY rowid LIMIT {KEYS_AT_ONCE}
"""  # noqa: S608

LOAD_TOMBSTONES = """
INSERT INTO tombstones
SELECT "table", key, source_key, version FROM tombstone_files
WHERE key IN (SELECT key FROM joined WHERE NOT settled AND NOT in_target AND key IS NOT NULL)
"""

LOAD_KNOWN = """
INSERT INTO known
SELECT item_type, source_key, version, undelivered FROM known_files
WHERE source_key IN (
    SELECT source_key FROM joined WHERE NOT settled AND source_key IS NOT NULL UNION ALL
    SELECT owner FROM joined WHERE NOT settled AND owner IS NOT NULL UNION ALL
    SELECT owner FROM tombstones WHERE owner IS NOT NULL UNION ALL
    SELECT source_key FROM told_rows WHERE source_key IS NOT NULL
)
"""

_ORDER = 'ORDER BY "table", key NULLS LAST, item_type, source_key'

ORDERED = f"""
CREATE TEMP TABLE ordered AS
SELECT *, row_number() OVER ({_ORDER}) AS place,
       (sum(CASE WHEN differing_key IS NULL THEN 0 ELSE source_size + target_size END)
            OVER ({_ORDER} ROWS UNBOUNDED PRECEDING) // ?)::BIGINT AS piece
FROM joined WHERE NOT settled
"""  # noqa: S608
"""In pieces with so many bytes of items each: what a query has joined to them cannot be moved to a disk."""

PIECES = "SELECT DISTINCT piece FROM ordered ORDER BY piece"

_PAIR = """
SELECT j.item_type, j."table", j.key, j.source_key,
       j.in_source, j.source_digest, j.source_version, j.source_size,
       j.in_target, j.target_digest, j.target_version, j.target_mapped, j.target_size,
       s.item AS source_item, t.item AS target_item
"""
_ITEMS = """
LEFT JOIN source_items s ON s."table" = j."table" AND s.key = j.differing_key
LEFT JOIN target_items t ON t."table" = j."table" AND t.key = j.differing_key
"""

_LEDGER = """
       coalesce(j.source_key, j.owner, w.source_key) IS NOT NULL AS row_told, r.version AS row_version,
       r.undelivered AS row_undelivered,
       j.in_source AND coalesce(coalesce(j.owner, b.owner) <> j.source_key, false) AS is_another,
       o.version AS owner_version, o.undelivered AS owner_undelivered, b.version AS tombstone
"""
_OF_LEDGER = """
LEFT JOIN tombstones b ON NOT j.in_target AND b."table" = j."table" AND b.key = j.key
LEFT JOIN told_rows w ON w."table" = j."table" AND w.key = j.key
LEFT JOIN known r ON r.item_type = j.item_type AND r.source_key = coalesce(j.source_key, j.owner, w.source_key)
LEFT JOIN known o
    ON o.item_type = j.item_type AND o.source_key = coalesce(j.owner, b.owner) AND o.source_key <> j.source_key
"""
_ALL = 'WHERE NOT j.settled ORDER BY j."table", j.key NULLS LAST, j.item_type, j.source_key'
_PIECE = "WHERE j.piece = ? ORDER BY j.place"

PAIRS = f"{_PAIR} FROM joined j {_ITEMS} {_ALL}"
PAIRS_OF_PIECE = f"{_PAIR} FROM ordered j {_ITEMS} {_PIECE}"
PAIRS_WITH_LEDGER = f"{_PAIR}, {_LEDGER} FROM joined j {_OF_LEDGER} {_ITEMS} {_ALL}"
PAIRS_OF_PIECE_WITH_LEDGER = f"{_PAIR}, {_LEDGER} FROM ordered j {_OF_LEDGER} {_ITEMS} {_PIECE}"
