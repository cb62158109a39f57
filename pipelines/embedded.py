"""The embedded default: where no setting names a database or an endpoint, one of our own serves, on 127.0.0.1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipelines.settings import DYNAMODB_ENDPOINT, SOURCE_URL, WAREHOUSE, optional
from pipelines.source.embedded import EmbeddedPostgres
from pipelines.target.embedded import EmbeddedDynamoDB


@contextmanager
def embedded_default(folder: Path) -> Iterator[dict[str, str]]:
    """Starts what the environment does not name, and completes the environment while it serves.

    `folder` keeps PostgreSQL's data and, unless CROSSOVER_WAREHOUSE is set, the warehouse. Yields the variables
    that were added. DynamoDB's content does not outlive the server.
    """
    added: dict[str, str] = {}
    with ExitStack() as servers:
        if optional(SOURCE_URL) is None:
            added[SOURCE_URL] = servers.enter_context(EmbeddedPostgres(folder / "postgres")).url
        if optional(DYNAMODB_ENDPOINT) is None:
            added |= servers.enter_context(EmbeddedDynamoDB()).environment()
        if optional(WAREHOUSE) is None:
            added[WAREHOUSE] = str(folder / "warehouse")
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            yield added
        finally:
            _restore(before)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
