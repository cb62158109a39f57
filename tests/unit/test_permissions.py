"""IAM policies: their form, and that the actions are those that the code asks AWS for."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from pipelines.cli import build_parser
from pipelines.errors import UsageError
from pipelines.permissions.grants import Statement
from pipelines.permissions.policy import policy
from pipelines.permissions.purpose import Purpose
from pipelines.permissions.resources import Objects, Where
from pipelines.permissions.statements import Used, statements
from pipelines.permissions_commands import COMMAND, script
from pipelines.source.address import source_address

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
WHERE = Where.of("eu-central-1", "123456789012")
SHOP = Used("shop", WHERE, {"shop": True, "stock": False}, Objects("bucket", "some/where/shop"))
S3_ACTIONS = {
    "list_objects_v2": "ListBucket",
    "head_bucket": "ListBucket",
    "head_object": "GetObject",
    "get_object": "GetObject",
    "put_object": "PutObject",
    "create_multipart_upload": "PutObject",
    "upload_part": "PutObject",
    "complete_multipart_upload": "PutObject",
    "abort_multipart_upload": "AbortMultipartUpload",
    "delete_object": "DeleteObject",
    "delete_objects": "DeleteObject",
}


def called(service: str, *files: str) -> set[str]:
    """boto3's names of the service's operations that these files call, or name in quotation marks."""
    known = {xform_name(name) for name in Session().get_service_model(service).operation_names}
    texts = [path.read_text(encoding="utf-8") for pattern in files for path in ROOT.glob(pattern)]
    return {word for text in texts for pair in re.findall(r'\.(\w+)\(|"(\w+)"', text) for word in pair} & known


def allowed(purpose: Purpose, service: str, used: Used = SHOP) -> set[str]:
    actions = {action for one in statements(purpose, used) for action in one.actions}
    return {action.partition(":")[2] for action in actions if action.startswith(f"{service}:")}


@pytest.mark.parametrize(
    ("purpose", "service", "files"),
    [
        (Purpose.TABLES, "dynamodb", ("pipelines/target/table_creation.py",)),
        (Purpose.EXPORT, "dynamodb", ("pipelines/target/export_table.py",)),
        (Purpose.IMPORT, "dynamodb", ("pipelines/target/import_table.py", "pipelines/target/table_creation.py")),
        (Purpose.RDS_EXPORT, "rds", ("pipelines/source/rds_export/*.py",)),
        (Purpose.MONITORING, "cloudwatch", ("pipelines/monitoring/cloudwatch.py",)),
        (Purpose.ALARMS, "cloudwatch", ("pipelines/monitoring/applying.py",)),
        (Purpose.ALARMS, "sns", ("pipelines/monitoring/applying.py",)),
        (Purpose.NOTIFICATIONS, "sns", ("dagster_defs/notify.py",)),
    ],
)
def test_what_is_called_is_allowed_and_nothing_else(purpose: Purpose, service: str, files: tuple[str, ...]) -> None:
    looked_at = {"describe_table"} if service == "dynamodb" else set()  # by `target.describe`, before anything else
    assert {xform_name(action) for action in allowed(purpose, service)} == called(service, *files) | looked_at


def test_the_reverse_relay_reads_streams_and_makes_one_at_most() -> None:
    streams = called("dynamodbstreams", "pipelines/reverse/*.py")
    tables = called("dynamodb", "pipelines/reverse/*.py") - streams
    by_wire = {"scan", "batch_get_item", "describe_table"}
    assert {xform_name(action) for action in allowed(Purpose.REVERSE, "dynamodb")} == streams | tables | by_wire
    (one,) = (one for one in statements(Purpose.REVERSE, SHOP) if one.sid == "Streams")
    assert [resource.rpartition("table/")[2] for resource in one.resources] == ["shop/stream/*", "stock/stream/*"]


def test_an_application_reads_the_masters_and_writes_items() -> None:
    """Its requests are on the wire (`pipelines.masters.sender`), and one query for the control table's rows."""
    assert allowed(Purpose.MASTERS, "dynamodb") == {"Query", "GetItem", "PutItem"}
    (one,) = (one for one in statements(Purpose.MASTERS, SHOP) if "dynamodb:Query" in one.actions)
    assert one.resources == ("arn:aws:dynamodb:eu-central-1:123456789012:table/crossover-shop",)
    assert one.actions == ("dynamodb:Query",)


