"""The command line from outside: processes of its own, against the run's servers, in folders of each test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CROSSOVER = [sys.executable, "-m", "pipelines.cli"]
SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"


@dataclass(frozen=True)
class Finished:
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON object that `--json` promises."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Runs `crossover` with exactly this environment."""

    environment: Mapping[str, str]
    folder: Path

    def __call__(self, *arguments: str | Path, **changes: str) -> Finished:
        done = subprocess.run(
            [*CROSSOVER, *map(str, arguments)],
            env={**self.environment, **changes},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CROSSOVER, *map(str, arguments)],
            env=dict(self.environment),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def bare_environment() -> dict[str, str]:
    """The environment without any setting of ours or of AWS."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CROSSOVER_", "AWS_"))}


@pytest.fixture
def bare(tmp_path: Path) -> CommandLine:
    """`crossover` with no settings at all."""
    return CommandLine(bare_environment(), tmp_path)


@pytest.fixture
def crossover(database_url: str, dynamodb_environment: str, tmp_path: Path) -> CommandLine:
    """`crossover` with an empty database, an empty endpoint and a warehouse of its own."""
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    settings = {"CROSSOVER_SOURCE_URL": database_url, "CROSSOVER_WAREHOUSE": str(tmp_path / "warehouse")}
    return CommandLine({**bare_environment(), **aws, **settings}, tmp_path)
