"""The way to DynamoDB Streams, which has an endpoint of its own.

AWS_ENDPOINT_URL_DYNAMODB_STREAMS (or AWS_ENDPOINT_URL)   any; without it that of DynamoDB where that is not AWS's own:
                                                         stand-ins serve both; else AWS's
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipelines import aws
from pipelines.aws import aws_region, aws_session, origin
from pipelines.errors import TargetError, UsageError
from pipelines.settings import optional
from pipelines.target.client import CONNECT_TIMEOUT_SECONDS
from pipelines.target.failures import THROTTLED, PassingError, no_answer, refusal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ENDPOINT = "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"
READ_TIMEOUT_SECONDS = 20
ATTEMPTS = 3
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn")


class StreamsClient(Protocol):
    """What is called of botocore's client of DynamoDB Streams."""

    @property
    def meta(self) -> Any: ...
    def describe_stream(self, **asked: Any) -> Mapping[str, Any]: ...
    def get_shard_iterator(self, **asked: Any) -> Mapping[str, Any]: ...
    def get_records(self, **asked: Any) -> Mapping[str, Any]: ...


def streams_client(dynamodb: DynamoDBClient, connections: int) -> StreamsClient:
    """For `connections` threads at once. Raises UsageError, naming the variable."""
    settings = aws_session()
    try:
        client = settings.create_client(
            "dynamodbstreams",
            region_name=aws_region(settings, "the DynamoDB streams"),
            endpoint_url=_endpoint(dynamodb.meta.endpoint_url),
            config=Config(
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                max_pool_connections=connections,
                parameter_validation=False,
            ),
        )
    except ValueError:
        raise UsageError(f"{ENDPOINT} is no URL: give `http://host:port` or leave it out") from None
    except BotoCoreError as error:
        raise UsageError(f"AWS's settings cannot be used ({type(error).__name__})") from None
    return cast(StreamsClient, client)


def _endpoint(dynamodb: str) -> str | None:
    """None where botocore knows it: from the variables, or as AWS's own."""
    if optional(ENDPOINT) is not None or optional("AWS_ENDPOINT_URL") is not None:
        return None
    return None if (urlsplit(dynamodb).hostname or "").endswith(_AWS) else dynamodb


@contextmanager
def stream_errors(
    client: StreamsClient, action: str, table: str, known: frozenset[str] = frozenset()
) -> Iterator[None]:
    """Turns botocore's errors inside it into TargetError, PassingError where waiting may help; those whose code is
    `known` pass as they are."""
    endpoint = str(client.meta.endpoint_url)
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in known:
            raise
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        told = _refusal(code, action, table, endpoint)
        raise (PassingError(str(told)) if code in THROTTLED or status >= 500 else told) from None
    except BotoCoreError as error:
        text = str(no_answer(error, action, endpoint)).replace("AWS_ENDPOINT_URL_DYNAMODB,", f"{ENDPOINT},")
        raise (PassingError(text) if isinstance(error, aws.UNREACHABLE) else TargetError(text)) from None


def _refusal(code: str, action: str, table: str, endpoint: str) -> TargetError:
    if code == "ResourceNotFoundException":
        return TargetError(f"the stream of table {table} on {origin(endpoint)} is not there any more; run it again")
    return refusal(code, action, table, endpoint)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
