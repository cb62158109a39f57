"""One full outer join of all columns by DuckDB, counted. It writes no difference down, and finds no path."""

from __future__ import annotations

import duckdb

from tests.bench.diff.contestant import Counts, serve, sides

COLUMNS = ("item_type", "version", "digest", "size", "item")
DIFFERS = " OR ".join(f"s.{column} IS DISTINCT FROM t.{column}" for column in COLUMNS)
QUERY = f"""
SELECT count(*) FILTER (s.key IS NOT NULL AND t.key IS NOT NULL AND NOT ({DIFFERS})),
       count(*) FILTER (s.key IS NOT NULL AND t.key IS NOT NULL AND ({DIFFERS})),
       count(*) FILTER (t.key IS NULL), count(*) FILTER (s.key IS NULL)
FROM read_parquet('{{source}}') s FULL OUTER JOIN read_parquet('{{target}}') t
  ON s."table" = t."table" AND s.key = t.key
"""


def main() -> None:
    def compare(dump: str) -> Counts:
        source, target = sides(dump)
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            found = connection.execute(QUERY.format(source=source, target=target)).fetchone()
        assert found is not None
        return dict(zip(("match", "differ", "missing", "extra"), found, strict=True))

    serve(compare)


if __name__ == "__main__":
    main()
