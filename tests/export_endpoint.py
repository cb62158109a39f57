"""A DynamoDB endpoint on 127.0.0.1 that exports to S3 as AWS does, in front of one that does not, or not so.

moto's export writes one object and no manifest, knows no token and no time, and gives its ARN another form. This one
keeps to AWS's pages: the table as it was when the export was asked for; under way until it was looked at `looks` times;
the same token gives the same export; without point-in-time recovery it is refused.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeExport.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3

from tests.acting_endpoint import Act, ActingEndpoint
from tests.dynamodb_export import TableExport


@dataclass
class Asked:
    """`failure`: AWS's code and message, where it is to fail."""

    request: dict[str, Any]
    export: TableExport
    looks_left: int
    failure: tuple[str, str] | None = None
    status: str = "IN_PROGRESS"

    def description(self) -> dict[str, Any]:
        failed = {"FailureCode": self.failure[0], "FailureMessage": self.failure[1]} if self.failure else {}
        known = ("TableArn", "ClientToken", "S3Bucket", "S3Prefix", "ExportFormat", "ExportType", "S3SseAlgorithm")
        return {
            "ExportArn": self.export.arn,
            "ExportStatus": self.status,
            "ExportTime": self.export.time.timestamp(),
            **{name: self.request[name] for name in known if name in self.request},
            **(failed if self.status == "FAILED" else {}),
        }


@dataclass
class ExportEndpoint(ActingEndpoint):
    """`recovery`: whether a table has point-in-time recovery. `failure`: of an export, by its number from 0."""

    looks: int = 2
    recovery: Callable[[str], bool] = lambda table: True
    failure: Callable[[int], tuple[str, str] | None] = lambda number: None
    exports: list[Asked] = field(default_factory=list)

    def own(self) -> Mapping[str, Act]:
        return {
            "ExportTableToPointInTime": self.export_table,
            "DescribeExport": self.describe_export,
            "DescribeTable": self.describe_table,
        }

    def describe_table(self, request: dict[str, Any]) -> dict[str, Any] | str:
        """With a TableId, which moto leaves out."""
        status, content = self.call("DescribeTable", request)
        answer: dict[str, Any] = json.loads(content)
        if status != 200:
            return str(answer["__type"]).rpartition("#")[2]
        table = answer["Table"]
        return {"Table": {**table, "TableId": f"{table['TableName']}-{table['CreationDateTime']}"}}

    def export_table(self, request: dict[str, Any]) -> dict[str, Any] | str:
        same = [one for one in self.exports if one.request["ClientToken"] == request["ClientToken"]]
        if same:
            return (
                {"ExportDescription": same[0].description()}
                if same[0].request == request
                else "ExportConflictException"
            )
        name = request["TableArn"].rpartition("/")[2]
        if not self.recovery(name):
            return "PointInTimeRecoveryUnavailableException"
        asked = Asked(request, self._export(name, request), self.looks, self.failure(len(self.exports)))
        self.exports.append(asked)
        return {"ExportDescription": asked.description()}

    def describe_export(self, request: dict[str, Any]) -> dict[str, Any] | str:
        found = [one for one in self.exports if one.export.arn == request["ExportArn"]]
        if not found:
            return "ExportNotFoundException"
        one = found[0]
        one.looks_left -= 1
        if one.looks_left < 0 and one.status == "IN_PROGRESS":
            one.status = "FAILED" if one.failure else "COMPLETED"
            if not one.failure:
                self._write(one.export)
        return {"ExportDescription": one.description()}

    def _export(self, table: str, request: dict[str, Any]) -> TableExport:
        described = self.describe_table({"TableName": table})
        assert isinstance(described, dict)
        items = json.loads(self.call("Scan", {"TableName": table, "ConsistentRead": True})[1])["Items"]
        return TableExport(
            table_arn=described["Table"]["TableArn"],
            table_id=described["Table"]["TableId"],
            partitions=[items[::2], [], items[1::2]],
            time=datetime.now(UTC),
            id=f"0169368582{len(self.exports):04}-2d8752fd",
            bucket=request["S3Bucket"],
            prefix=request.get("S3Prefix", ""),
        )

    def _write(self, export: TableExport) -> None:
        s3 = boto3.client("s3")
        export.write(lambda key, content: s3.put_object(Bucket=export.bucket, Key=key, Body=content))
