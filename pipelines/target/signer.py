"""Signature version 4 for many requests of one API: all that does not change from request to request is kept.

A request costs two hashes and one HMAC; the signing key is derived once a day. Tests hold it equal to botocore's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, urlsplit

from botocore.credentials import ReadOnlyCredentials
from botocore.utils import normalize_url_path

CONTENT_TYPE = "application/x-amz-json-1.0"
_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Scope:
    """What signatures hold for: `host` as the Host header says it, `path` as it is signed."""

    host: str
    path: str
    region: str
    service: str

    @classmethod
    def of(cls, url: str, region: str, service: str = "dynamodb") -> Scope:
        """`url` without a query."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        if parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme):
            host = f"{host}:{parts.port}"
        return cls(host, quote(normalize_url_path(parts.path), safe="/~"), region, service)


class Signer:
    """For any number of threads: what they share is replaced as a whole."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._kept: dict[str, _Moment] = {}

    def headers(self, target: str, body: bytes, credentials: ReadOnlyCredentials, now: float) -> list[str]:
        """Of a POST, each as `Name: value`. `target`: of X-Amz-Target. `now`: seconds since 1970."""
        second = int(now)
        moment = self._kept.get(target)
        if moment is None or moment.second != second or moment.credentials != credentials:
            moment = _moment(self._scope, target, credentials, second)
            self._kept[target] = moment
        return [*moment.headers, moment.authorization + moment.signature(body)]


@dataclass(frozen=True)
class _Moment:
    """What all requests to one target share that are signed in one second with the same credentials."""

    second: int
    credentials: ReadOnlyCredentials
    headers: tuple[str, ...]
    authorization: str  # up to the signature
    canonical: bytes  # the canonical request up to the body's hash
    to_sign: str  # the string to sign up to the canonical request's hash
    key: bytes

    def signature(self, body: bytes) -> str:
        canonical = self.canonical + sha256(body).hexdigest().encode()
        return hmac.digest(self.key, (self.to_sign + sha256(canonical).hexdigest()).encode(), "sha256").hex()


def _moment(scope: Scope, target: str, credentials: ReadOnlyCredentials, second: int) -> _Moment:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
    signed = {"content-type": CONTENT_TYPE, "host": scope.host, "x-amz-date": stamp}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    signed["x-amz-target"] = target
    names = ";".join(signed)
    lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in signed.items())
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    return _Moment(
        second=second,
        credentials=credentials,
        headers=tuple(f"{name}: {value}" for name, value in signed.items()),
        authorization=(
            f"Authorization: {_ALGORITHM} Credential={credentials.access_key}/{place}, "
            f"SignedHeaders={names}, Signature="
        ),
        canonical=f"POST\n{scope.path}\n\n{lines}\n{names}\n".encode(),
        to_sign=f"{_ALGORITHM}\n{stamp}\n{place}\n",
        key=_signing_key(credentials.secret_key, stamp[:8], scope.region, scope.service),
    )


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
