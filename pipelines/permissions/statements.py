"""A purpose's statements in IAM. Crossover reads no index and updates no item, and no action has a wildcard.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pipelines.monitoring.metric import NAMESPACE
from pipelines.permissions.policy import ANYTHING, Allow
from pipelines.permissions.purpose import Purpose
from pipelines.permissions.resources import Objects, Where
from pipelines.source.address import SourceAddress
from pipelines.source.ledger.epoch import EPOCH_FILE
from pipelines.target.control_table import control_table_name

TABLE_ACTIONS: Mapping[Purpose, tuple[str, ...]] = {
    Purpose.READER: ("DescribeTable", "Scan"),
    Purpose.VERIFIER: ("DescribeTable", "Scan", "BatchGetItem"),
    Purpose.RELAY: ("DescribeTable", "Scan", "BatchGetItem", "GetItem", "PutItem", "DeleteItem"),
    Purpose.REVERSE: ("DescribeTable", "UpdateTable", "Scan", "BatchGetItem"),
    Purpose.WRITES: ("DescribeTable", "UpdateTable", "Scan", "BatchGetItem", "PutItem"),
    Purpose.BACKFILL: ("DescribeTable", "Scan", "PutItem", "PartiQLInsert", "BatchWriteItem"),
    Purpose.DUAL_WRITE: ("DescribeTable", "PutItem"),
    Purpose.MASTERS: ("GetItem", "PutItem"),
    Purpose.TABLES: ("CreateTable", "DescribeTable"),
    Purpose.IMPORT: ("CreateTable", "DescribeTable", "ImportTable", "DescribeImport"),
    Purpose.EXPORT: ("DescribeTable", "ExportTableToPointInTime", "DescribeExport"),
}
"""On every table of the mapping."""

TIME_TO_LIVE = ("DescribeTimeToLive", "UpdateTimeToLive")
"""For those that make tables, where one has a time to live."""

_BELOW = {Purpose.IMPORT: "/import/*", Purpose.EXPORT: "/export/*"}
_LOGS = (
    "CreateLogGroup",
    "CreateLogStream",
    "DescribeLogGroups",
    "DescribeLogStreams",
    "GetLogEvents",
    "PutLogEvents",
    "PutRetentionPolicy",
)
_CONNECTING = (
    Purpose.READER,
    Purpose.VERIFIER,
    Purpose.INSTALLER,
    Purpose.RELAY,
    Purpose.REVERSE,
    Purpose.WRITES,
    Purpose.BACKFILL,
    Purpose.RDS_EXPORT,
)
_MAKING = (Purpose.TABLES, Purpose.IMPORT)


@dataclass(frozen=True)
class Used:
    """What a migration uses of AWS. `name`: its own. `tables`: name → whether it has a time to live. `warehouse`: its
    part of that; None where it is a folder. `kms_key`: an ARN, or None where S3's own keys encrypt. `source`: None
    where its URL is not set."""

    name: str
    where: Where
    tables: Mapping[str, bool]
    warehouse: Objects | None = None
    kms_key: str | None = None
    source: SourceAddress | None = None

    @property
    def objects(self) -> Objects:
        """Where imports and exports lie unless they are told another place."""
        return self.warehouse or Objects()


def statements(purpose: Purpose, used: Used) -> list[Allow]:
    """None where the purpose asks nothing of AWS."""
    other = _OTHERS.get(purpose)
    return [
        *_tables(purpose, used),
        *(other(used) if other is not None else ()),
        *(_login(used) if purpose in _CONNECTING else ()),
    ]


def _tables(purpose: Purpose, used: Used) -> Iterator[Allow]:
    """One a table: each can be given to somebody else."""
    actions = TABLE_ACTIONS.get(purpose)
    if actions is None:
        return
    for number, (name, has_ttl) in enumerate(used.tables.items(), start=1):
        below = _BELOW.get(purpose)
        resources = [used.where.table(name), *([] if below is None else [used.where.table(name, below)])]
        wanted = (*actions, *(TIME_TO_LIVE if has_ttl and purpose in _MAKING else ()))
        yield Allow(f"Table{number}", tuple(f"dynamodb:{action}" for action in wanted), tuple(resources))


def _imports(used: Used) -> Iterator[Allow]:
    """The import itself runs with the rights of who asks for it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Requesting.html
    """
    yield Allow("Imports", ("dynamodb:ListImports",), (ANYTHING,))
    logs = used.where.arn("logs", "log-group:/aws-dynamodb/*")
    yield Allow("ImportLog", tuple(f"logs:{action}" for action in _LOGS), (logs,))
    yield from _objects(used, used.objects, ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"))


def _exports(used: Used) -> Iterator[Allow]:
    """DynamoDB writes with the rights of who asks for it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html
    """
    yield from _objects(used, used.objects, ("GetObject", "PutObject", "PutObjectAcl", "AbortMultipartUpload"))


def _rds_exports(used: Used) -> Iterator[Allow]:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.Exporting.html"""
    actions = ("StartExportTask", "DescribeExportTasks", "DescribeDBSnapshots", "DescribeDBClusterSnapshots")
    yield Allow("RdsExport", tuple(f"rds:{action}" for action in actions), (ANYTHING,))
    passed = {"StringEquals": {"iam:PassedToService": "export.rds.amazonaws.com"}}
    yield Allow("ExportRole", ("iam:PassRole",), (used.where.role("EXPORT-ROLE"),), passed)
    key = (used.where.arn("kms", "key/EXPORT-KEY"),)
    yield Allow("ExportKey", ("kms:CreateGrant", "kms:DescribeKey", "kms:Decrypt"), key)
    yield from _objects(replace(used, kms_key=None), Objects(), ("GetObject",))


