"""What botocore and DynamoDB say when they refuse, as one line that says where and what to do.

Only error codes are passed on: DynamoDB's messages can quote values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from pipelines import aws
from pipelines.aws import origin
from pipelines.errors import TargetError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "LimitExceededException",
        "UnprocessedItems",
    }
)
_BAD_CREDENTIALS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
    }
)
UNKNOWN_OPERATION = frozenset({"UnknownOperationException", "UnknownOperation", "NotImplemented", "InvalidAction"})
"""What endpoints say that have no such call."""
_EXPIRED = frozenset({"ExpiredTokenException", "ExpiredToken", "RequestExpired"})


class PassingError(TargetError):
    """The same call may well be answered a little later."""


@contextmanager
def target_errors(client: DynamoDBClient, action: str, table: str | None = None) -> Iterator[None]:
    """Turns botocore's errors inside it into TargetError. `action` is the API's name, `CreateTable`."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        raise refusal(code, action, table, client.meta.endpoint_url) from None
    except BotoCoreError as error:
        raise no_answer(error, action, client.meta.endpoint_url) from None


@contextmanager
def passing_errors(client: DynamoDBClient, action: str, table: str | None = None) -> Iterator[None]:
    """As `target_errors`; PassingError where waiting may help."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        known = refusal(code, action, table, client.meta.endpoint_url)
        raise (PassingError(str(known)) if code in THROTTLED or status >= 500 else known) from None
    except BotoCoreError as error:
        text = str(no_answer(error, action, client.meta.endpoint_url))
        raise (PassingError(text) if isinstance(error, aws.UNREACHABLE) else TargetError(text)) from None


def refusal(code: str, action: str, table: str | None, endpoint: str) -> TargetError:
    """The error for an answer of DynamoDB that is final, or that retrying did not mend."""
    where = f"table {table} on {origin(endpoint)}" if table else origin(endpoint)
    if code == "ResourceNotFoundException":
        return TargetError(f"{where}: no such table; run `crossover tables`")
    if code in THROTTLED:
        return TargetError(
            f"{where}: {action} was throttled for too long ({code}); raise the table's capacity or wait, then go on"
        )
    if code.startswith("AccessDenied"):
        return TargetError(f"{where}: the credentials may not call dynamodb:{action}; grant it to them")
    if code in _EXPIRED:
        return TargetError(f"{where}: the credentials have expired; renew them and run again")
    if code in _BAD_CREDENTIALS:
        return TargetError(
            f"{where}: the credentials are not accepted ({code}); check AWS_ACCESS_KEY_ID, AWS_PROFILE or the role"
        )
    if code == "RequestTimeTooSkewed":
        return TargetError(f"{where}: this machine's clock is wrong; set it and run again")
    return TargetError(f"{where}: {action} was refused ({code})")


def no_answer(error: BotoCoreError, action: str, endpoint: str) -> TargetError:
    """The error where nothing that DynamoDB said explains it."""
    where = origin(endpoint)
    if isinstance(error, exceptions.ProxyConnectionError):
        return TargetError(f"{where}: the proxy cannot be reached; check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, exceptions.ReadTimeoutError):
        return TargetError(f"{where}: no answer to {action} in time; check the endpoint, then run again")
    known = aws.no_answer(error, "its", "cannot be reached; check AWS_ENDPOINT_URL_DYNAMODB")
    return TargetError(f"{where}: {known or f'{action} failed ({type(error).__name__})'}")
