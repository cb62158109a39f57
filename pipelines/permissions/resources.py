"""ARNs of what a migration uses. What is not known stands as a word in capitals, to be filled in.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import UnknownRegionError

from pipelines.aws import aws_session
from pipelines.errors import UsageError

REGION, ACCOUNT, BUCKET, PREFIX = "REGION", "ACCOUNT", "BUCKET", "PREFIX"


@dataclass(frozen=True)
class Where:
    """An account's part of a region."""

    partition: str = "aws"
    region: str = REGION
    account: str = ACCOUNT

    @classmethod
    def of(cls, region: str | None, account: str | None) -> Where:
        """Raises UsageError."""
        if account is not None and not (account.isascii() and account.isdecimal() and len(account) == 12):
            raise UsageError(f"--account {account}: an AWS account is twelve digits")
        partition = "aws" if region is None else _partition(region)
        return cls(partition, region or REGION, account or ACCOUNT)

    @property
    def known_account(self) -> str | None:
        return None if self.account == ACCOUNT else self.account

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def table(self, name: str, below: str = "") -> str:
        return self.arn("dynamodb", f"table/{name}{below}")

    def role(self, name: str) -> str:
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"

    def bucket(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{name}"


@dataclass(frozen=True)
class Objects:
    """Those of a bucket whose keys begin with `prefix`, which has no slash at either end; "" means all."""

    bucket: str = BUCKET
    prefix: str = PREFIX

    def pattern(self) -> str:
        return f"{self.prefix}/*" if self.prefix else "*"

    def arn(self, where: Where) -> str:
        return f"{where.bucket(self.bucket)}/{self.pattern()}"


def _partition(region: str) -> str:
    try:
        return aws_session().get_partition_for_region(region)
    except UnknownRegionError:
        raise UsageError(f"--region {region}: AWS has no such region") from None
