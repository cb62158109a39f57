"""The way to CloudWatch and SNS: AWS's own settings and credentials.

AWS_ENDPOINT_URL_CLOUDWATCH and AWS_ENDPOINT_URL_SNS (or AWS_ENDPOINT_URL) name other endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, cast

from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.aws import aws_region, aws_session, no_answer
from pipelines.errors import MonitoringError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sns import SNSClient

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 5
ATTEMPTS = 3  # some seconds: a metric that is late is of little use


def cloudwatch_client() -> CloudWatchClient:
    """Calls are to be made inside `aws_errors`. Raises UsageError where AWS's settings cannot be used."""
    return cast("CloudWatchClient", _client("cloudwatch", "CloudWatch"))


def sns_client(region: str | None = None) -> SNSClient:
    """As `cloudwatch_client`. `region`: a topic's own; that of AWS's settings unless given."""
    return cast("SNSClient", _client("sns", "SNS", region))


def region() -> str:
    """Raises UsageError where none is set."""
    return aws_region(aws_session(), "CloudWatch")


def _client(service: Literal["cloudwatch", "sns"], name: str, region: str | None = None) -> BaseClient:
    settings = aws_session()
    where = region or aws_region(settings, name)
    try:
        return settings.create_client(
            service,
            region_name=where,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
            ),
        )
    except ValueError:
        raise UsageError(f"AWS_ENDPOINT_URL_{service.upper()} is no URL: give `http://host:port`") from None
    except BotoCoreError as error:
        raise UsageError(f"AWS's settings cannot be used ({type(error).__name__})") from None


@contextmanager
def aws_errors(service: str, action: str) -> Iterator[None]:
    """Turns botocore's errors inside it into MonitoringError. `action`: the API's name."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        hint = "; grant it (docs/monitoring.md)" if "AccessDenied" in code or "AuthorizationError" in code else ""
        raise MonitoringError(f"{service}: {action} was refused ({code}){hint}") from None
    except BotoCoreError as error:
        away = no_answer(error, f"{service}'s", f"{service} cannot be reached; check AWS_ENDPOINT_URL")
        raise MonitoringError(f"{service}: {action}: {away or type(error).__name__}") from None
