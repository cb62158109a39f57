"""What a command has no use for it does not import: a snapshot is measured from the command line's start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripted_source import CUSTOMERS, run

pytestmark = pytest.mark.integration

SLOW = ("pyspark", "pandas", "boto3", "botocore", "moto", "sqlglot", "duckdb", "dagster", "great_expectations")

PROGRAM = f"""
import sys
from pipelines import cli
status = cli.run(sys.argv[1:])
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {set(SLOW)!r}), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("command", ["check", "snapshot"])
def test_a_command_imports_what_it_needs(command: str, database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE customers AS SELECT 1 AS customer_id, current_date AS since, 0 AS password_hash")
    run(database_url, "ALTER TABLE customers ADD PRIMARY KEY (customer_id)")
    mapping = tmp_path / "shop.yaml"
    mapping.write_text(CUSTOMERS.partition("    embed:")[0], encoding="utf-8")
    environment = {"CROSSOVER_SOURCE_URL": database_url, "CROSSOVER_WAREHOUSE": str(tmp_path / "warehouse")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, str(mapping)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
