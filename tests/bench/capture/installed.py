"""The bench's accounts, captured, with their table on an endpoint."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.capture import install_capture
from pipelines.migration import Migration
from pipelines.source.embedded import EmbeddedPostgres
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.bench.capture.data import MAPPING, fill


@dataclass(frozen=True)
class Installed:
    """`url`: of the database; `upstream`: the endpoint that has the table."""

    folder: Path
    migration: Migration
    url: str
    upstream: str

    @property
    def mapping(self) -> Path:
        return self.folder / "bench.yaml"

    def environment(self) -> dict[str, str]:
        """Of a command."""
        return os.environ | {"CROSSOVER_WAREHOUSE": str(self.folder / "warehouse")}


@contextmanager
def installed(database: str) -> Iterator[Installed]:
    """In an environment with AWS's settings and the source's."""
    with (
        tempfile.TemporaryDirectory(prefix="crossover-bench-") as name,
        EmbeddedDynamoDB() as target,
        EmbeddedPostgres(Path(name) / "postgres") as server,
    ):
        folder = Path(name)
        (folder / "bench.yaml").write_text(MAPPING, encoding="utf-8")
        migration = Migration.open(folder / "bench.yaml", folder / "warehouse")
        url = fill(server.url, database)
        os.environ.update(target.environment() | {"CROSSOVER_SOURCE_URL": url})
        create_tables(migration.mapping, dynamodb_client())
        install_capture(migration, url)
        yield Installed(folder, migration, url, target.url)
