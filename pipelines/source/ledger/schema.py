"""The ledger's tables. All migrations of a database share them; each row names its migration.

log       insert-only; one row for each item and each change of it. No key, no constraint, no index: nothing that a
          writer could wait for, fail at, or pay for. Its readers read all of it, and relays keep it short. `old`:
          what the item's key was made of, where the row has left that key
mark      insert-only; a change that reaches items through other rows, until it is expanded. `path` names the embed,
          `lines.product` ('' for the root); links are as `key_text.link` gives them. Both NULL: the whole table
item      what relays know of an item. No trigger touches it. `keys`: the DynamoDB keys that its row has left, each
          with the version at which it did. Two hashes with different seeds stand for the source key in its index:
          an index row has a largest size (PostgreSQL, 64.1), and a source key has none. `since`: when it was first
          seen undelivered; `due`: when a relay is to see to it next (the end of a lease, or of a pause after a
          failure); both NULL where it is delivered. `set_apart`: tried in vain many times, or in a way that no other
          try can mend
control   one row for each migration. `paused`: relays deliver nothing; `on_at`: when capture was switched on
relay     one row for each relay, written by itself. `gathered_at`: all log rows that were visible then are folded
backfill  one row for each run of a backfill that writes beside relays; `sweeps` as its snapshot saw it
captured  one row for each table whose triggers were installed: what they were, and on which partitions

Where DynamoDB is the master (rules 15 and 16):

master         one row for each group of item types that has ever been switched; what guards and relays obey
stream         how far each shard of a DynamoDB stream is applied; written in one transaction with the rows. `sequence`:
               the last record, NULL before the first; `created_at`: when DynamoDB wrote it
reverse        DynamoDB keys whose item could not be applied yet; it is read afresh for the next try. `owner`: its `_s`,
               '' where it has none: one row can have left a key that another has taken. `removed`: the version of a
               tombstone, which stands even where its key is another row's, or empty, by now. `due`, `attempts`,
               `set_apart`: as in item
reverse_relay  one row for each migration, written by its reverse relay. `caught_up_at`: all that was written in
               DynamoDB before is applied or is in reverse; `resync`: why the streams cannot tell everything, until all
               items have been read
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.items.canonical import quote
from pipelines.source.ledger.follow import FOLLOWED_SIGNATURE, create_followed, drop_followed
from pipelines.source.ledger.names import (
    BACKFILL,
    CAPTURED,
    CONTROL,
    ITEM,
    LOG,
    MARK,
    MASTER,
    QUOTED,
    RELAY,
    REVERSE,
    REVERSE_RELAY,
    SCHEMA,
    STREAM,
)

# A truncating vacuum takes a lock that writers wait for; the space is used again without it.
_HOT: LiteralString = "vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0.01"

_KEY: LiteralString = 'migration text NOT NULL, item_type text NOT NULL, source_key text COLLATE "C" NOT NULL'

_ITEM_HASH: LiteralString = (
    "migration, item_type, pg_catalog.hashtextextended(source_key, 0), pg_catalog.hashtextextended(source_key, 1)"
)

# Tables that an earlier Crossover made lack these.
_LATER: tuple[tuple[sql.Identifier, LiteralString], ...] = (
    (ITEM, "lease_holder text"),
    (ITEM, "since timestamptz"),
    (ITEM, "due timestamptz"),
    (ITEM, "set_apart boolean NOT NULL DEFAULT false"),
    (CONTROL, "sweeps bigint NOT NULL DEFAULT 0"),
    (CONTROL, "paused boolean NOT NULL DEFAULT false"),
    (CONTROL, "on_at timestamptz"),
)
_TELLS_THIS_FORM = frozenset(
    {
        ("item", "lease_holder"),
        ("item", "due"),
        ("control", "sweeps"),
        ("control", "on_at"),
        ("backfill", "run"),
        ("relay", "gathered_at"),
        ("master", "phase"),
        ("stream", "sequence"),
        ("reverse", "due"),
        ("reverse_relay", "caught_up_at"),
    }
)

_BACKSLASH, _QUOTE = 92, 34

MIGRATIONS_ROWS = (LOG, MARK, ITEM, BACKFILL, CAPTURED, RELAY, MASTER, STREAM, REVERSE, REVERSE_RELAY)
"""All tables but the control table: each row is one migration's, and goes with it."""

ITEM_KEY = sql.SQL(_ITEM_HASH)
"""What ON CONFLICT names: the index that holds an item's row single."""

REVERSE_KEY = sql.SQL(
    "migration, table_name, pg_catalog.hashtextextended(key, 0), pg_catalog.hashtextextended(key, 1),"
    " pg_catalog.hashtextextended(owner, 0)"
)
"""The same of a DynamoDB key that waits, and whose it is."""


