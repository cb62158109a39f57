"""The error log of an import: CloudWatch's stream `<import id>/error` of the group that DescribeImport names.

Each event is JSON, `{"itemS3Pointer": {"bucket", "key", "itemIndex"}, "importArn", "errorMessages": […]}` ("Import
format quotas and validation", Developer Guide). What it says of an item can quote the item, so that it goes into the
list of failed items and into no message. AWS_ENDPOINT_URL_CLOUDWATCH_LOGS (or AWS_ENDPOINT_URL) names another endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.aws import aws_session
from pipelines.target.import_table import ImportState

MOST_EVENTS = 10_000
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 10


class LogsClient(Protocol):
    """What is used of boto3's."""

    def get_log_events(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class RefusedItem:
    """`index`: the item's line in the object, from 0."""

    key: str
    index: int
    error: str


@dataclass(frozen=True)
class ImportLog:
    """`unread`: why its events are not here, in a few words; empty where they are. At most MOST_EVENTS."""

    where: str
    refused: tuple[RefusedItem, ...] = ()
    unread: str = ""


def read_log(state: ImportState, region: str, client: LogsClient | None = None) -> ImportLog:
    """Never raises: an import that failed is told of whether its log can be read or not."""
    if state.log_group is None:
        return ImportLog("", unread="the endpoint names no log of it")
    group = state.log_group.partition(":log-group:")[2].partition(":")[0]
    stream = f"{state.id}/error"
    where = f"CloudWatch log group {group}, stream {stream}"
    try:
        events = list(_events(client or _logs_client(region), group, stream))
    except ClientError as error:
        return ImportLog(where, unread=_refused(error))
    except (BotoCoreError, ValueError) as error:
        return ImportLog(where, unread=f"CloudWatch gave no answer ({type(error).__name__})")
    return ImportLog(where, tuple(one for one in map(_item, events) if one is not None))


def _events(client: LogsClient, group: str, stream: str) -> Iterator[str]:
    """The same token twice is the end of the stream, says GetLogEvents' page."""
    arguments: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    seen, token = 0, None
    while seen < MOST_EVENTS:
        page = client.get_log_events(**arguments, **({} if token is None else {"nextToken": token}))
        for event in page.get("events", [])[: MOST_EVENTS - seen]:
            seen += 1
            yield str(event.get("message", ""))
        if page.get("nextForwardToken") in (None, token):
            return
        token = page["nextForwardToken"]


def _item(message: str) -> RefusedItem | None:
    """None for a line of another form."""
    try:
        event = json.loads(message)
        pointer = event["itemS3Pointer"]
        return RefusedItem(str(pointer["key"]), int(pointer["itemIndex"]), "; ".join(event.get("errorMessages", [])))
    except (ValueError, KeyError, TypeError):
        return None


def _refused(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    if code.startswith("AccessDenied"):
        return "the credentials may not call logs:GetLogEvents there"
    return "there is no such stream yet" if code == "ResourceNotFoundException" else f"CloudWatch refused it ({code})"


def _logs_client(region: str) -> LogsClient:
    config = Config(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
    )
    client: LogsClient = boto3.Session(botocore_session=aws_session()).client("logs", region_name=region, config=config)
    return client
