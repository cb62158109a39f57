"""One process: Spark reads the table through JDBC in four ranges of its key, and writes Parquet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg

from pipelines.spark import session

CLASS_PATH = "CROSSOVER_BENCH_JDBC"
FETCH_ROWS = 10_000
RANGES = 4

_DEBIAN = Path("/usr/share/java")
_DEBIAN_JARS = ("postgresql.jar", "scram-client.jar", "scram-common.jar", "stringprep.jar", "saslprep.jar")
_MAVEN = Path("~/.m2/repository/org/postgresql/postgresql").expanduser()


def driver() -> str | None:
    """The class path of a PostgreSQL JDBC driver: CROSSOVER_BENCH_JDBC, Debian's libpostgresql-jdbc-java, or one that
    Maven has fetched. None where there is none."""
    if named := os.environ.get(CLASS_PATH):
        return named
    if (_DEBIAN / _DEBIAN_JARS[0]).is_file():
        return os.pathsep.join(str(_DEBIAN / name) for name in _DEBIAN_JARS if (_DEBIAN / name).is_file())
    return next((str(jar) for jar in sorted(_MAVEN.glob("*/postgresql-*.jar"), reverse=True)), None)


def main() -> None:
    with psycopg.connect("") as connection:
        found = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM wide").fetchone()
    assert found is not None
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--driver-class-path {driver()} pyspark-shell"
    with session("bench") as spark:
        spark.conf.set("spark.sql.codegen.wholeStage", "true")
        server = f"{os.environ['PGHOST']}:{os.environ['PGPORT']}/{os.environ['PGDATABASE']}"
        options = {
            "url": f"jdbc:postgresql://{server}",
            "driver": "org.postgresql.Driver",
            "user": os.environ["PGUSER"],
            "password": os.environ["PGPASSWORD"],
            "dbtable": "wide",
            "partitionColumn": "id",
            "lowerBound": "1",
            "upperBound": str(found[0]),
            "numPartitions": str(RANGES),
            "fetchsize": str(FETCH_ROWS),
        }
        spark.read.format("jdbc").options(**options).load().write.parquet(f"{sys.argv[1]}/wide")


if __name__ == "__main__":
    main()
