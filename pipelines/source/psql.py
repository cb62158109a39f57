"""Opens PostgreSQL's own prompt on the source database: `make psql`. The program comes with the embedded server."""

from __future__ import annotations

import os
import sys

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipelines.settings import SOURCE_URL, required
from pipelines.source.child_process import binaries
from pipelines.source.connect import check_url


def main() -> None:
    psql = binaries() / "psql"
    url = required(SOURCE_URL, "the source database; `make servers` says how to set it")
    check_url(url, SOURCE_URL)
    parameters = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    password = parameters.pop("password", None)
    environment = os.environ if password is None else {**os.environ, "PGPASSWORD": password}
    # Everybody on this machine can read a command line.
    os.execve(psql, [str(psql), *sys.argv[1:], make_conninfo(**parameters)], environment)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
