"""Settings from the environment. A missing one is an error that names it, never an empty string."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import UsageError

WAREHOUSE = "CROSSOVER_WAREHOUSE"
MIGRATIONS = "CROSSOVER_MIGRATIONS"
SOURCE_URL = "CROSSOVER_SOURCE_URL"
SPARK_MASTER = "CROSSOVER_SPARK_MASTER"
DYNAMODB_ENDPOINT = "AWS_ENDPOINT_URL_DYNAMODB"
S3_KMS_KEY = "CROSSOVER_S3_KMS_KEY"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def required(name: str, what: str, environment: Mapping[str, str] = os.environ) -> str:
    """The variable's value; `what` says in a few words what it is, for the error."""
    value = environment.get(name, "").strip()
    if not value:
        raise UsageError(f"{name} is not set: {what}")
    return value


def optional(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    return environment.get(name, "").strip() or None


def warehouse_address(environment: Mapping[str, str] = os.environ) -> str:
    """An absolute path, or a URL as it stands, which `Place.of` judges."""
    what = "the folder, or s3://bucket/prefix, that keeps snapshots, records, dumps and reports"
    value = required(WAREHOUSE, what, environment)
    return value if _URL.match(value) else str(Path(value).expanduser().absolute())
