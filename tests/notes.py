"""The smallest migration there is: one table of notes, each an item."""

from __future__ import annotations

import psycopg

NOTES = """\
migration: notes
target:
  tables:
    notes:
      partition_key: {name: pk, type: S}
items:
  note:
    table: notes
    from: notes
    key: {pk: "NOTE#{note_id}"}
"""


def make_notes(url: str, count: int) -> None:
    """Rows 1 to `count`, with the body `note 1` and so on."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE notes (note_id int PRIMARY KEY, body text)")
        connection.execute("INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, %s) n", [count])
