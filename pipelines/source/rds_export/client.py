"""The way to RDS: AWS's own settings and credentials. AWS_ENDPOINT_URL_RDS (or AWS_ENDPOINT_URL) names another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.aws import NO_CREDENTIALS, UNREACHABLE, aws_region, aws_session
from pipelines.errors import SourceError, UsageError
from pipelines.source.rds_export.words import in_one_line

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60
ATTEMPTS = 5

# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html
_PASSING = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "InternalFailure",
        "ServiceUnavailable",
    }
)


class PassingError(SourceError):
    """RDS may well answer the same call a little later."""


class RdsClient(Protocol):
    """What is used of boto3's."""

    def describe_export_tasks(self, **arguments: Any) -> dict[str, Any]: ...
    def start_export_task(self, **arguments: Any) -> dict[str, Any]: ...
    def get_paginator(self, operation_name: str) -> Any: ...


def rds_client() -> RdsClient:
    """It retries throttling and passing faults ATTEMPTS times. Calls are to be made inside `rds_errors`.

    Raises UsageError where no region is set, or AWS's settings cannot be used.
    """
    settings = aws_session()
    region = aws_region(settings, "the RDS snapshot")
    try:
        client: RdsClient = boto3.Session(botocore_session=settings).client(
            "rds",
            region_name=region,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
            ),
        )
    except ValueError:
        raise UsageError("AWS_ENDPOINT_URL_RDS is no URL: give `http://host:port` or leave it out") from None
    except BotoCoreError as error:
        raise UsageError(f"AWS's settings cannot be used ({type(error).__name__})") from None
    return client


@contextmanager
def rds_errors(action: str) -> Iterator[None]:
    """Turns botocore's errors inside it into SourceError, or PassingError. `action` is the API's name."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, action) from None
    except NO_CREDENTIALS:
        raise SourceError(
            "RDS: no usable AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from None
    except UNREACHABLE as error:
        raise PassingError(
            f"RDS cannot be reached ({type(error).__name__}); check AWS_REGION, AWS_ENDPOINT_URL_RDS and the network"
        ) from None
    except BotoCoreError as error:
        raise SourceError(f"RDS: {action} failed ({type(error).__name__})") from None


def _refusal(error: ClientError, action: str) -> SourceError:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _PASSING or status >= 500:
        return PassingError(f"RDS: {action} was refused for the time being ({in_one_line(code)}); try again")
    if code.startswith("AccessDenied"):
        return SourceError(f"RDS: the credentials may not call rds:{action}; grant it to them (docs/rds-export.md)")
    message = in_one_line(str(error.response.get("Error", {}).get("Message", "")))
    return SourceError(f"RDS: {action} was refused ({in_one_line(code)}): {message}")
