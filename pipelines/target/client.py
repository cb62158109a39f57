"""The way to DynamoDB: AWS's own settings and credentials, whichever endpoint they name.

AWS_REGION (or AWS_DEFAULT_REGION, or a profile's)   required
AWS_ENDPOINT_URL_DYNAMODB (or AWS_ENDPOINT_URL)       any DynamoDB endpoint; without it AWS's
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from pipelines.aws import aws_region, aws_session
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60  # a scan's page of 1 MB from a slow stand-in
ATTEMPTS = 4  # some seconds, so that a wrong endpoint is told soon


@dataclass(frozen=True)
class Address:
    """Where a client's calls go: what a task on another machine needs beside credentials of its own."""

    url: str
    region: str

    @classmethod
    def of(cls, client: DynamoDBClient) -> Address:
        return cls(client.meta.endpoint_url, client.meta.region_name)


def dynamodb_client() -> DynamoDBClient:
    """A client for calls that are not hot; it retries throttling and passing faults ATTEMPTS times.

    Raises UsageError, naming the variable, where no region or a profile that does not exist is set. Calls are to
    be made inside `target_errors`.
    """
    settings = aws_session()
    region = aws_region(settings, "the DynamoDB tables")
    try:
        client = settings.create_client(
            "dynamodb",
            region_name=region,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                parameter_validation=False,
            ),
        )
        return cast("DynamoDBClient", client)
    except ValueError:
        raise UsageError("AWS_ENDPOINT_URL_DYNAMODB is no URL: give `http://host:port` or leave it out") from None
    except BotoCoreError as error:
        raise UsageError(f"AWS's settings cannot be used ({type(error).__name__})") from None
