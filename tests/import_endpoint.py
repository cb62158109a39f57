"""A DynamoDB endpoint on 127.0.0.1 that imports from S3 as AWS does, in front of one that does not, or not so.

moto's import takes any token, lists none, ends in its first moment, knows no zstd and cuts a text at `\\"`. This one
keeps to AWS's pages and to what others met (a laboratory's notes on ImportTable, October 2026): an import is under way
until it was looked at `looks` times, counts nothing until then, and its table cannot be seen; a repeated token gives
the same import while that runs, ResourceInUseException once the table is there, and the old import once that is gone;
a bad item makes it FAILED, the good ones stay, and CloudWatch's stream `<id>/error` names the bad one. Objects are read
with the standard library.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.acting_endpoint import Act, ActingEndpoint

LOG_GROUP = "/aws-dynamodb/imports"
_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table"
_PAGE = 2


def lines_of(name: str, content: bytes) -> list[bytes]:
    """Of an object, by its name's ending."""
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    elif name.endswith(".zst"):
        content = subprocess.run(["zstd", "-dc"], input=content, capture_output=True, check=True).stdout
    assert content.endswith(b"\n")
    return content.split(b"\n")[:-1]


@dataclass
class Import:
    id: str
    request: dict[str, Any]
    looks_left: int
    status: str = "IN_PROGRESS"
    processed: int = 0
    imported: int = 0
    errors: int = 0
    failure: tuple[str, str] | None = None

    @property
    def table(self) -> str:
        return str(self.request["TableCreationParameters"]["TableName"])

    @property
    def arn(self) -> str:
        return f"{_ARN}/{self.table}/import/{self.id}"

    def description(self) -> dict[str, Any]:
        failed = {} if self.failure is None else {"FailureCode": self.failure[0], "FailureMessage": self.failure[1]}
        return {
            "ImportArn": self.arn,
            "ImportStatus": self.status,
            "TableArn": f"{_ARN}/{self.table}",
            "CloudWatchLogGroupArn": f"arn:aws:logs:eu-central-1:123456789012:log-group:{LOG_GROUP}:*",
            "ProcessedItemCount": self.processed,
            "ImportedItemCount": self.imported,
            "ErrorCount": self.errors,
            **self.request,
            **failed,
        }


@dataclass
class ImportEndpoint(ActingEndpoint):
    """`refuse`: what an item is refused for, or None. `at_once`: how many imports may be under way. `spoil`: may change
    what an import that has ended says of itself."""

    looks: int = 2
    refuse: Callable[[dict[str, Any]], str | None] = lambda item: None
    spoil: Callable[[Import], None] = lambda one: None
    at_once: int = 50
    logs: bool = True
    imports: list[Import] = field(default_factory=list)

    def own(self) -> Mapping[str, Act]:
        return {
            "ImportTable": self.import_table,
            "DescribeImport": self.describe_import,
            "ListImports": self.list_imports,
        }

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The requests of all imports that were begun."""
        return [one.request for one in self.imports]

    def import_table(self, request: dict[str, Any]) -> dict[str, Any] | str:
        table, token = request["TableCreationParameters"]["TableName"], request["ClientToken"]
        same = [one for one in self.imports if one.request["ClientToken"] == token]
        if any(one.table != table for one in same):
            return "ImportConflictException"
        if same and same[0].status == "IN_PROGRESS":
            return {"ImportTableDescription": same[0].description()}
        if self._is_there(table):
            return "ResourceInUseException"
        if same:
            return {"ImportTableDescription": same[0].description()}
        if sum(one.status == "IN_PROGRESS" for one in self.imports) >= self.at_once:
            return "LimitExceededException"
        begun = Import(f"0179150676{len(self.imports):04}-476754e8", request, self.looks)
        self.imports.append(begun)
        return {"ImportTableDescription": begun.description()}

    def describe_import(self, request: dict[str, Any]) -> dict[str, Any] | str:
        found = [one for one in self.imports if one.arn == request["ImportArn"]]
        if not found:
            return "ImportNotFoundException"
        one = found[0]
        one.looks_left -= 1
        if one.looks_left < 0 and one.status == "IN_PROGRESS":
            self._load(one)
        return {"ImportTableDescription": one.description()}

    def list_imports(self, request: dict[str, Any]) -> dict[str, Any]:
        start = int(request.get("NextToken", "0"))
        newest_first = self.imports[::-1]
        names = ("ImportArn", "ImportStatus", "TableArn", "S3BucketSource")
        page = [{name: one.description()[name] for name in names} for one in newest_first[start : start + _PAGE]]
        left = {"NextToken": str(start + _PAGE)} if start + _PAGE < len(newest_first) else {}
        return {"ImportSummaryList": page, **left}

    def _is_there(self, table: str) -> bool:
        return self.call("DescribeTable", {"TableName": table})[0] == 200

    def _load(self, one: Import) -> None:
        if self._is_there(one.table):
            one.status, one.failure = "FAILED", ("TableAlreadyExists", "Table already exists")
            return
        source, s3 = one.request["S3BucketSource"], boto3.client("s3")
        listed = s3.get_paginator("list_objects_v2").paginate(Bucket=source["S3Bucket"], Prefix=source["S3KeyPrefix"])
        keys = [found["Key"] for page in listed for found in page.get("Contents", [])]
        assert self.call("CreateTable", one.request["TableCreationParameters"])[0] == 200
        for key in keys:
            content = s3.get_object(Bucket=source["S3Bucket"], Key=key)["Body"].read()
            for index, line in enumerate(lines_of(key, content)):
                self._put(one, key, index, json.loads(line)["Item"])
        one.status = "COMPLETED"
        if one.errors:
            one.status = "FAILED"
            one.failure = ("ItemValidationError", "Some of the items failed validation checks and were not imported.")
        self.spoil(one)

    def _put(self, one: Import, key: str, index: int, item: dict[str, Any]) -> None:
        one.processed += 1
        problem = self.refuse(item)
        if problem is None:
            assert self.call("PutItem", {"TableName": one.table, "Item": item})[0] == 200
            one.imported += 1
            return
        one.errors += 1
        if self.logs:
            pointer = {"bucket": one.request["S3BucketSource"]["S3Bucket"], "key": key, "itemIndex": index}
            _log(f"{one.id}/error", {"itemS3Pointer": pointer, "importArn": one.arn, "errorMessages": [problem]})


def _log(stream: str, message: dict[str, Any]) -> None:
    logs = boto3.client("logs")
    for make, arguments in (
        (logs.create_log_group, {"logGroupName": LOG_GROUP}),
        (logs.create_log_stream, {"logGroupName": LOG_GROUP, "logStreamName": stream}),
    ):
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            make(**arguments)
    event = {"timestamp": time.time_ns() // 10**6, "message": json.dumps(message)}
    logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=[event])
