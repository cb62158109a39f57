"""DynamoDB's export to S3 as domain calls: ask for one, look at it.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportDescription.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from botocore.exceptions import ClientError

from pipelines.errors import TargetError
from pipelines.settings import S3_KMS_KEY, optional
from pipelines.target.export_manifest import FORMAT, FULL
from pipelines.target.failures import passing_errors
from pipelines.warehouse.s3_place import S3Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ExportDescriptionTypeDef

COMPLETED, FAILED = "COMPLETED", "FAILED"


class _Encryption(TypedDict):
    S3SseAlgorithm: Literal["AES256", "KMS"]
    S3SseKmsKeyId: NotRequired[str]


@dataclass(frozen=True)
class ExportState:
    """`place`: its folder, None until it is complete. `failure`: AWS's code and message, in one line."""

    arn: str
    status: str
    is_filtered: bool
    failure: str
    place: S3Place | None

    @property
    def id(self) -> str:
        return _id(self.arn)


def start_export(client: DynamoDBClient, table: str, table_arn: str, target: S3Place, token: str) -> ExportState:
    """Of the table as it is now, to below `target`. The same token asks for the same export, for eight hours.

    Raises PassingError and other TargetErrors.
    """
    with _errors(client, "ExportTableToPointInTime", table):
        answer = client.export_table_to_point_in_time(
            TableArn=table_arn,
            ClientToken=token,
            S3Bucket=target.bucket,
            S3Prefix=target.key,
            ExportFormat=FORMAT,
            ExportType=FULL,
            **_encryption(),
        )
    return _state(answer["ExportDescription"])


def _encryption() -> _Encryption:
    """As everything that Crossover writes to S3."""
    key = optional(S3_KMS_KEY)
    return {"S3SseAlgorithm": "AES256"} if key is None else {"S3SseAlgorithm": "KMS", "S3SseKmsKeyId": key}


def describe_export(client: DynamoDBClient, arn: str) -> ExportState | None:
    """None where the endpoint knows of no such export. Raises PassingError and other TargetErrors."""
    with _errors(client, "DescribeExport", None):
        try:
            return _state(client.describe_export(ExportArn=arn)["ExportDescription"])
        except client.exceptions.ExportNotFoundException:
            return None


def _state(answer: ExportDescriptionTypeDef) -> ExportState:
    failure = ": ".join(part for part in (answer.get("FailureCode"), answer.get("FailureMessage")) if part)
    arn, status = answer.get("ExportArn", ""), answer.get("ExportStatus", "")
    prefix = answer.get("S3Prefix", "").strip("/")
    return ExportState(
        arn=arn,
        status=status,
        is_filtered=bool(answer.get("FilterSpecification")),
        failure=" ".join(failure.split())[:300],
        place=S3Place(answer["S3Bucket"], prefix) / f"AWSDynamoDB/{_id(arn)}" if status == COMPLETED else None,
    )


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]


@contextmanager
def _errors(client: DynamoDBClient, action: str, table: str | None) -> Iterator[None]:
    with passing_errors(client, action, table):
        try:
            yield
        except ClientError as error:
            match str(error.response.get("Error", {}).get("Code")):
                case "PointInTimeRecoveryUnavailableException":
                    raise TargetError(
                        f"table {table}: its point-in-time recovery is off, and DynamoDB exports only what it keeps; "
                        "switch it on, or dump the table --from scan"
                    ) from None
                case "ExportConflictException":
                    raise TargetError(
                        f"table {table}: DynamoDB refuses this export because of another one (ExportConflictException);"
                        " run again under another --s3 prefix"
                    ) from None
            raise
