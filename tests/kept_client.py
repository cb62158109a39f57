"""boto3's client of DynamoDB, one for each endpoint: to make one costs more than most tests. Threads may share it."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3


def client() -> Any:
    """Of the endpoint that the environment names now."""
    return _client_of(os.environ["AWS_ENDPOINT_URL_DYNAMODB"])


@cache
def _client_of(endpoint: str) -> Any:
    return boto3.client("dynamodb", endpoint_url=endpoint)
