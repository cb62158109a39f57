"""DynamoDB's import from S3 as domain calls: ask for one, look at it, find one whose answer was lost.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ImportTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ImportTableDescription.html

What the pages do not say, as a laboratory of others met it in October 2026: a repeated token gives the same import only
while that runs, then ResourceInUseException; once the table was deleted it gives the old import, and nothing is
imported. The table can be seen about half a minute after ImportTable has answered, and is ACTIVE some seconds before
the import is COMPLETED. ListImports lists imports under way, too. A prefix is compared as text, so ours ends with `/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipelines.errors import TargetError
from pipelines.mapping.model import TargetTable
from pipelines.target.failures import UNKNOWN_OPERATION, passing_errors
from pipelines.target.import_objects import Compression
from pipelines.target.table_creation import creation_parameters
from pipelines.warehouse.s3_place import S3Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ImportSummaryTypeDef, ImportTableDescriptionTypeDef

COMPLETED = "COMPLETED"
_ENDED = frozenset({COMPLETED, "FAILED", "CANCELLED"})


class TooManyImportsError(TargetError):
    """50 at a time, in an account and region."""


class TableTakenError(TargetError):
    """A table of that name is there, or is being deleted."""


@dataclass(frozen=True)
class ImportState:
    """`processed`, `imported`, `errors`: counts of items; AWS keeps them at 0 until the import has ended. `failure`:
    AWS's code and message, in one line, of the import as a whole. `log_group`: its ARN, where there is one."""

    arn: str
    status: str
    processed: int
    imported: int
    errors: int
    failure: str
    log_group: str | None
    token: str | None

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]


def start_import(
    client: DynamoDBClient, name: str, table: TargetTable, source: S3Place, compression: Compression, token: str
) -> ImportState:
    """Of all objects below `source`. The table comes into being with it.

    Raises TableTakenError, TooManyImportsError, PassingError and other TargetErrors.
    """
    with _errors(client, "ImportTable", name):
        answer = client.import_table(
            ClientToken=token,
            S3BucketSource={"S3Bucket": source.bucket, "S3KeyPrefix": _prefix(source)},
            InputFormat="DYNAMODB_JSON",
            InputCompressionType=compression.value,
            TableCreationParameters=creation_parameters(name, table),
        )
    return _state(answer["ImportTableDescription"])


def describe_import(client: DynamoDBClient, arn: str) -> ImportState | None:
    """None where the endpoint knows of no such import. Raises PassingError and other TargetErrors."""
    with _errors(client, "DescribeImport", None):
        try:
            return _state(client.describe_import(ImportArn=arn)["ImportTableDescription"])
        except client.exceptions.ImportNotFoundException:
            return None


def find_import(client: DynamoDBClient, source: S3Place, token: str) -> ImportState | None:
    """The import of the last 90 days that reads `source` and was asked for by `token`; None also where the endpoint
    lists none at all. Raises PassingError and other TargetErrors."""
    for summary in _listed(client):
        read = summary.get("S3BucketSource")
        if read and (read["S3Bucket"], read.get("S3KeyPrefix")) == (source.bucket, _prefix(source)):
            state = describe_import(client, summary.get("ImportArn", ""))
            if state is not None and state.token == token:
                return state
    return None


def _listed(client: DynamoDBClient) -> Iterator[ImportSummaryTypeDef]:
    token: str | None = None
    while True:
        with _errors(client, "ListImports", None):
            try:
                page = client.list_imports() if token is None else client.list_imports(NextToken=token)
            except ClientError as error:
                if _code(error) in UNKNOWN_OPERATION or _code(error).isdecimal():  # an answer that is not DynamoDB's
                    return
                raise
        yield from page.get("ImportSummaryList", [])
        token = page.get("NextToken")
        if not token:
            return


def _prefix(source: S3Place) -> str:
    return f"{source.key}/"


def _state(answer: ImportTableDescriptionTypeDef) -> ImportState:
    failure = ": ".join(part for part in (answer.get("FailureCode"), answer.get("FailureMessage")) if part)
    return ImportState(
        arn=answer.get("ImportArn", ""),
        status=answer.get("ImportStatus", ""),
        processed=answer.get("ProcessedItemCount") or 0,
        imported=answer.get("ImportedItemCount") or 0,
        errors=answer.get("ErrorCount") or 0,
        failure=" ".join(failure.split())[:300],
        log_group=answer.get("CloudWatchLogGroupArn"),
        token=answer.get("ClientToken"),
    )


@contextmanager
def _errors(client: DynamoDBClient, action: str, table: str | None) -> Iterator[None]:
    with passing_errors(client, action, table):
        try:
            yield
        except ClientError as error:
            code = _code(error)
            if code == "ResourceInUseException":
                raise TableTakenError(f"table {table}: there is one of this name already") from None
            if code == "LimitExceededException" and action == "ImportTable":
                raise TooManyImportsError(
                    f"table {table}: no import more can be begun now, for 50 can be under way in an account and "
                    "region; run again when others have ended"
                ) from None
            raise


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