def _warehouse(used: Used) -> Iterator[Allow]:
    if used.warehouse is not None:
        actions = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
        yield from _objects(used, used.warehouse, actions)


def _objects(used: Used, objects: Objects, actions: tuple[str, ...]) -> Iterator[Allow]:
    """Without ListBucket S3 says that access is denied where something is only missing."""
    below = {"StringLike": {"s3:prefix": objects.pattern()}}
    yield Allow("Bucket", ("s3:ListBucket",), (used.where.bucket(objects.bucket),), below)
    yield Allow("Objects", tuple(f"s3:{action}" for action in actions), (objects.arn(used.where),))
    if used.kms_key is not None:
        yield Allow("ObjectsKey", ("kms:Decrypt", "kms:GenerateDataKey"), (used.kms_key,))


def _monitoring(used: Used) -> Iterator[Allow]:  # noqa: ARG001 - as the others
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html"""
    condition = {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}
    yield Allow("Metrics", ("cloudwatch:PutMetricData",), (ANYTHING,), condition)


def _alarms(used: Used) -> Iterator[Allow]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html"""
    where, name = used.where, f"crossover-{used.name}"
    yield Allow("FindAlarms", ("cloudwatch:DescribeAlarms",), (where.arn("cloudwatch", "alarm:*"),))
    changes = ("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms")
    yield Allow("Alarms", changes, (where.arn("cloudwatch", f"alarm:{name}-*"),))
    everywhere = replace(where, region="")  # a dashboard has no region
    actions = ("GetDashboard", "PutDashboard", "DeleteDashboards")
    dashboard = everywhere.arn("cloudwatch", f"dashboard/{name}")
    yield Allow("Dashboard", tuple(f"cloudwatch:{action}" for action in actions), (dashboard,))
    actions = ("CreateTopic", "ListSubscriptionsByTopic", "Subscribe")
    yield Allow("Topic", tuple(f"sns:{action}" for action in actions), (where.arn("sns", "TOPIC"),))


def _notifications(used: Used) -> Iterator[Allow]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html"""
    yield Allow("News", ("sns:Publish",), (used.where.arn("sns", "TOPIC"),))


def _dual_write(used: Used) -> Iterator[Allow]:
    if used.warehouse is not None:
        epoch = f"{used.where.bucket(used.warehouse.bucket)}/{used.warehouse.prefix}/{EPOCH_FILE}"
        yield Allow("Epoch", ("s3:GetObject",), (epoch,))


def _masters(used: Used) -> Iterator[Allow]:
    yield _control_table(used, "Query")


def _routing(used: Used) -> Iterator[Allow]:
    yield _control_table(used, "BatchGetItem", "PutItem")


def _route(used: Used) -> Iterator[Allow]:
    """TransactWriteItems is allowed by what it does, PutItem.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    rows = ("BatchGetItem", "Query", "PutItem")
    yield _control_table(used, "CreateTable", "DescribeTable", "DescribeTimeToLive", "UpdateTimeToLive", *rows)


def _control_table(used: Used, *actions: str) -> Allow:
    resource = used.where.table(control_table_name(used.name))
    return Allow("ControlTable", tuple(f"dynamodb:{action}" for action in actions), (resource,))


def _streams(used: Used) -> Iterator[Allow]:
    """Of each table. UpdateTable is for a stream that is to be made.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
    """
    actions = ("DescribeStream", "GetShardIterator", "GetRecords")
    streams = tuple(used.where.table(name, "/stream/*") for name in used.tables)
    yield Allow("Streams", tuple(f"dynamodb:{action}" for action in actions), streams)


def _writes(used: Used) -> Iterator[Allow]:
    """What both relays do in a drain, and the mirror that applications obey."""
    yield from _streams(used)
    yield _control_table(used, "CreateTable", "DescribeTable", "BatchGetItem", "PutItem")


def _login(used: Used) -> Iterator[Allow]:
    """Where the source's URL refers to a secret or to IAM."""
    source = used.source
    if source is None:
        return
    where = used.where if source.region is None else Where.of(source.region, used.where.known_account)
    if source.secret is not None:
        # Secrets Manager adds six characters of its own to a secret's name
        named = where.arn("secretsmanager", f"secret:{source.secret}-??????")
        resource = source.secret if source.secret.startswith("arn:") else named
        yield Allow("SourceSecret", ("secretsmanager:GetSecretValue",), (resource,))
    if source.iam:
        user = where.arn("rds-db", f"dbuser:DB-RESOURCE-ID/{source.get('user')}")
        yield Allow("SourceLogin", ("rds-db:connect",), (user,))


_OTHERS: Mapping[Purpose, Callable[[Used], Iterator[Allow]]] = {
    Purpose.IMPORT: _imports,
    Purpose.EXPORT: _exports,
    Purpose.RDS_EXPORT: _rds_exports,
    Purpose.WAREHOUSE: _warehouse,
    Purpose.DUAL_WRITE: _dual_write,
    Purpose.REVERSE: _streams,
    Purpose.WRITES: _writes,
    Purpose.MASTERS: _masters,
    Purpose.ROUTING: _routing,
    Purpose.ROUTE: _route,
    Purpose.MONITORING: _monitoring,
    Purpose.ALARMS: _alarms,
    Purpose.NOTIFICATIONS: _notifications,
}
