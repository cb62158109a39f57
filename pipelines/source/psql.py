"""Opens PostgreSQL's own prompt on the source database: `make psql`. The program comes with the embedded server."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from psycopg.conninfo import make_conninfo

from pipelines.errors import CrossoverError, SourceError
from pipelines.settings import SOURCE_URL, required
from pipelines.source.child_process import binaries
from pipelines.source.connect import check_url
from pipelines.source.login import login

_ENCRYPTED = ("require", "verify-ca", "verify-full")


def main() -> None:
    try:
        url = required(SOURCE_URL, "the source database; `make servers` says how to set it")
        check_url(url, SOURCE_URL)
        parameters = dict(login(url).parameters)
        psql = program(parameters.get("sslmode"))
    except CrossoverError as error:
        sys.exit(f"crossover: {error}")
    password = parameters.pop("password", None)
    environment = os.environ if password is None else {**os.environ, "PGPASSWORD": password}
    # Everybody on this machine can read a command line.
    os.execve(psql, [str(psql), *sys.argv[1:], make_conninfo(**parameters)], environment)  # noqa: S606 - no shell


def program(sslmode: str | None) -> Path:
    """The embedded psql knows no TLS; where that is asked for, the machine's own is taken. Raises SourceError."""
    if sslmode not in _ENCRYPTED:
        return binaries() / "psql"
    installed = shutil.which("psql")
    if installed is None:
        raise SourceError(f"sslmode={sslmode}: the psql that comes with Crossover knows no TLS; install PostgreSQL's")
    return Path(installed)


if __name__ == "__main__":
    main()
