"""The way to S3 in this process: one client and one file system, made when first used, by AWS's own settings.

AWS_REGION (or AWS_DEFAULT_REGION, or a profile's)   required
AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL)             any S3 endpoint; without it AWS's
CROSSOVER_S3_KMS_KEY                                  a KMS key that encrypts what is written, in place of S3's own

The client (boto3) lists, writes and removes; the file system (Arrow's) reads, in parallel and only the ranges asked
for. Arrow knows fewer ways to credentials, so it is given botocore's, and made anew when those are renewed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import Session
from pyarrow import fs

from pipelines.aws import aws_region, aws_session
from pipelines.errors import UsageError
from pipelines.settings import S3_KMS_KEY, optional

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60
ATTEMPTS = 5
CONNECTIONS = 32

Environment = tuple[tuple[str, str], ...]


@dataclass
class _Bucket:
    """`credentials`: those that `system` was made with."""

    region: str
    credentials: tuple[str, ...] = ()
    system: fs.S3FileSystem | None = None


@dataclass
class S3Access:
    """Of one set of settings."""

    session: Session
    client: S3Client
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls) -> S3Access:
        """Asks nobody anything. Raises UsageError, naming the variable, where the settings cannot be used."""
        session = aws_session()
        region = aws_region(session, "the warehouse's bucket")
        try:
            client = boto3.Session(botocore_session=session).client("s3", region_name=region, config=_config())
        except ValueError:
            raise UsageError("AWS_ENDPOINT_URL_S3 is no URL: give `http://host:port` or leave it out") from None
        except BotoCoreError as error:
            raise UsageError(f"AWS's settings cannot be used ({type(error).__name__})") from None
        return cls(session, client)

    def system(self, bucket: str) -> fs.S3FileSystem:
        """Raises botocore's errors where there are no credentials."""
        found = self.session.get_credentials()
        if found is None:
            raise NoCredentialsError
        frozen = found.get_frozen_credentials()
        credentials = (str(frozen.access_key), str(frozen.secret_key), str(frozen.token or ""))
        with self._lock:
            state = self._buckets.get(bucket)
            if state is None:
                state = self._buckets[bucket] = _Bucket(self._region(bucket))
            if state.system is None or state.credentials != credentials:
                state.system, state.credentials = self._file_system(state.region, credentials), credentials
            return state.system

    def _region(self, bucket: str) -> str:
        """The client follows S3's redirections to another region, Arrow does not."""
        try:
            return self.client.head_bucket(Bucket=bucket).get("BucketRegion") or self.client.meta.region_name
        except ClientError:
            return self.client.meta.region_name

    def _file_system(self, region: str, credentials: tuple[str, ...]) -> fs.S3FileSystem:
        endpoint = urlsplit(self.client.meta.endpoint_url)
        own = not endpoint.netloc.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        access_key, secret_key, token = credentials
        return fs.S3FileSystem(
            access_key=access_key,
            secret_key=secret_key,
            session_token=token or None,
            region=region,
            scheme=endpoint.scheme,
            endpoint_override=endpoint.netloc if own else None,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            request_timeout=READ_TIMEOUT_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            tls_ca_file_path=self.session.get_config_variable("ca_bundle") or None,
        )


def s3_access() -> S3Access:
    """This process's, by the settings of now."""
    return _state.access()


def encryption() -> dict[str, Any]:
    """What every write asks for: S3's own keys, AES256, or the KMS key that is set."""
    key = optional(S3_KMS_KEY)
    if key is None:
        return {"ServerSideEncryption": "AES256"}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, "BucketKeyEnabled": True}


def _config() -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=CONNECTIONS,
    )


class _State:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._environment: Environment | None = None
        self._access: S3Access | None = None

    def access(self) -> S3Access:
        now = _relevant(os.environ)
        with self._lock:
            if self._access is None or self._environment != now:
                self._access, self._environment = S3Access.open(), now
            return self._access


def _relevant(environment: Mapping[str, str]) -> Environment:
    return tuple(sorted((name, value) for name, value in environment.items() if name.startswith("AWS_")))


_state = _State()
_parents: list[_State] = []


def _after_fork() -> None:
    """The parent's connections are its own, and so are the threads that its file system would wait for: it is kept,
    never used and never destroyed."""
    global _state
    _parents.append(_state)
    _state = _State()


os.register_at_fork(after_in_child=_after_fork)
