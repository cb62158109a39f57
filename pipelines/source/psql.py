"""Opens PostgreSQL's own prompt on the source database: `make psql`. The program comes with the embedded server."""

from __future__ import annotations

import os
import sys

from pipelines.settings import SOURCE_URL, required
from pipelines.source.child_process import binaries


def main() -> None:
    psql = binaries() / "psql"
    url = required(SOURCE_URL, "the source database; `make servers` says how to set it")
    os.execv(psql, [str(psql), *sys.argv[1:], url])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
