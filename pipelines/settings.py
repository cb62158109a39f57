"""Settings from the environment. A missing one is an error that names it, never an empty string."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import UsageError

WAREHOUSE = "CROSSOVER_WAREHOUSE"
MIGRATIONS = "CROSSOVER_MIGRATIONS"
SOURCE_URL = "CROSSOVER_SOURCE_URL"
SPARK_MASTER = "CROSSOVER_SPARK_MASTER"
DYNAMODB_ENDPOINT = "AWS_ENDPOINT_URL_DYNAMODB"


def required(name: str, what: str, environment: Mapping[str, str] = os.environ) -> str:
    """The variable's value; `what` says in a few words what it is, for the error."""
    value = environment.get(name, "").strip()
    if not value:
        raise UsageError(f"{name} is not set: {what}")
    return value


def optional(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    return environment.get(name, "").strip() or None


def warehouse_folder(environment: Mapping[str, str] = os.environ) -> Path:
    value = required(WAREHOUSE, "the folder that keeps snapshots, records, dumps and reports", environment)
    if value.startswith("s3://"):
        raise UsageError(f"{WAREHOUSE}={value}: a warehouse in S3 is not supported yet; name a folder")
    return Path(value).expanduser().absolute()
