"""Passwords that AWS keeps or makes: secrets of Secrets Manager, and tokens of RDS's IAM authentication."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from pipelines.aws import NO_CREDENTIALS, REGION, UNREACHABLE, aws_session
from pipelines.errors import SourceError, UsageError
from pipelines.settings import optional

_CLIENT = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
_ARN_REGION = re.compile(r"arn:[^:]+:secretsmanager:([^:]+):")
_HOST_REGION = re.compile(r"\.([a-z0-9-]+)\.rds\.amazonaws\.com(?:\.cn)?\.?$", re.IGNORECASE)
_REFUSALS = {
    "ResourceNotFoundException": "there is no such secret in {region}",
    "AccessDeniedException": "no permission: allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key",
    "DecryptionFailure": "its key cannot be used: allow kms:Decrypt on it",
    "InvalidRequestException": "it cannot be read: it has no current version, or is marked for deletion",
}


@dataclass(frozen=True)
class SecretLogin:
    """What a secret of a database has (Secrets Manager, "JSON structure of secrets"). Those that RDS manages have
    user and password only; what is missing is None."""

    password: str = field(repr=False)
    username: str | None = None
    host: str | None = None
    port: str | None = None
    dbname: str | None = None


def secret_login(secret: str, region: str | None) -> SecretLogin:
    """Read now. `secret` is a name or an ARN. Raises SourceError or UsageError in one line, without its content."""
    named = region or next(iter(_ARN_REGION.findall(secret)), None)
    what = f"secret {secret}"
    answer = _ask("secretsmanager", named, what, lambda client: client.get_secret_value(SecretId=secret))
    return _login(answer.get("SecretString"), what)


def iam_token(host: str, port: int, user: str, region: str | None) -> str:
    """A password for one connection; it must be opened within 15 minutes (RDS, "IAM database authentication").

    Made on this machine from AWS's credentials: nothing is asked of AWS. `host` must be RDS's own name of the
    instance. Raises SourceError or UsageError.
    """
    named = region or next(iter(_HOST_REGION.findall(host)), None)
    token = _ask(
        "rds",
        named,
        f"IAM token for {host}",
        lambda client: client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user),
    )
    return str(token)


def _ask(service: str, region: str | None, what: str, question: Callable[[Any], Any]) -> Any:
    """The answer of one call. AWS's own messages stay out: they name accounts and identities."""
    failure = ""
    session = aws_session()
    try:
        region = region or optional(REGION) or session.get_config_variable("region")
        client = session.create_client(service, region_name=region, config=_CLIENT)
        try:
            return question(client)
        finally:
            client.close()
    except NoRegionError:
        raise UsageError(f"{what}: no region is known; add region=… to the source's URL, or set {REGION}") from None
    except NO_CREDENTIALS:
        failure = "no AWS credentials are found, or they cannot be had"
    except UNREACHABLE:
        failure = f"AWS cannot be reached in {region}"
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        failure = _REFUSALS.get(code, f"AWS refuses with {code}").format(region=region)
    except BotoCoreError as error:
        failure = f"AWS cannot be asked ({type(error).__name__})"
    except ValueError:
        failure = "AWS's endpoint or region is no valid one"
    raise SourceError(f"{what}: {failure}")


def _login(text: str | None, what: str) -> SecretLogin:
    try:
        document = json.loads(text or "")
    except ValueError:
        document = None
    if not isinstance(document, Mapping):
        raise SourceError(f'{what}: its text is no JSON object; {{"username": …, "password": …}} is expected')
    if not str(document.get("engine") or "postgres").lower().startswith(("postgres", "aurora-postgres")):
        raise UsageError(f"{what}: it is not for PostgreSQL; other engines are not supported yet")
    password = document.get("password")
    if not isinstance(password, str) or not password:
        raise SourceError(f"{what}: its JSON has no password")
    return SecretLogin(
        password=password,
        username=_text(document, "username"),
        host=_text(document, "host"),
        port=_text(document, "port"),
        dbname=_text(document, "dbname"),
    )


def _text(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    return None if value in (None, "") else str(value)