def create_statements() -> list[sql.Composed]:
    """Leave alone what is there already."""
    return [
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)),
        _table(LOG, f"{_KEY}, old jsonb", _HOT),
        # An earlier Crossover's: a quarter of what capture costs a writer.
        sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(SCHEMA, "log_source_key")),
        _table(
            MARK,
            "migration text NOT NULL, item_type text NOT NULL, path text NOT NULL, old_link text[], new_link text[]",
            _HOT,
        ),
        _table(
            ITEM,
            f"{_KEY}, base bigint NOT NULL DEFAULT 0, delivered bigint, keys jsonb NOT NULL DEFAULT '[]',"
            " attempts integer NOT NULL DEFAULT 0, last_error text, lease_until timestamptz",
            "fillfactor = 80",
        ),
        sql.SQL("CREATE UNIQUE INDEX IF NOT EXISTS item_key ON {} ({})").format(ITEM, ITEM_KEY),
        _table(
            CONTROL,
            "migration text PRIMARY KEY, epoch bigint NOT NULL, mapping_hash text NOT NULL,"
            " capture text NOT NULL DEFAULT 'off' CHECK (capture IN ('off', 'on')),"
            " phase text NOT NULL DEFAULT 'source' CHECK (phase IN ('source', 'target')), lineage text",
        ),
        _table(
            BACKFILL,
            "migration text, run text, epoch bigint NOT NULL, sweeps bigint NOT NULL,"
            " begun_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), finished_at timestamptz,"
            " PRIMARY KEY (migration, run)",
        ),
        _table(
            CAPTURED,
            "migration text, schema_name text, table_name text, definition text NOT NULL, triggers text[] NOT NULL,"
            " members text[] NOT NULL, PRIMARY KEY (migration, schema_name, table_name)",
        ),
        _table(
            RELAY,
            "migration text, holder text, started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
            " seen_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), gathered_at timestamptz,"
            " ended_at timestamptz, PRIMARY KEY (migration, holder)",
        ),
        _table(
            MASTER,
            "migration text, group_name text, item_types text[] NOT NULL, phase text NOT NULL DEFAULT 'rds_first'"
            " CHECK (phase IN ('rds_first', 'dynamodb_first', 'dynamodb_only')), fenced boolean NOT NULL DEFAULT false,"
            " changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
            " PRIMARY KEY (migration, group_name)",
        ),
        _table(
            STREAM,
            "migration text, stream_arn text, shard text, table_name text NOT NULL, parent text, sequence text,"
            " done boolean NOT NULL DEFAULT false, created_at timestamptz, PRIMARY KEY (migration, stream_arn, shard)",
        ),
        _table(
            REVERSE,
            'migration text NOT NULL, table_name text NOT NULL, key text COLLATE "C" NOT NULL,'
            " since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
            " due timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), attempts integer NOT NULL DEFAULT 0,"
            " last_error text, set_apart boolean NOT NULL DEFAULT false, removed bigint,"
            " owner text COLLATE \"C\" NOT NULL DEFAULT ''",
        ),
        sql.SQL("CREATE UNIQUE INDEX IF NOT EXISTS reverse_key ON {} ({})").format(REVERSE, REVERSE_KEY),
        _table(
            REVERSE_RELAY,
            "migration text PRIMARY KEY, holder text, seen_at timestamptz, caught_up_at timestamptz, resync text",
        ),
        *(
            sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}").format(table, sql.SQL(column))
            for table, column in _LATER
        ),
        # What relays look for all the time, among millions of items that are delivered without a problem.
        sql.SQL("CREATE INDEX IF NOT EXISTS item_problem ON {} (migration) WHERE last_error IS NOT NULL").format(ITEM),
        sql.SQL("CREATE INDEX IF NOT EXISTS item_due ON {} (due) WHERE due IS NOT NULL").format(ITEM),
        _quoted_function(),
        create_followed(),
    ]


def is_complete(connection: Connection[TupleRow]) -> bool:
    """Whether all is there that this Crossover asks of the schema; False where an earlier one made it."""
    found = connection.execute(
        "SELECT c.relname, a.attname FROM pg_catalog.pg_attribute a"
        " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND NOT a.attisdropped",
        (SCHEMA,),
    )
    if not {(table, column) for table, column in found} >= _TELLS_THIS_FORM:
        return False
    function = connection.execute("SELECT pg_catalog.to_regprocedure(%s) IS NOT NULL", (FOLLOWED_SIGNATURE,)).fetchone()
    return function is not None and bool(function[0])


def drop_statements() -> list[sql.Composed]:
    """The schema itself goes last, and only where nothing of anybody else is in it."""
    tables = [sql.SQL("DROP TABLE IF EXISTS {}").format(table) for table in (*MIGRATIONS_ROWS, CONTROL)]
    return [
        *tables,
        drop_followed(),
        sql.SQL("DROP FUNCTION IF EXISTS {}(text)").format(QUOTED),
        sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(SCHEMA)),
    ]


def _table(name: sql.Identifier, columns: LiteralString, settings: LiteralString | None = None) -> sql.Composed:
    create = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(name, sql.SQL(columns))
    return create if settings is None else create + sql.SQL(f" WITH ({settings})")


def _quoted_function() -> sql.Composed:
    """`items.canonical.quote` in SQL: a JSON string, quotation marks included; NULL for NULL.

    Not STRICT: PostgreSQL puts a function's body in place of its call only where that is not.
    """
    text: sql.Composable = sql.SQL("$1")
    for code in (_BACKSLASH, *(code for code in range(1, 128) if code < 32 or code == _QUOTE)):
        text = sql.SQL("pg_catalog.replace({}, pg_catalog.chr({}), {})").format(
            text, sql.Literal(code), sql.Literal(quote(chr(code))[1:-1])
        )
    body = sql.SQL("SELECT '\"' || CASE WHEN ($1 COLLATE \"C\") ~ {} THEN {} ELSE $1 END || '\"'").format(
        sql.Literal('[[:cntrl:]"\\\\]'), text
    )
    return sql.SQL("CREATE OR REPLACE FUNCTION {}(text) RETURNS text LANGUAGE sql IMMUTABLE AS {}").format(
        QUOTED, sql.Literal(body.as_string(None))
    )
