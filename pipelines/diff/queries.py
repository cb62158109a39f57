"""The statements of a bucket's join (`kernel`), in DuckDB's SQL."""

from __future__ import annotations

KEYS_AT_ONCE = 50_000

TABLES = """
CREATE TEMP TABLE source (
    item_type VARCHAR, "table" VARCHAR, key VARCHAR, claimed VARCHAR, source_key VARCHAR,
    digest BLOB, version BIGINT, size BIGINT
);
CREATE TEMP TABLE target (
    item_type VARCHAR, "table" VARCHAR, key VARCHAR, owner VARCHAR, digest BLOB, version BIGINT, size BIGINT
);
CREATE TEMP TABLE tombstones ("table" VARCHAR, key VARCHAR, owner VARCHAR, version BIGINT);
CREATE TEMP TABLE told_rows ("table" VARCHAR, key VARCHAR, source_key VARCHAR);
CREATE TEMP TABLE known (item_type VARCHAR, source_key VARCHAR, version BIGINT, undelivered BOOLEAN);
CREATE TEMP TABLE source_items ("table" VARCHAR, key VARCHAR, item VARCHAR);
CREATE TEMP TABLE target_items ("table" VARCHAR, key VARCHAR, item VARCHAR);
"""

LOAD = {
    "source": """
INSERT INTO source
SELECT item_type, "table", key, key, source_key, digest, version, size FROM source_files
""",
    "target": """
INSERT INTO target
SELECT item_type, "table", key, source_key, digest, version, size FROM target_files
""",
}

LOAD_TARGET_WITHOUT_OWNERS = """
INSERT INTO target
SELECT item_type, "table", key, NULL, digest, version, size FROM target_files
"""

TWICE = {
    side: f'SELECT count(*) FROM (SELECT 1 FROM {side} GROUP BY "table", key HAVING count(*) > 1)'  # noqa: S608
    for side in ("source", "target")
}

LOAD_REJECTS = """
INSERT INTO source
SELECT r.item_type, r."table", r.key,
       CASE WHEN s.key IS NULL
             AND row_number() OVER (PARTITION BY r."table", r.key ORDER BY r.item_type, r.source_key) = 1
            THEN r.key END,
       r.source_key, NULL, 0, r.size
FROM rejects r LEFT JOIN source s ON s."table" = r."table" AND s.key = r.key
"""

JOIN = """
CREATE TEMP TABLE joined AS
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

READ_ITEMS = {
    side: f"""
INSERT INTO {side}_items
SELECT "table", key, item FROM {side}_files
WHERE key IN (SELECT differing_key FROM joined WHERE differing_key IS NOT NULL)
"""  # noqa: S608
    for side in ("source", "target")
}

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

PAIRS = """
SELECT j.item_type, j."table", j.key, j.source_key,
       j.in_source, j.source_digest, j.source_version, j.source_size,
       j.in_target, j.target_digest, j.target_version, j.target_mapped, j.target_size,
       s.item, t.item,
       coalesce(j.source_key, j.owner, w.source_key) IS NOT NULL, r.version, r.undelivered,
       j.in_source AND coalesce(coalesce(j.owner, b.owner) <> j.source_key, false), o.version, o.undelivered,
       b.version
FROM joined j
LEFT JOIN tombstones b ON NOT j.in_target AND b."table" = j."table" AND b.key = j.key
LEFT JOIN told_rows w ON w."table" = j."table" AND w.key = j.key
LEFT JOIN known r ON r.item_type = j.item_type AND r.source_key = coalesce(j.source_key, j.owner, w.source_key)
LEFT JOIN known o
    ON o.item_type = j.item_type AND o.source_key = coalesce(j.owner, b.owner) AND o.source_key <> j.source_key
LEFT JOIN source_items s ON s."table" = j."table" AND s.key = j.differing_key
LEFT JOIN target_items t ON t."table" = j."table" AND t.key = j.differing_key
WHERE NOT j.settled
ORDER BY j."table", j.key NULLS LAST, j.item_type, j.source_key
"""
