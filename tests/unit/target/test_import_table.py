"""ImportTable's answers and refusals as the engine's own, by botocore's stub: what no server here gives on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from pipelines.errors import TargetError
from pipelines.mapping.load import parse_mapping
from pipelines.target.client import dynamodb_client
from pipelines.target.failures import PassingError
from pipelines.target.import_log import read_log
from pipelines.target.import_objects import Compression
from pipelines.target.import_table import (
    ImportState,
    TableTakenError,
    TooManyImportsError,
    describe_import,
    find_import,
    start_import,
)
from pipelines.warehouse.s3_place import S3Place

pytestmark = pytest.mark.unit

SOURCE = S3Place("a-bucket", "a/b/notes")
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/notes/import/01791506760000-476754e8"
TABLE = parse_mapping(
    """
migration: notes
target: {tables: {notes: {partition_key: {name: pk, type: S}, billing: {read: 5, write: 7}}}}
items: {note: {table: notes, from: notes, key: {pk: "N#{id}"}}}
""",
    "notes.yaml",
).target.tables["notes"]


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Stubber]]:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    client = dynamodb_client()
    with Stubber(client) as stubber:
        yield client, stubber


def description(**more: Any) -> dict[str, Any]:
    return {"ImportArn": ARN, "ImportStatus": "IN_PROGRESS", **more}


def test_provisioned_capacity_is_the_mappings(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    stubber.add_response(
        "import_table",
        {"ImportTableDescription": description()},
        {
            "ClientToken": "t",
            "S3BucketSource": {"S3Bucket": "a-bucket", "S3KeyPrefix": "a/b/notes/"},
            "InputFormat": "DYNAMODB_JSON",
            "InputCompressionType": "ZSTD",
            "TableCreationParameters": {
                "TableName": "notes",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7},
            },
        },
    )
    state = start_import(client, "notes", TABLE, SOURCE, Compression.ZSTD, "t")
    assert (state.arn, state.id, state.has_ended) == (ARN, "01791506760000-476754e8", False)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ResourceInUseException", 400, TableTakenError),
        ("LimitExceededException", 400, TooManyImportsError),
        ("ThrottlingException", 400, PassingError),
        ("InternalServerError", 500, PassingError),
        ("ImportConflictException", 400, TargetError),
        ("AccessDeniedException", 400, TargetError),
    ],
)
def test_refusals(stubbed: tuple[Any, Stubber], code: str, status: int, kind: type[TargetError]) -> None:
    client, stubber = stubbed
    stubber.add_client_error("import_table", code, "a message that quotes a value", http_status_code=status)
    with pytest.raises(TargetError) as refused:
        start_import(client, "notes", TABLE, SOURCE, Compression.GZIP, "t")
    assert type(refused.value) is kind
    assert "quotes" not in str(refused.value)


def test_an_import_that_is_not_known(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    stubber.add_client_error("describe_import", "ImportNotFoundException")
    assert describe_import(client, ARN) is None


def test_a_failure_is_one_line(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    failed = description(
        ImportStatus="FAILED", FailureCode="S3NoSuchBucket", FailureMessage="The bucket\n is not " + "x" * 999
    )
    stubber.add_response("describe_import", {"ImportTableDescription": failed})
    state = describe_import(client, ARN)
    assert state is not None
    assert state.has_ended
    assert state.failure.startswith("S3NoSuchBucket: The bucket is not xxx")
    assert len(state.failure) == 300
    assert (state.processed, state.imported, state.errors, state.log_group) == (0, 0, 0, None)


def listed(bucket: str, prefix: str) -> dict[str, Any]:
    return {"ImportArn": ARN, "S3BucketSource": {"S3Bucket": bucket, "S3KeyPrefix": prefix}}


def test_an_import_is_found_by_its_objects_and_its_token(stubbed: tuple[Any, Stubber]) -> None:
    """An earlier attempt of the same run read the same objects."""
    client, stubber = stubbed
    others = [listed("a-bucket", "a/b/notes"), listed("other", "a/b/notes/"), listed("a-bucket", "a/b/notes/")]
    stubber.add_response("list_imports", {"ImportSummaryList": others, "NextToken": "0" * 112}, {})
    stubber.add_response("describe_import", {"ImportTableDescription": description(ClientToken="of before")})
    stubber.add_response(
        "list_imports", {"ImportSummaryList": [listed("a-bucket", "a/b/notes/")]}, {"NextToken": "0" * 112}
    )
    stubber.add_response("describe_import", {"ImportTableDescription": description(ClientToken="t")})
    found = find_import(client, SOURCE, "t")
    assert found is not None
    assert found.token == "t"
    stubber.assert_no_pending_responses()


def test_an_endpoint_that_lists_no_imports(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    for code, status in (("UnknownOperationException", 400), ("500", 500), ("404", 404)):
        stubber.add_client_error("list_imports", code, http_status_code=status)
        assert find_import(client, SOURCE, "t") is None
    stubber.add_client_error("list_imports", "AccessDeniedException")
    with pytest.raises(TargetError, match="may not call dynamodb:ListImports"):
        find_import(client, SOURCE, "t")


STATE = ImportState(ARN, "FAILED", 2, 1, 1, "", "arn:aws:logs:eu-central-1:1:log-group:/aws-dynamodb/imports:*", None)
EVENT = '{"itemS3Pointer":{"bucket":"b","key":"a/b","itemIndex":7},"errorMessages":["no","and no"]}'


class Logs:
    """Pages of GetLogEvents; the last token comes again at the end, as the page of the API says."""

    def __init__(self, *pages: list[str]) -> None:
        self.pages = pages
        self.asked: list[dict[str, Any]] = []

    def get_log_events(self, **arguments: Any) -> dict[str, Any]:
        number = int(arguments.get("nextToken", 0))
        self.asked.append(arguments)
        page = self.pages[number] if number < len(self.pages) else []
        return {"events": [{"message": one} for one in page], "nextForwardToken": str(min(number + 1, len(self.pages)))}


def test_the_error_log_is_read_to_its_end() -> None:
    logs = Logs([EVENT], [], ["no JSON", '{"other": 1}', "[]", EVENT.replace("7", "8")])
    log = read_log(STATE, "eu-central-1", logs)
    assert [(one.key, one.index, one.error) for one in log.refused] == [
        ("a/b", 7, "no; and no"),
        ("a/b", 8, "no; and no"),
    ]
    assert log.where == "CloudWatch log group /aws-dynamodb/imports, stream 01791506760000-476754e8/error"
    assert log.unread == ""
    assert logs.asked[0]["logGroupName"] == "/aws-dynamodb/imports"
    assert logs.asked[0]["logStreamName"] == "01791506760000-476754e8/error"


def test_a_long_error_log_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.target.import_log.MOST_EVENTS", 5)
    assert len(read_log(STATE, "eu-central-1", Logs(*([EVENT, EVENT] for _ in range(9)))).refused) == 5


@pytest.mark.parametrize(
    ("code", "unread"),
    [
        ("AccessDeniedException", "the credentials may not call logs:GetLogEvents there"),
        ("ResourceNotFoundException", "there is no such stream yet"),
        ("InvalidParameterException", "CloudWatch refused it (InvalidParameterException)"),
    ],
)
def test_an_error_log_that_cannot_be_read_says_why(code: str, unread: str) -> None:
    from botocore.exceptions import ClientError

    class Refusing:
        def get_log_events(self, **arguments: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": code, "Message": "quotes a value"}}, "GetLogEvents")

    assert read_log(STATE, "eu-central-1", Refusing()).unread == unread