def test_a_warehouse_in_s3() -> None:
    files = [f"pipelines/warehouse/s3_{name}.py" for name in ("place", "lock", "upload", "access")]
    assert {S3_ACTIONS[name] for name in called("s3", *files)} <= allowed(Purpose.WAREHOUSE, "s3")
    assert set(S3_ACTIONS.values()) == allowed(Purpose.WAREHOUSE, "s3")
    assert statements(Purpose.WAREHOUSE, Used("shop", WHERE, {})) == []


@pytest.mark.parametrize("purpose", Purpose)
def test_no_action_is_a_pattern_and_no_name_comes_twice(purpose: Purpose) -> None:
    found = statements(purpose, SHOP)
    assert not [action for one in found for action in one.actions if "*" in action]
    names = [one.sid for one in found]
    assert len(set(names)) == len(names)
    assert all(name.isalnum() for name in names)


def test_a_table_has_a_statement_of_its_own() -> None:
    first, second = statements(Purpose.TABLES, SHOP)
    assert first.resources == ("arn:aws:dynamodb:eu-central-1:123456789012:table/shop",)
    assert "dynamodb:UpdateTimeToLive" in first.actions
    assert "dynamodb:UpdateTimeToLive" not in second.actions


def test_conditions_are_in_the_policy() -> None:
    assert policy(statements(Purpose.MONITORING, SHOP)) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Metrics",
                "Effect": "Allow",
                "Action": ["cloudwatch:PutMetricData"],
                "Resource": ["*"],
                "Condition": {"StringEquals": {"cloudwatch:namespace": "Crossover"}},
            }
        ],
    }


def test_a_login_by_secret_or_by_iam() -> None:
    secret = Used("shop", WHERE, {}, source=source_address("secretsmanager:prod/shop?region=eu-west-1"))
    (one,) = statements(Purpose.INSTALLER, secret)
    assert one.resources == ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/shop-??????",)
    iam = Used("shop", WHERE, {}, source=source_address("postgresql://me@h.example.com:5432/shop?auth=iam"))
    (one,) = statements(Purpose.INSTALLER, iam)
    assert (one.actions, one.resources[0].rpartition("/")[2]) == (("rds-db:connect",), "me")


def test_partitions_and_wrong_names() -> None:
    assert Where.of("cn-north-1", None).table("shop") == "arn:aws-cn:dynamodb:cn-north-1:ACCOUNT:table/shop"
    with pytest.raises(UsageError, match="twelve digits"):
        Where.of(None, "12")
    with pytest.raises(UsageError, match="no such region"):
        Where.of("nowhere", None)


def test_the_page_has_every_role_and_every_option() -> None:
    page = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", page, re.MULTILINE)[-len(Purpose) :] == [
        (one.value, one.serves) for one in Purpose
    ]
    parser = argparse.ArgumentParser(add_help=False)
    COMMAND.add_arguments(parser)
    assert [option for action in parser._actions for option in action.option_strings if option not in page] == []


def test_the_runbooks_commands_are_there() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    lines = set(re.findall(r"`crossover ([^`]*? M\b[^`]*)`", page))
    assert len(lines) > 8
    parser = build_parser("relay")
    for line in lines:
        if not line.startswith(("verify", "permissions")):
            parser.parse_args(line.replace("ROLE", "relay").split())


def test_a_reason_is_said_once_for_the_grants_that_share_it() -> None:
    one, two = "all of the table: it is locked", "for schema crossover"
    printed = script(
        "ann", [Statement("A", one), Statement("B", one), Statement("C", two), Statement("D"), Statement("E", two)]
    )
    assert list(printed)[1:] == [f"-- {one}", "A;", "B;", f"-- {two}", "C;", "D;", f"-- {two}", "E;"]
