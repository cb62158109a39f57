"""AWS's own settings and credentials, as AWS's own tools find them, for every service that is called."""

from __future__ import annotations

# Else the first call to an endpoint would import it, in whatever thread: a process that is forked meanwhile has the
# module's lock for ever, and none of its calls would ever come to an end
import encodings.idna  # noqa: F401
from functools import cache
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from pipelines.errors import UsageError
from pipelines.settings import optional

REGION = "AWS_REGION"

NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.LoginError,
)
UNREACHABLE = (exceptions.ConnectionError, exceptions.HTTPClientError)


def aws_session() -> Session:
    """Raises UsageError where the profile is missing or the configuration files cannot be used."""
    try:
        session = Session()
        session.get_scoped_config()
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    except ProfileNotFound:
        raise UsageError("AWS_PROFILE names a profile that AWS's configuration files do not have") from None
    except BotoCoreError as error:
        raise UsageError(f"AWS's configuration files cannot be used ({type(error).__name__})") from None
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """One for all sessions: to read a service's description takes five times as long as all else of a client."""
    return create_loader(data_path)


def aws_region(session: Session, whose: str) -> str:
    """The region that is set; botocore itself knows AWS_DEFAULT_REGION only. Raises UsageError, naming `whose`."""
    region = optional(REGION) or str(session.get_config_variable("region") or "").strip()
    if not region:
        raise UsageError(f"{REGION} is not set: the region of {whose}, `eu-central-1`")
    return region


def no_answer(error: BotoCoreError, whose: str, unreachable: str) -> str | None:
    """What keeps every service from answering, in words for the user; None where it is something else.

    `whose` TLS certificate, `S3's`; `unreachable`: `S3 cannot be reached; check AWS_ENDPOINT_URL_S3`.
    """
    if isinstance(error, NO_CREDENTIALS):
        return "no usable AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, exceptions.SSLError):
        return f"{whose} TLS certificate is not accepted; check the URL, or set AWS_CA_BUNDLE"
    return f"{unreachable}, AWS_REGION and the network" if isinstance(error, UNREACHABLE) else None


def origin(endpoint: str) -> str:
    """Scheme, host and port of a URL: what a message may show of it."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
